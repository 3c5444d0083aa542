"""Uploads that are open: blobs on their way in, each with its temporary file in the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from time import monotonic
from uuid import uuid4

from starlette.concurrency import run_in_threadpool

from plumbing.oci.digest import Digest
from plumbing.server.refusal import Refusal
from plumbing.store import Store
from plumbing.store.blobs import BlobWriter

IDLE = 1800
"""Seconds after which an upload that nobody touches is given up. Less than what gc leaves to temporary files."""

_CHUNK = 1 << 20


class Upload:
    """One blob on its way in. Whoever writes to it holds `turn`; anybody may look at `size`."""

    def __init__(self, id: str, repository: str, store: Store) -> None:
        self.id = id
        self.repository = repository
        self.turn = asyncio.Lock()
        self.touched = 0.0
        self.over = False
        self._store = store
        self._writer: BlobWriter = store.writer()
        self._algorithm = "sha256"

    @property
    def size(self) -> int:
        """Bytes that have arrived."""
        return self._writer.size

    def expect(self, digest: Digest) -> None:
        """Hash by the algorithm of `digest` from the start, if this is the start."""
        if self.size == 0:
            self._writer.hash_with(digest)
            self._algorithm = digest.algorithm

    async def append(self, body: AsyncIterator[bytes]) -> None:
        """Write `body` at the end, one piece while the next one comes.

        Of a body that breaks off, what came is kept, so that the rest can follow.
        """
        buffer = bytearray()
        writing = asyncio.create_task(self._write(b""))
        try:
            async for chunk in body:
                buffer += chunk
                if len(buffer) >= _CHUNK:
                    await writing
                    writing = asyncio.create_task(self._write(buffer))
                    buffer = bytearray()
        finally:
            await writing
            await self._write(buffer)

    async def _write(self, data: bytes | bytearray) -> None:
        if self.over:
            raise upload_unknown(self.id)
        if data:
            await run_in_threadpool(self._writer.write, memoryview(data))

    def commit(self, digest: Digest) -> None:
        """Make what has arrived the blob `digest`. Blocks. Raises DigestMismatch; the upload is over either way."""
        with self._writer:
            if digest.algorithm == self._algorithm:
                self._writer.commit(digest)
                return
            # the algorithm was not known when the first byte came, so that all is hashed again; this first blob is gc's
            hashed = self._writer.commit()
        with self._store.blobs.open(hashed) as blob, self._store.writer() as writer:
            writer.hash_with(digest)
            while data := blob.read(_CHUNK):
                writer.write(data)
            writer.commit(digest)

    def close(self) -> None:
        """Delete what has arrived, unless it was committed."""
        self._writer.__exit__(None, None, None)


class Sessions:
    """The uploads of one server, by id. They end with the server; what it could not delete, killed, gc deletes."""

    def __init__(self, store: Store, *, now: Callable[[], float] = monotonic) -> None:
        self._store = store
        self._now = now
        self._open: dict[str, Upload] = {}

    def __len__(self) -> int:
        return len(self._open)

    async def begin(self, repository: str) -> Upload:
        """A new upload. The occasion to give up those that were abandoned."""
        for upload in list(self._open.values()):
            if self._now() - upload.touched > IDLE and not upload.turn.locked():
                self.cancel(upload)
        upload = await run_in_threadpool(Upload, str(uuid4()), repository, self._store)
        upload.touched = self._now()
        self._open[upload.id] = upload
        return upload

    def find(self, id: str, repository: str) -> Upload:
        """Raises Refusal for one that is not open, or not in `repository`."""
        upload = self._open.get(id)
        if upload is None or upload.repository != repository:
            raise upload_unknown(id)
        upload.touched = self._now()
        return upload

    async def commit(self, upload: Upload, digest: Digest) -> None:
        """End `upload` as the blob `digest`. Raises DigestMismatch; nothing is kept then. The caller holds its turn."""
        self._end(upload)
        await run_in_threadpool(upload.commit, digest)

    def cancel(self, upload: Upload) -> None:
        """End `upload` and delete what has arrived; a request that writes to it now does so when it sees that."""
        self._end(upload)
        if not upload.turn.locked():
            upload.close()

    def close(self) -> None:
        """Cancel all, when no request is running any more."""
        for upload in list(self._open.values()):
            self._end(upload)
            upload.close()

    def _end(self, upload: Upload) -> None:
        upload.over = True
        self._open.pop(upload.id, None)


def upload_unknown(id: str) -> Refusal:
    return Refusal(404, "BLOB_UPLOAD_UNKNOWN", f"cannot find upload '{id}': it is done, cancelled or was given up")
