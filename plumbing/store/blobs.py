"""Blobs: written whole or not at all, read only as what their name says. image-spec 1.1, image-layout.md "Blobs"."""

from __future__ import annotations

import hashlib
import os
import stat
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self

from plumbing.errors import DigestMismatch, Malformed, NotFound, StoreError
from plumbing.files import sync_folder
from plumbing.oci.digest import Digest
from plumbing.store import facts, lock
from plumbing.store.files import failing_as, make_folder, open_descriptor, open_regular, reason, start_writing

if TYPE_CHECKING:
    from plumbing.threads import Threads

_CHUNK = 1 << 20
_LARGE = 256 << 10  # bytes of a piece for which it is worth it to ask another thread
_PENDING = 3  # pieces that wait to be hashed: enough for a thread that is never without one
_AHEAD = 8 << 20  # bytes that the disk is given at a time, while more of them come


class Blobs:
    """`root`/blobs/ALGORITHM/HEX. One object may be used by several threads."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "blobs"
        self._prefix = f"{self.folder}/"
        self.staging = root / "tmp"
        self.writers: set[BlobWriter] = set()  # those that have not ended

    def path(self, digest: Digest) -> Path:
        return self.folder / digest.algorithm / digest.hex

    def size(self, digest: Digest) -> int | None:
        """Of a blob that is there as a regular file, in bytes; else None. Its content is not looked at."""
        with failing_as("look at", self.path(digest)):
            try:
                status = os.stat(self.path(digest), follow_symlinks=False)
            except (FileNotFoundError, NotADirectoryError):
                return None
        return status.st_size if stat.S_ISREG(status.st_mode) else None

    def read(self, digest: Digest, size: int) -> bytes:
        """A small blob whole, verified. Raises NotFound, or DigestMismatch for others than `size` bytes of `digest`.

        By plain system calls: a gc of 10^5 manifests is little else than this.
        """
        try:
            descriptor = open_descriptor(f"{self._prefix}{digest.algorithm}/{digest.hex}")
            try:
                found = os.fstat(descriptor).st_size
                raw = os.read(descriptor, size) if found == size else b""
            finally:
                os.close(descriptor)
        except (FileNotFoundError, NotADirectoryError):
            raise NotFound.blob(digest, self.root) from None
        except OSError as error:
            raise StoreError(f"cannot read '{self.path(digest)}': {reason(error)}") from error
        if found != size:
            raise DigestMismatch(digest, f"{found} bytes, expected {size}", where=self.root)
        hasher = digest.hasher()
        hasher.update(raw)
        if hasher.hexdigest() != digest.hex:
            raise DigestMismatch(digest, Digest.ending(hasher), where=self.root)
        return raw

    def open(self, digest: Digest, *, verify: bool = True) -> BlobReader:
        """A stream that ends in DigestMismatch if the bytes are not those of `digest`. The caller closes it.

        verify  or whoever gets the bytes does so; raises NotFound
        """
        return BlobReader(digest, self.open_unverified(digest), self.path(digest), verify=verify)

    def open_unverified(self, digest: Digest) -> BinaryIO:
        """The blob's file itself, for whoever has verified it or will. Raises NotFound."""
        path = self.path(digest)
        with failing_as("read", path):
            try:
                return open_regular(path)
            except (FileNotFoundError, NotADirectoryError):
                raise NotFound.blob(digest, self.root) from None

    def verify(self, digest: Digest, size: int | None = None, *, trust: bool = True) -> int:
        """Check size and digest; return the size in bytes. Raises NotFound or DigestMismatch.

        trust  believe what was noted when the file was last read whole and had this size and time
        """
        with self.open(digest) as blob:
            if size is not None and blob.size != size:
                raise DigestMismatch(digest, f"{blob.size} bytes, expected {size}", where=self.root)
            noted = facts.noted(blob.fileno(), facts.VERIFIED) == facts.verified_as(blob.status)
            if not (trust and noted):
                buffer = bytearray(min(blob.size + 1, _CHUNK))  # a byte for the end; most blobs are small
                while blob.readinto(buffer):
                    pass
                if not noted:
                    facts.note(self.path(digest), facts.VERIFIED, facts.verified_as(blob.status))
            return blob.size

    def is_sound(self, digest: Digest, size: int) -> bool:
        """Whether the blob is there with `size` bytes, and was seen to be right as it is now. Reads none of it."""
        with suppress(OSError):
            status = os.stat(self.path(digest), follow_symlinks=False)
            if stat.S_ISREG(status.st_mode) and status.st_size == size:
                return facts.noted(self.path(digest), facts.VERIFIED) == facts.verified_as(status)
        return False

    def is_right(self, digest: Digest, size: int) -> bool:
        """Whether the blob is there with `size` bytes and is what its name says: reads it, unless it `is_sound`."""
        if self.is_sound(digest, size):
            return True
        try:
            self.verify(digest, size)
        except (NotFound, DigestMismatch, StoreError):
            return False
        return True

    def sync(self) -> None:
        """Make the names of all blobs last that are there: who wrote one may have been killed before it did so."""
        with failing_as("write", self.folder):
            for algorithm in os.scandir(self.folder):
                if algorithm.is_dir(follow_symlinks=False):
                    sync_folder(Path(algorithm.path))

    def writer(self) -> BlobWriter:
        """Where the bytes of a new blob go; see BlobWriter."""
        with failing_as("write to", self.root):
            self.staging.mkdir(exist_ok=True)
            return BlobWriter(self)

    def __iter__(self) -> Iterator[Digest]:
        """Every file that is named as a blob, in no order."""
        with failing_as("list", self.folder):
            for algorithm in os.scandir(self.folder):
                if algorithm.is_dir(follow_symlinks=False):
                    for entry in os.scandir(algorithm.path):
                        try:
                            yield Digest(algorithm.name, entry.name)
                        except Malformed:
                            continue  # a stranger's file is not ours to judge; fsck lists it


