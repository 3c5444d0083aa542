"""Faults of any answer: what is refused for a while, what errors look like. registries.md, 4.4.

The version check, GET /v2/, is let through by all that happens a number of times: the first request that matters
meets them.
"""

from __future__ import annotations

import json
import time
from email.utils import formatdate
from typing import Any

from tests.registry.faults.exchange import Exchange, Go, Head, Layer, once, switch
from tests.registry.faults.server import Registry

PLAIN = b"<html>\r\r\n\x1b[31mno\x1b[0m\x00\x07 entry\n\r" + b"go away " * 1024
"""What no terminal should be shown: escape sequences, control characters, broken line ends, 8 KiB."""


@switch
def warning_299(registry: Registry, value: Any) -> Layer:
    """value  True, or the text"""
    text = value if isinstance(value, str) else "this registry will be gone by autumn"

    async def layer(x: Exchange, go: Go) -> None:
        x.on_head(lambda head: head.headers.append("Warning", f'299 - "{text}"'))
        await go()

    return layer


@switch
def plain_text_error(registry: Registry, value: Any) -> Layer:
    async def layer(x: Exchange, go: Go) -> None:
        def plain(head: Head) -> None:
            if head.status >= 400:
                head.headers["Content-Type"] = "text/plain"
                head.body = PLAIN

        x.on_head(plain)
        await go()

    return layer


@switch
def retry_after_429(registry: Registry, value: Any) -> Layer:
    """value  Retry-After: seconds as a number, "date" (2 s from now), or any text; or (that, how many times)"""
    said, times = value if isinstance(value, tuple) else (value, 1)
    again = once(times)

    async def layer(x: Exchange, go: Go) -> None:
        if x.kind in ("version", "token") or not again():
            await go()
            return
        after = formatdate(time.time() + 2, usegmt=True) if said == "date" else str(said)
        await x.answer(429, b"You have reached your pull rate limit.\n", Content_Type="text/plain", Retry_After=after)

    return layer


@switch
def flaky(registry: Registry, value: Any) -> Layer:
    """value  (status or "reset", how many times)"""
    status, times = value
    again = once(times)

    async def layer(x: Exchange, go: Go) -> None:
        if x.kind in ("version", "token") or not again():
            await go()
            return
        if status == "reset":
            await x.reset()
            return
        await x.refuse(status, "UNAVAILABLE" if status >= 500 else "UNKNOWN")

    return layer


@switch
def empty_403_once(registry: Registry, value: Any) -> Layer:
    """value  True, or how many times"""
    again = once(int(value))

    async def layer(x: Exchange, go: Go) -> None:
        if x.kind in ("version", "token") or not again():
            await go()
            return
        await x.answer(403)

    return layer


@switch
def unauthorized_400(registry: Registry, value: Any) -> Layer:
    async def layer(x: Exchange, go: Go) -> None:
        if x.kind == "version":
            await go()
            return
        await x.refuse(400, "UNAUTHORIZED", "access to the requested resource is not authorized")

    return layer


@switch
def body_limit_413(registry: Registry, value: Any) -> Layer:
    """value  the most bytes that a proxy in front lets through"""

    async def layer(x: Exchange, go: Go) -> None:
        if (x.length or 0) <= value:
            await go()
            return
        await x.answer(413, b"<html>413 Request Entity Too Large</html>", Content_Type="text/html", Connection="close")

    return layer


@switch
def strict(registry: Registry, value: Any) -> Layer:
    """No request of a good client meets this: see `_objection`."""

    async def layer(x: Exchange, go: Go) -> None:
        objection = await _objection(x)
        if objection is None:
            await go()
            return
        await x.refuse(*objection)

    return layer


_EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
_MODERN = (
    "oci.image.index",
    "oci.image.manifest",
    "docker.distribution.manifest.list",
    "docker.distribution.manifest.v2",
)


async def _objection(x: Exchange) -> tuple[int, str, str] | None:
    if x.method in ("POST", "PUT", "PATCH") and x.length is None:
        return 411, "SIZE_INVALID", "length required"
    if x.kind == "upload" and x.method == "PUT" and _EMPTY in x.query:
        return 500, "UNKNOWN", "an empty blob"
    if x.kind == "begin" and (x.param("mount") is None) != (x.param("from") is None):
        return 400, "BLOB_UPLOAD_INVALID", "mount and from go together"
    if x.kind == "manifest" and x.method == "PUT" and "mediaType" not in json.loads(await x.body()):
        return 400, "MANIFEST_INVALID", "Invalid JSON syntax"
    if x.kind == "manifest" and x.method == "HEAD" and ":" not in x.reference and not _is_tag(x.reference):
        return 400, "TAG_INVALID", "malformed tag"
    if x.kind == "manifest" and x.method == "GET" and not all(kind in x.headers.get("accept", "") for kind in _MODERN):
        return 400, "MANIFEST_INVALID", "schema 1, for an Accept that names no more"
    return None


def _is_tag(text: str) -> bool:
    return text[0] not in ".-" and all(c.isascii() and (c.isalnum() or c in "._-") for c in text)
