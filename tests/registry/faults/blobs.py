"""Faults of blobs: whether they are there, and what comes instead of them. registries.md, 4.4."""

from __future__ import annotations

from typing import Any

from starlette.types import Message

from plumbing.errors import Malformed
from plumbing.oci.digest import Digest
from tests.registry.faults.exchange import Exchange, Go, Head, Layer, once, switch
from tests.registry.faults.server import Registry
from tests.secrets import secret

ENDLESS = 64 << 20
"""Bytes that are sent to who does not stop reading in time."""

_SIGNATURE = secret("a storage's signature")


# whether they are there


@switch
def head_405(registry: Registry, value: Any) -> Layer:
    async def layer(x: Exchange, go: Go) -> None:
        if x.method == "HEAD" and x.kind in ("blob", "manifest"):
            await x.refuse(405, "UNSUPPORTED")
            return
        await go()

    return layer


@switch
def head_403(registry: Registry, value: Any) -> Layer:
    """403 on HEAD of what is absent."""

    async def layer(x: Exchange, go: Go) -> None:
        def hidden(head: Head) -> None:
            if head.status == 404:
                head.status = 403

        if x.method == "HEAD":
            x.on_head(hidden)
        await go()

    return layer


@switch
def head_wrong_size(registry: Registry, value: Any) -> Layer:
    """HEAD of a blob, there or not: 200, and another length than it has."""

    async def layer(x: Exchange, go: Go) -> None:
        if x.method == "HEAD" and x.kind == "blob":
            size = _size(registry, x.reference) or 0
            await x.answer(200, Content_Length=str(size + 1), Docker_Content_Digest=x.reference)
            return
        await go()

    return layer


@switch
def wrong_digest_header(registry: Registry, value: Any) -> Layer:
    wrong = str(Digest.of(b"something else"))

    async def layer(x: Exchange, go: Go) -> None:
        def lie(head: Head) -> None:
            if "docker-content-digest" in head.headers:
                head.headers["Docker-Content-Digest"] = wrong

        x.on_head(lie)
        await go()

    return layer


@switch
def blob_lost_once(registry: Registry, value: Any) -> Layer:
    """The first manifest that comes finds one of its blobs gone."""
    first = once()

    async def layer(x: Exchange, go: Go) -> None:
        if x.kind == "manifest" and x.method == "PUT":
            lost = _a_blob_in(await x.body())
            if lost is not None and first():
                registry.store.blobs.path(lost).unlink(missing_ok=True)
        await go()

    return layer


# where they are


@switch
def redirect_blob_cross_host(registry: Registry, value: Any) -> Layer:
    """307 to the other origin, which answers 400 to whoever sends Authorization along."""
    return _storage(registry, ("GET",), lambda x: x.base("other"))


@switch
def redirect_head(registry: Registry, value: Any) -> Layer:
    """307 on HEAD, and on GET, to the other origin."""
    return _storage(registry, ("GET", "HEAD"), lambda x: x.base("other"))


@switch
def redirect_blob_relative(registry: Registry, value: Any) -> Layer:
    return _storage(registry, ("GET",), lambda x: "")


def _storage(registry: Registry, methods: tuple[str, ...], base: Any) -> Layer:
    async def layer(x: Exchange, go: Go) -> None:
        stored = x.path.startswith("/artifacts-downloads/")
        x.path = x.path.removeprefix("/artifacts-downloads")
        if x.kind != "blob" or (x.method not in methods and not stored):
            await go()
        elif not stored:
            await x.answer(307, Location=f"{base(x)}/artifacts-downloads{x.path}?X-Amz-Signature={_SIGNATURE}")
        elif base(x) and x.origin != "other":
            await x.refuse(404, "BLOB_UNKNOWN", "blobs are elsewhere")
        elif base(x) and "authorization" in x.headers:
            await x.refuse(400, "UNAUTHORIZED", "only one auth mechanism allowed")
        else:
            await go()

    return layer


@switch
def redirect_bad(registry: Registry, value: Any) -> Layer:
    """value  "forever"; "http": to plain http, for use with TLS; "local": an address, for use with the made-up name; or
    any other URL, as it is"""
    places = {
        "forever": lambda x: f"{x.path}?again={x.query.count('again') + len(x.query)}",
        "http": lambda x: f"{x.base('plain')}{x.path}",
        "local": lambda x: f"{registry.scheme}://{registry.other}{x.path}",
    }

    async def layer(x: Exchange, go: Go) -> None:
        if x.kind == "blob" and x.method == "GET" and (x.origin == "main" or value == "forever"):
            place = places.get(value)
            await x.answer(307, Location=place(x) if place else str(value))
            return
        await go()

    return layer


# what comes


@switch
def short_read(registry: Registry, value: Any) -> Layer:
    """value  (after how many bytes the first GET of a blob ends, the status of an answer to a Range: 206 or 200)"""
    after, status = value
    cut: set[str] = set()

    async def layer(x: Exchange, go: Go) -> None:
        if x.kind != "blob" or x.method != "GET":
            await go()
            return
        if x.reference in cut:
            if status == 200:
                _without(x, "range")
            await go()
            return
        cut.add(x.reference)
        send, left = x.send, after

        async def short(message: Message) -> None:
            nonlocal left
            if message["type"] == "http.response.body" and left >= 0:
                body = message.get("body", b"")
                await send({**message, "body": body[:left], "more_body": True})
                left -= len(body)
                if left < 0:
                    await x.hang_up()
            elif left >= 0:
                await send(message)

        x.send = short
        await go()

    return layer


@switch
def wrong_body(registry: Registry, value: Any) -> Layer:
    """value  True or "blob"; "manifest": which of them comes with other bytes of the same length"""
    kind = "blob" if value is True else value

    async def layer(x: Exchange, go: Go) -> None:
        if x.kind == kind and x.method == "GET":
            # within JSON too: a digit becomes another one
            x.on_body(lambda body: body.translate(bytes(byte ^ 1 if 48 <= byte < 58 else byte for byte in range(256))))
        await go()

    return layer


@switch
def oversize_blob(registry: Registry, value: Any) -> Layer:
    async def layer(x: Exchange, go: Go) -> None:
        await (_endless(x, go, b"\0") if x.kind == "blob" and x.method == "GET" else go())

    return layer


@switch
def oversize_manifest(registry: Registry, value: Any) -> Layer:
    async def layer(x: Exchange, go: Go) -> None:
        await (_endless(x, go, b" ") if x.kind == "manifest" and x.method == "GET" else go())

    return layer


async def _endless(x: Exchange, go: Go, filling: bytes) -> None:
    """The answer, and then `filling`, in chunks, so that no length is said."""
    messages = await x.held_back(go)
    head = Head(messages[0])
    del head.headers["content-length"]
    await x.send({"type": "http.response.start", "status": head.status, "headers": head.headers.raw})
    if head.status >= 300:
        await x.send(messages[-1])
        return
    for message in messages[1:]:
        await x.send({**message, "more_body": True})
    for _ in range(ENDLESS >> 16):
        await x.send({"type": "http.response.body", "body": filling * (1 << 16), "more_body": True})
    await x.send({"type": "http.response.body"})


def _size(registry: Registry, reference: str) -> int | None:
    try:
        return registry.store.blobs.size(Digest.parse(reference))
    except Malformed:
        return None


def _a_blob_in(raw: bytes) -> Digest | None:
    import json

    layers = json.loads(raw).get("layers")
    return Digest.parse(layers[-1]["digest"]) if layers else None


def _without(x: Exchange, name: str) -> None:
    x.scope["headers"] = [(key, text) for key, text in x.scope["headers"] if key != name.encode()]
