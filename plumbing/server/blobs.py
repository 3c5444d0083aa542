"""Blobs: whether they are there, and their bytes. distribution-spec 1.1, "Pulling blobs"; RFC 9110, section 14."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import BinaryIO

from starlette.concurrency import run_in_threadpool
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from plumbing.errors import NotFound
from plumbing.oci.digest import Digest
from plumbing.server.refusal import Refusal, blob_unknown
from plumbing.server.registry import digest_in, registry_of, repository_of

_CHUNK = 1 << 20
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class Blob(HTTPEndpoint):
    """/v2/<name>/blobs/<digest>. There is no DELETE: a blob goes with gc, once no image needs it."""

    async def get(self, request: Request) -> Response:
        repository_of(request)
        digest = digest_in(request.path_params["digest"])
        registry = registry_of(request)
        size = await run_in_threadpool(registry.blob_size, digest)
        headers = {
            "Accept-Ranges": "bytes",
            "Content-Length": str(size),
            "Content-Type": "application/octet-stream",
            "Docker-Content-Digest": str(digest),
            "ETag": f'"{digest}"',
        }
        if request.method == "HEAD":
            return Response(headers=headers)
        start, end = _range(request, digest, size) or (0, size)
        status = 200
        if (start, end) != (0, size):
            status = 206
            headers |= {"Content-Length": str(end - start), "Content-Range": f"bytes {start}-{end - 1}/{size}"}
        try:
            file = await run_in_threadpool(registry.store.blobs.open_unverified, digest)
        except NotFound as error:
            raise blob_unknown(error) from None
        return _Part(file, start, end, status, headers)


class _Part(StreamingResponse):
    """The bytes [start, end) of `file`, which is closed at the end, and also when the client goes before that."""

    def __init__(self, file: BinaryIO, start: int, end: int, status: int, headers: dict[str, str]) -> None:
        super().__init__(_read(file, start, end), status, headers)
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._file:
            await super().__call__(scope, receive, send)


async def _read(file: BinaryIO, start: int, end: int) -> AsyncIterator[bytes]:
    file.seek(start)
    while start < end and (data := await run_in_threadpool(file.read, min(_CHUNK, end - start))):
        start += len(data)
        yield data


def _range(request: Request, digest: Digest, size: int) -> tuple[int, int] | None:
    """The bytes asked for, [start, end), or None for all: also where the header is one that may be passed over.

    Raises Refusal where it can be understood and there are no such bytes.
    """
    asked = _RANGE.fullmatch(request.headers.get("range", ""))
    condition = request.headers.get("if-range")
    if asked is None or asked[0] == "bytes=-" or (condition is not None and condition != f'"{digest}"'):
        return None
    first, last = asked.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1 if last else size)
        if last and int(last) < start:
            return None
    if start >= end:
        message = f"no bytes {asked[0].removeprefix('bytes=')} in a blob of {size}"
        raise Refusal(416, "SIZE_INVALID", message, {"Content-Range": f"bytes */{size}"})
    return start, end
