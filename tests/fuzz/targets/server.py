"""plumbing/server: what anybody may send to krust serve."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import unquote

from starlette.types import ASGIApp

from plumbing.oci import mediatype
from plumbing.oci.digest import Digest
from plumbing.oci.index import Index
from plumbing.server import application
from plumbing.store import Store
from tests.fuzz.target import folder, target

_END = b"\n%%\n"
_METHOD = re.compile(rb"[A-Z]{1,10}")
_PATH = re.compile(rb"/[!-~]*")
_NAME = re.compile(rb"[a-z0-9-]+")
_VALUE = re.compile(rb"[\t -~\x80-\xff]*")

_EMPTY = Index.of([])


@target(
    "GET /v2/ ",
    "HEAD ",
    "PUT ",
    "PATCH ",
    "POST ",
    "DELETE ",
    "/v2/app/tags/list?n=1&last=a",
    "/v2/app/manifests/latest",
    "/v2/app/blobs/uploads/",
    "/v2/app/blobs/",
    "/v2/app/referrers/",
    "/v2/_catalog?n=",
    "?digest=",
    "?mount=",
    "&from=",
    "{location}",
    str(_EMPTY.descriptor.digest),
    "\nrange: bytes=0-1",
    "\ncontent-range: 0-1",
    f"\ncontent-type: {mediatype.INDEX}",
    "\nif-match: ",
    "\nif-none-match: *",
    "\n\n",
    _END,
    _EMPTY.raw,
    "%2f",
    "%00",
    "..",
    longest=1 << 14,
)  # fmt: skip
def requests(data: bytes) -> None:
    """Requests after each other; `{location}` is that of the answer before."""
    with folder() as path:
        store = Store.create(path)
        store.update_ref("app:latest", store.put(_EMPTY.raw, mediatype.INDEX))
        app = application(store)
        try:
            asyncio.run(_play(app, data.split(_END)[:5]))
        finally:
            app.state.registry.sessions.close()
        list(store.refs)
        assert all(_digest(store, digest) == digest for digest in store.blobs), "a blob is not what it is called"


def _digest(store: Store, digest: Digest) -> Digest:
    hasher = digest.hasher()
    with store.blobs.open_unverified(digest) as file:
        hasher.update(file.read())
    return Digest.ending(hasher)


async def _play(app: ASGIApp, sent: list[bytes]) -> None:
    location = b"/v2/"
    for each in sent:
        head, _, body = each.replace(b"{location}", location).partition(b"\n\n")
        first, *lines = head.split(b"\n")
        method, _, url = first.partition(b" ")
        fields = [line.partition(b": ")[::2] for line in lines]
        fields = [(name, value) for name, value in fields if _NAME.fullmatch(name) and _VALUE.fullmatch(value)]
        fields = [(name, value) for name, value in fields if name not in (b"host", b"content-length")]
        # what h11 lets through
        if _METHOD.fullmatch(method) and _PATH.fullmatch(url):
            location = dict(await _ask(app, method, url, fields, body)).get(b"location", location)


async def _ask(
    app: ASGIApp, method: bytes, url: bytes, fields: list[tuple[bytes, bytes]], body: bytes
) -> list[tuple[bytes, bytes]]:
    """The headers of the answer, which has to be a whole one."""
    path, _, query = url.partition(b"?")
    headers = [(b"host", b"localhost"), (b"content-length", str(len(body)).encode()), *fields]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method.decode(),
        "scheme": "http",
        "path": unquote(path.decode("ascii")),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    answers: list[MutableMapping[str, Any]] = []

    received = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if not received:
            await asyncio.Event().wait()  # the client says nothing more, and stays
        return received.pop()

    async def send(message: MutableMapping[str, Any]) -> None:
        answers.append(message)

    await app(scope, receive, send)
    start, *rest = answers
    status: int = start["status"]
    answered: list[tuple[bytes, bytes]] = start["headers"]
    assert 200 <= status < 500, f"status {status}: {rest}"
    for name, value in answered:
        assert _NAME.fullmatch(name)
        assert _VALUE.fullmatch(value), f"{name!r} is {value!r}"
    assert not rest[-1].get("more_body")
    said = b"".join(each["body"] for each in rest)
    if status >= 400 and method != b"HEAD":
        [error] = json.loads(said)["errors"]
        assert re.fullmatch(r"[A-Z_]+", error["code"])
        assert error["message"]
    return answered
