"""Faults of where an upload is. registries.md, 4.4.

They stand in front of the login, outermost first: each undoes on the way in what it did to a Location on the way out.
"""

from __future__ import annotations

from secrets import token_hex
from typing import Any
from urllib.parse import urlsplit

from tests.registry.faults.exchange import Exchange, Go, Layer, switch
from tests.registry.faults.server import Registry
from tests.secrets import secret


@switch
def wrong_path_301(registry: Registry, value: Any) -> Layer:
    handed_out: set[str] = set()

    async def layer(x: Exchange, go: Go) -> None:
        def remember(location: str) -> str:
            parts = urlsplit(location)
            handed_out.add(parts.path)
            return location

        if "uploads/" in x.path and x.kind != "begin" and x.path not in handed_out:
            await x.answer(301, Location=f"/elsewhere{x.path}")
            return
        x.on_location(remember)
        await go()

    return layer


@switch
def upload_redirect(registry: Registry, value: Any) -> Layer:
    """value  (method, status) or (method, status, "other"): where to, the same origin if it is not said

    What was redirected has its Location relative to the second URL, and the upload is no longer at the first.
    """
    method, status, *where = value
    moved: set[str] = set()

    async def layer(x: Exchange, go: Go) -> None:
        at_home = not x.path.startswith("/moved/")
        x.path = x.path.removeprefix("/moved")
        if x.kind not in ("begin", "upload"):
            await go()
            return
        if at_home and x.kind == "upload" and x.reference in moved:
            await x.refuse(404, "BLOB_UPLOAD_UNKNOWN", "the upload has moved")
            return
        if at_home and x.method == method:
            base = x.base("other") if where else ""
            await x.answer(status, Location=f"{base}/moved{x.path}" + (f"?{x.query}" if x.query else ""))
            return
        if not at_home and "authorization" in x.headers and where:
            await x.refuse(400, "UNAUTHORIZED", "credentials of another origin")
            return

        def relative(location: str) -> str:
            name = location.rpartition("/")[2]
            moved.add(name.partition("?")[0])
            return name

        if not at_home:
            x.on_location(relative)
        await go()

    return layer


@switch
def location_cross_host(registry: Registry, value: Any) -> Layer:
    async def layer(x: Exchange, go: Go) -> None:
        x.on_location(lambda location: f"{x.base('other')}{location}")
        if "uploads/" in x.path and x.kind != "begin":
            if x.origin != "other":
                await x.refuse(404, "BLOB_UPLOAD_UNKNOWN", "uploads are elsewhere")
                return
            if "authorization" in x.headers:
                await x.refuse(400, "UNAUTHORIZED", "credentials of another origin")
                return
        await go()

    return layer


@switch
def location_private_ip(registry: Registry, value: Any) -> Layer:
    """value  True: the other origin by its address, where a request would be seen; or a host, as 169.254.169.254"""
    host = registry.other if value is True else value

    async def layer(x: Exchange, go: Go) -> None:
        x.on_location(lambda location: f"{registry.scheme}://{host}{location}")
        await go()

    return layer


@switch
def location_http(registry: Registry, value: Any) -> Layer:
    """value  True or "same": this host and port, which speak TLS; "other": the origin that speaks plain http"""

    async def layer(x: Exchange, go: Go) -> None:
        base = x.base("plain") if value == "other" else x.base(x.origin).replace("https:", "http:")
        x.on_location(lambda location: f"{base}{location}")
        await go()

    return layer


@switch
def location_state(registry: Registry, value: Any) -> Layer:
    """A query whose bytes a parser would not give back: mixed escapes, a plus, an empty value, a key twice."""
    issued: set[str] = set()

    async def layer(x: Exchange, go: Go) -> None:
        def sign(location: str) -> str:
            state = f"_state={secret(token_hex())}%2F%2b+~%3d==&b=2&a=%7E&&b=1&empty="
            issued.add(state)
            return f"{location}?{state}"

        x.on_location(sign)
        if "uploads/" in x.path and x.kind != "begin":
            rest = "&".join(part for part in x.query.split("&") if not part.startswith("digest="))
            if rest not in issued:
                await x.refuse(400, "BLOB_UPLOAD_INVALID", "the signature of _state does not fit")
                return
            x.query = "&".join(part for part in x.query.split("&") if part.startswith("digest="))
        await go()

    return layer


@switch
def relative_location(registry: Registry, value: Any) -> Layer:
    start = "/artifacts-uploads/namespaces/" + "long/" * 600

    async def layer(x: Exchange, go: Go) -> None:
        x.on_location(lambda location: start + location.removeprefix("/v2/"))
        if x.path.startswith(start):
            x.path = "/v2/" + x.path.removeprefix(start)
        elif x.kind == "upload":
            await x.refuse(404, "BLOB_UPLOAD_UNKNOWN", "uploads are elsewhere")
            return
        await go()

    return layer


@switch
def location_changes(registry: Registry, value: Any) -> Layer:
    """value  True: a new Location with every answer, the old one is gone; "none": no Location after a PATCH"""
    real: dict[str, str] = {}

    async def layer(x: Exchange, go: Go) -> None:
        if value == "none":
            if x.method == "PATCH":
                x.on_location(lambda location: None)
            await go()
            return

        def renamed(location: str) -> str:
            start, _, name = location.rpartition("/")
            alias = token_hex(8)
            real[alias] = name
            return f"{start}/{alias}"

        x.on_location(renamed)
        if x.kind == "upload":
            name = real.pop(x.reference, None) if x.method == "PATCH" else real.get(x.reference)
            if name is None:
                await x.refuse(404, "BLOB_UPLOAD_UNKNOWN", "that Location is an old one")
                return
            x.path = f"/v2/{x.name}/blobs/uploads/{name}"
        await go()

    return layer
