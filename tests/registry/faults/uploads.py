"""Faults of uploads: what they take, how they break. registries.md, 4.4."""

from __future__ import annotations

from typing import Any

from starlette.types import Message

from plumbing.oci.digest import Digest
from tests.registry.faults.exchange import Exchange, Go, Head, Layer, once, switch
from tests.registry.faults.server import Registry

# what is taken


@switch
def repo_must_exist(registry: Registry, value: Any) -> Layer:
    """value  True or "POST"; "PATCH": in the middle of the body, closing without reading the rest"""

    async def layer(x: Exchange, go: Go) -> None:
        if x.kind == "begin" and value in (True, "POST"):
            await x.refuse(404, "NAME_UNKNOWN", f"The repository '{x.name}' does not exist")
            return
        if x.kind == "upload" and x.method == "PATCH" and value == "PATCH":
            await x.body(1)
            await x.refuse_and_close(404, "NAME_UNKNOWN", f"The repository '{x.name}' does not exist")
            return
        await go()

    return layer


@switch
def mount_refused(registry: Registry, value: Any) -> Layer:
    """value  202: an upload is opened instead; 400, 401, 403, 404, 500"""

    async def layer(x: Exchange, go: Go) -> None:
        if x.kind == "begin" and x.param("mount") is not None:
            if value != 202:
                await x.refuse(value, "DENIED" if value < 500 else "UNKNOWN", "no mount")
                return
            x.query = ""
        await go()

    return layer


@switch
def patch_unsupported(registry: Registry, value: Any) -> Layer:
    """value  404, 405, 411, 416"""

    async def layer(x: Exchange, go: Go) -> None:
        if x.kind == "upload" and x.method == "PATCH":
            await x.refuse(value, "UNSUPPORTED", "no PATCH here")
            return
        await go()

    return layer


@switch
def monolithic_put_301(registry: Registry, value: Any) -> Layer:
    async def layer(x: Exchange, go: Go) -> None:
        redirected = x.path.startswith("/put/")
        x.path = x.path.removeprefix("/put")
        if x.kind == "upload" and x.method == "PUT" and x.has_body and not redirected:
            await x.answer(301, Location=f"/put{x.path}?{x.query}")
            return
        await go()

    return layer


@switch
def content_range_refused(registry: Registry, value: Any) -> Layer:
    """value  400 or 405; True is 400"""

    async def layer(x: Exchange, go: Go) -> None:
        if x.kind == "upload" and "content-range" in x.headers:
            await x.refuse(400 if value is True else value, "UNSUPPORTED", "no Content-Range here")
            return
        await go()

    return layer


@switch
def chunk_limits(registry: Registry, value: Any) -> Layer:
    """value  (least, most) bytes of a chunk"""
    least, most = value

    async def layer(x: Exchange, go: Go) -> None:
        def limits(head: Head) -> None:
            head.headers["OCI-Chunk-Min-Length"] = str(least)

        if x.kind == "begin":
            x.on_head(limits)
        if x.kind == "upload" and "content-range" in x.headers and (x.length or 0) > most:
            await x.refuse(416, "SIZE_INVALID", "the chunk is too big")
            return
        await go()

    return layer


@switch
def keeps_last_chunk(registry: Registry, value: Any) -> Layer:
    """Of an upload in several bodies the last one is kept; the blob's HEAD has that size."""
    lengths: dict[str, list[int]] = {}
    cut: dict[str, int] = {}

    async def layer(x: Exchange, go: Go) -> None:
        if x.kind == "blob" and x.reference in cut and x.method in ("GET", "HEAD"):
            await x.answer(
                200, bytes(cut[x.reference]) if x.method == "GET" else b"", Content_Length=str(cut[x.reference])
            )
        elif x.kind == "upload" and x.method in ("PATCH", "PUT"):
            if x.has_body:
                lengths.setdefault(x.reference, []).append(x.length or 0)
            of = lengths.get(x.reference, [])
            digest = x.param("digest")
            await go()
            if x.method == "PUT" and digest is not None:
                cut.pop(digest, None)
                if len(of) > 1:
                    registry.store.blobs.path(Digest.parse(digest)).unlink(missing_ok=True)
                    cut[digest] = of[-1]
        else:
            await go()

    return layer


@switch
def upload_status(registry: Registry, value: Any) -> Layer:
    """value  404 or 405; or a Range that does not fit, such as "0-99999999" """

    async def layer(x: Exchange, go: Go) -> None:
        if x.kind == "upload" and x.method == "GET":
            if isinstance(value, int):
                await x.refuse(value, "BLOB_UPLOAD_UNKNOWN" if value == 404 else "UNSUPPORTED")
                return
            x.on_head(lambda head: head.headers.update({"Range": value}))
        await go()

    return layer


# how it breaks


@switch
def reset_mid_patch(registry: Registry, value: Any) -> Layer:
    """value  after how many bytes, which are kept; once for each upload"""
    broken: set[str] = set()

    async def layer(x: Exchange, go: Go) -> None:
        if x.kind != "upload" or x.method != "PATCH" or x.reference in broken or (x.length or value) < value:
            await go()
            return
        broken.add(x.reference)
        receive, left = x.receive, value

        async def broken_off() -> Message:
            nonlocal left
            if left == 0:
                return {"type": "http.disconnect"}
            message = await receive()
            body = message.get("body", b"")[:left]
            left -= len(body)
            return {**message, "body": body, "more_body": True} if message["type"] == "http.request" else message

        x.receive = broken_off
        await x.held_back(go)
        await x.reset()

    return layer


@switch
def upload_lost_once(registry: Registry, value: Any) -> Layer:
    """value  404: BLOB_UPLOAD_UNKNOWN; 400: BLOB_UPLOAD_INVALID, if another upload is open. It is gone then"""
    first = once()

    async def layer(x: Exchange, go: Go) -> None:
        if x.kind == "upload" and x.method == "PUT":
            sessions = registry.app.state.registry.sessions
            if (value == 404 or len(sessions) > 1) and first():
                sessions.cancel(sessions.find(x.reference, x.name))
                await x.refuse(value, "BLOB_UPLOAD_UNKNOWN" if value == 404 else "BLOB_UPLOAD_INVALID")
                return
        await go()

    return layer


@switch
def commit_then_timeout(registry: Registry, value: Any) -> Layer:
    async def layer(x: Exchange, go: Go) -> None:
        if x.kind != "upload" or x.method != "PUT":
            await go()
            return
        await x.held_back(go)
        await x.wait_for_the_client_to_go()

    return layer


@switch
def put_reset(registry: Registry, value: Any) -> Layer:
    """value  True, or how many times"""
    again = once(int(value))

    async def layer(x: Exchange, go: Go) -> None:
        if x.kind != "upload" or x.method != "PUT" or not again():
            await go()
            return
        sessions = registry.app.state.registry.sessions
        sessions.cancel(sessions.find(x.reference, x.name))
        await x.reset()

    return layer


@switch
def odd_success(registry: Registry, value: Any) -> Layer:
    """value  True, or (status of PATCH, of PUT, of a manifest's PUT): 201 or 204, 200 or 204, 200 or 202"""
    patch, put, manifest = (201, 200, 200) if value is True else value
    odd = {("PATCH", "upload"): patch, ("PUT", "upload"): put, ("PUT", "manifest"): manifest}

    async def layer(x: Exchange, go: Go) -> None:
        status = odd.get((x.method, x.kind))

        def strange(head: Head) -> None:
            if head.status < 300 and status is not None:
                head.status = status
                if status == 204:
                    del head.headers["content-length"]

        x.on_head(strange)
        await go()

    return layer