class BlobReader:
    """A blob as a stream, hashed while it is read: whoever has seen its end has seen the right bytes.

    Unless it was opened not to `verify`: a GiB is hashed in the time that a fifth of it takes to be sent.
    """

    def __init__(self, digest: Digest, file: BinaryIO, path: Path, *, verify: bool = True) -> None:
        self._digest = digest
        self._file = file
        self._path = path
        self._hasher = digest.hasher() if verify else None
        self.status = os.fstat(file.fileno())
        self.size = self.status.st_size

    def fileno(self) -> int:
        return self._file.fileno()

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, b"" at the end. Raises DigestMismatch instead of an end that is wrong."""
        with failing_as("read", self._path):
            data = self._file.read(size)
        self._take(data, end=size < 0 or (not data and size > 0))
        return data

    def readinto(self, buffer: bytearray | memoryview) -> int:
        with failing_as("read", self._path):
            count: int = self._file.readinto(buffer)  # type: ignore[attr-defined]  # raw files have it
        self._take(memoryview(buffer)[:count], end=not count)
        return count

    def _take(self, data: bytes | memoryview, *, end: bool) -> None:
        if self._hasher is None:
            return
        self._hasher.update(data)
        if end and (found := Digest.ending(self._hasher)) != self._digest:
            raise DigestMismatch(self._digest, found, where=self._path.parents[2])

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class BlobWriter:
    """A blob on its way in. `with` it: what was not committed is gone at the end.

    The bytes go to a temporary file and are hashed on the way; `commit` makes them last and gives them their name.
    """

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._hashing: Threads | None = None
        self._hashed: deque[Callable[[], None]] = deque()  # each waits for a piece that is being hashed beside
        import tempfile  # here: it costs more than most commands that only read

        while True:
            descriptor, name = tempfile.mkstemp(dir=blobs.staging)
            self._file = open(descriptor, "wb", buffering=0)  # noqa: SIM115  (closed by __exit__)
            self._path: Path | None = Path(name)
            try:
                if lock.hold(descriptor):
                    break
            except BaseException:
                self.__exit__(None, None, None)
                raise
            self._file.close()  # a gc without grace was faster
        self._hasher = hashlib.sha256()
        self._begun = 0  # bytes that the disk was given
        self.size = 0
        blobs.writers.add(self)

    def write(self, data: bytes | memoryview) -> int:
        """Take all of `data`. Raises StoreError where the file system does not."""
        view = memoryview(data).cast("B")
        with failing_as("write to", self._blobs.root):
            # where several blobs come at once, they are beside each other
            beside = len(view) >= _LARGE and len(self._blobs.writers) == 1
            if beside:
                self._hash_beside(view)
            else:
                self._finish_hashing()
                self._hasher.update(view)
            try:
                self._put(view)
            finally:
                # whoever gave bytes that change may use their buffer again
                self._finish_hashing(all_but=_PENDING if isinstance(data, bytes) else 0)
        self.size += len(view)
        if self.size - self._begun >= _AHEAD:
            start_writing(self._file.fileno(), self._begun, self.size - self._begun)
            self._begun = self.size
        return len(view)

    def _hash_beside(self, view: memoryview) -> None:
        if self._hashing is None:
            from plumbing.threads import Threads  # here: threads cost more than most blobs

            self._hashing = Threads(1)
        self._hashed.append(self._hashing.begin(self._hasher.update, view))

    def _finish_hashing(self, *, all_but: int = 0) -> None:
        while len(self._hashed) > all_but:
            self._hashed.popleft()()

    def _put(self, view: memoryview) -> None:
        done = 0
        while done < len(view):
            done += self._file.write(view[done:])

    def hash_with(self, digest: Digest) -> None:
        """Hash by the algorithm of `digest` instead of sha256; before the first byte."""
        self._hasher = digest.hasher()

    def commit(
        self,
        expected: Digest | None = None,
        size: int | None = None,
        *,
        diff_id: Digest | None = None,
        giver: object = None,
    ) -> Digest:
        """Give the bytes their name; return it. A blob that is there and is known to be right stays, young for gc.

        expected, size  what the bytes must be; raises DigestMismatch, and nothing is kept
        diff_id         a fact to keep, of a layer
        giver           whose bytes they are, and whose fault if they are others; this store's if it is None
        """
        giver = giver or self._blobs.root
        self._finish_hashing()
        digest = Digest.ending(self._hasher)
        if size is not None and self.size != size:
            raise DigestMismatch(expected or digest, f"{self.size} bytes, expected {size}", where=giver)
        if expected is not None and digest != expected:
            raise DigestMismatch(expected, digest, where=giver)
        with failing_as("write", self._blobs.path(digest)):
            self._settle(digest, diff_id)
        return digest

    def _settle(self, digest: Digest, diff_id: Digest | None) -> None:
        assert self._path is not None
        final = self._blobs.path(digest)
        if self._blobs.is_sound(digest, self.size):
            freshen(final)
            if diff_id is not None:
                facts.note(final, facts.DIFF_ID, str(diff_id))
            return
        descriptor = self._file.fileno()
        # before the mode: a file that may not be written takes no attributes either
        if diff_id is not None:
            facts.note(descriptor, facts.DIFF_ID, str(diff_id))
        facts.note(descriptor, facts.VERIFIED, facts.verified_as(os.fstat(descriptor)))
        os.fchmod(descriptor, 0o444)
        os.fsync(descriptor)
        if not final.parent.is_dir():
            make_folder(final.parent, below=final.parent)
        if final.is_dir():
            raise StoreError(f"cannot write '{final}': a folder is in its place; remove it")
        self._path.replace(final)
        self._path = None
        sync_folder(final.parent)  # or a power cut takes back the rename, and the next ref names a missing blob

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # What went wrong before this is what is said; what was committed is synced; what stays here is for gc.
        self._blobs.writers.discard(self)
        if self._hashing is not None:
            self._hashing.end()
        with suppress(OSError):
            self._file.close()
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink()


def freshen(path: Path) -> None:
    """Make a blob young for gc: its change time is now. Its modification time stays, so that what is noted fits."""
    try:
        status = os.stat(path, follow_symlinks=False)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)
    except OSError:
        return  # another's file, or a read-only store: then gc is not ours to fear
