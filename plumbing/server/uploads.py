"""Uploads: blobs in one piece, in several, or by a mount. distribution-spec 1.1, "Pushing blobs"."""

from __future__ import annotations

import re

from starlette.concurrency import run_in_threadpool
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import Response

from plumbing.errors import DigestMismatch
from plumbing.oci.digest import Digest
from plumbing.server.refusal import Refusal, digest_invalid
from plumbing.server.registry import Registry, digest_in, registry_of, repository_of
from plumbing.server.sessions import Upload

_RANGE = re.compile(r"(\d{1,18})-(\d{1,18})")


class Begin(HTTPEndpoint):
    """/v2/<name>/blobs/uploads/"""

    async def post(self, request: Request) -> Response:
        """Mount a blob, take one that is in the body, or open an upload."""
        repository = repository_of(request)
        registry = registry_of(request)
        if (mount := request.query_params.get("mount")) is not None:
            digest = digest_in(mount)
            try:
                await run_in_threadpool(registry.blob_size, digest)
            except Refusal:
                return _open(202, await registry.sessions.begin(repository))
            return _created(repository, digest)
        if (said := request.query_params.get("digest")) is not None:
            digest = digest_in(said)
            upload = await registry.sessions.begin(repository)
            try:
                await _take(request, registry, upload, digest)
            finally:
                if not upload.over:  # it has no URL by which it could go on
                    registry.sessions.cancel(upload)
            return _created(repository, digest)
        return _open(202, await registry.sessions.begin(repository))


class Continue(HTTPEndpoint):
    """/v2/<name>/blobs/uploads/<id>"""

    async def get(self, request: Request) -> Response:
        """How far it is."""
        return _open(204, _upload(request))

    async def patch(self, request: Request) -> Response:
        """The next bytes: a chunk with its place, or a stream."""
        upload = _upload(request)
        async with upload.turn:
            try:
                _check_place(request, upload)
                await upload.append(request.stream())
            finally:
                _close_if_cancelled(upload)
        return _open(202, upload)

    async def put(self, request: Request) -> Response:
        """The last bytes, if any, and the digest of all."""
        upload = _upload(request)
        digest = digest_in(request.query_params.get("digest", ""))
        await _take(request, registry_of(request), upload, digest)
        return _created(upload.repository, digest)

    async def delete(self, request: Request) -> Response:
        """Give it up."""
        registry_of(request).sessions.cancel(_upload(request))
        return Response(status_code=204)


async def _take(request: Request, registry: Registry, upload: Upload, digest: Digest) -> None:
    """The body, and then all of `upload` as the blob `digest`."""
    async with upload.turn:
        try:
            _check_place(request, upload)
            upload.expect(digest)
            await upload.append(request.stream())
            await registry.sessions.commit(upload, digest)
        except DigestMismatch as error:
            raise digest_invalid(error) from None
        finally:
            _close_if_cancelled(upload)


def _upload(request: Request) -> Upload:
    return registry_of(request).sessions.find(request.path_params["id"], repository_of(request))


def _check_place(request: Request, upload: Upload) -> None:
    """Raises Refusal for a chunk that is not the next one, saying where the next one begins."""
    said = request.headers.get("content-range")
    if said is None:
        return
    place = _RANGE.fullmatch(said)
    length = request.headers.get("content-length")
    if place is None or (length is not None and int(place[2]) - int(place[1]) + 1 != int(length)):
        raise Refusal(416, "BLOB_UPLOAD_INVALID", f"malformed Content-Range '{said}' of a body of {length} bytes")
    if int(place[1]) != upload.size:
        message = f"cannot take bytes {said}: byte {upload.size} is the next"
        raise Refusal(416, "BLOB_UPLOAD_INVALID", message, _progress(upload))


def _close_if_cancelled(upload: Upload) -> None:
    if upload.over:
        upload.close()


def _progress(upload: Upload) -> dict[str, str]:
    # of nothing too: the header must be there, and has no way to say "none"
    return {
        "Location": f"/v2/{upload.repository}/blobs/uploads/{upload.id}",
        "Range": f"0-{max(0, upload.size - 1)}",
        "Docker-Upload-UUID": upload.id,
    }


def _open(status: int, upload: Upload) -> Response:
    return Response(status_code=status, headers=_progress(upload))


def _created(repository: str, digest: Digest) -> Response:
    headers = {"Location": f"/v2/{repository}/blobs/{digest}", "Docker-Content-Digest": str(digest)}
    return Response(status_code=201, headers=headers)
