"""Exchange: a request to the test registry and its answer, as the faults see them; and the table of faults."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Message, Receive, Scope, Send

if TYPE_CHECKING:
    from tests.registry.faults.server import Recorded, Registry

Go = Callable[[], Awaitable[None]]
Layer = Callable[["Exchange", Go], Awaitable[None]]
"""Answers the exchange itself, or hooks into it and lets the rest `go` on."""

SWITCHES: dict[str, Callable[[Registry, Any], Layer]] = {}
"""By the names of registries.md, 4.4, in the order in which a request meets them."""

_NAME = r"/v2/(?P<name>.+)"
_KINDS = {
    "version": re.compile(r"/v2/?"),
    "token": re.compile(r"/token.*"),
    "begin": re.compile(rf"{_NAME}/blobs/uploads/?"),
    "upload": re.compile(rf"{_NAME}/blobs/uploads/(?P<reference>[^/]+)"),
    "blob": re.compile(rf"{_NAME}/blobs/(?P<reference>[^/]+)"),
    "manifest": re.compile(rf"{_NAME}/manifests/(?P<reference>[^/]+)"),
    "tags": re.compile(rf"{_NAME}/tags/list"),
    "referrers": re.compile(rf"{_NAME}/referrers/(?P<reference>[^/]+)"),
    "other": re.compile(r".*", re.DOTALL),
}


def switch(fault: Callable[[Registry, Any], Layer]) -> Callable[[Registry, Any], Layer]:
    """Put a fault into the table, under its own name."""
    SWITCHES[fault.__name__] = fault
    return fault


class Head:
    """Status and headers of an answer on its way out; `body` takes the place of the answer's own."""

    def __init__(self, message: Message) -> None:
        self.status: int = message["status"]
        self.headers = MutableHeaders(raw=list(message.get("headers", ())))
        self.body: bytes | None = None


class Exchange:
    """`record` is what the test will see of it; the rest may be changed on the way through the faults."""

    def __init__(self, registry: Registry, scope: Scope, receive: Receive, send: Send, record: Recorded) -> None:
        self.registry = registry
        self.record = record
        self.scope = scope
        self.receive = receive
        self.send = send
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: str = scope["query_string"].decode("latin-1")
        self.headers = Headers(raw=scope["headers"])

    # what it is

    @property
    def origin(self) -> str:
        return self.record.origin

    @property
    def kind(self) -> str:
        return next(kind for kind, form in _KINDS.items() if form.fullmatch(self.path))

    def _part(self, part: str) -> str:
        found = _KINDS[self.kind].fullmatch(self.path)
        assert found
        return found[part]

    @property
    def name(self) -> str:
        return self._part("name")

    @property
    def reference(self) -> str:
        """The tag, digest, or id of an upload."""
        return self._part("reference")

    def param(self, name: str) -> str | None:
        from urllib.parse import parse_qs

        values = parse_qs(self.query, keep_blank_values=True).get(name)
        return values[0] if values else None

    @property
    def length(self) -> int | None:
        said = self.headers.get("content-length")
        return None if said is None else int(said)

    @property
    def has_body(self) -> bool:
        return bool(self.length) or "transfer-encoding" in self.headers

    def base(self, origin: str) -> str:
        """scheme://host:port of another origin of this registry, by made-up name if this one was asked so."""
        made_up = self.headers.get("host", "").partition(":")[0].endswith(".test")
        return self.registry.base(origin, made_up=made_up)

    # answering

    async def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Headers with '_' for '-'."""
        raw = {name.replace("_", "-"): value for name, value in headers.items()}
        raw.setdefault("Content-Length", str(len(body)))
        if status == 204:
            del raw["Content-Length"]
        await self.send({"type": "http.response.start", "status": status, "headers": Headers(raw).raw})
        await self.send({"type": "http.response.body", "body": body})

    async def refuse(self, status: int, code: str, message: str = "the test registry says no", **headers: str) -> None:
        await self.answer(status, _errors(code, message), Content_Type="application/json", **headers)

    # hooks

    def on_head(self, change: Callable[[Head], None]) -> None:
        """Let `change` at the answer's status and headers before they go out."""
        send = self.send
        swallowed = False

        async def changed(message: Message) -> None:
            nonlocal swallowed
            if message["type"] != "http.response.start":
                if not swallowed:
                    await send(message)
                return
            head = Head(message)
            change(head)
            if head.body is None:
                await send({**message, "status": head.status, "headers": head.headers.raw})
                return
            swallowed = True
            head.headers["Content-Length"] = str(len(head.body))
            await send({**message, "status": head.status, "headers": head.headers.raw})
            await send({"type": "http.response.body", "body": head.body})

        self.send = changed

    def on_body(self, change: Callable[[bytes], bytes]) -> None:
        """Let `change` at each piece of the answer's body."""
        send = self.send

        async def changed(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": change(message.get("body", b""))}
            await send(message)

        self.send = changed

    def on_location(self, change: Callable[[str], str | None]) -> None:
        """Let `change` at the Location of an upload; None takes it away."""

        def head(head: Head) -> None:
            location = head.headers.get("location", "")
            if head.status < 300 and "uploads/" in location:
                changed = change(location)
                del head.headers["location"]
                if changed is not None:
                    head.headers["location"] = changed

        self.on_head(head)

    async def held_back(self, go: Go) -> list[Message]:
        """What the rest answers, kept from the client."""
        kept: list[Message] = []

        async def keep(message: Message) -> None:
            kept.append(message)

        send, self.send = self.send, keep
        await go()
        self.send = send
        return kept

    async def body(self, limit: int | None = None) -> bytes:
        """The request's body, whole or of up to `limit` bytes; the rest can read it again from the start."""
        messages: list[Message] = []
        raw = b""
        while not messages or messages[-1].get("more_body"):
            if limit is not None and len(raw) >= limit:
                break
            messages.append(await self.receive())
            raw += messages[-1].get("body", b"")
        receive = self.receive

        async def again() -> Message:
            return messages.pop(0) if messages else await receive()

        self.receive = again
        return raw

    # the connection

    async def reset(self) -> None:
        """End the connection as a crash would: no answer, what was not read is thrown away."""
        transport = self.scope["transport"]
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
        await self._gone()

    async def refuse_and_close(self, status: int, code: str, message: str) -> None:
        """Refuse in the middle of a body: the rest of it is not read, and the connection is closed."""
        transport = self.scope["transport"]
        transport.pause_reading()
        body = _errors(code, message)
        head = f"HTTP/1.1 {status} No\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        transport.write(head.encode() + body)  # past uvicorn, which would read on
        self.record.status = status
        await asyncio.sleep(0.05)  # or the reset, which the unread bytes cause, may overtake the answer
        transport.close()
        await self._gone()

    async def hang_up(self) -> None:
        """Close the connection after what was sent."""
        self.scope["transport"].close()
        await self._gone()

    async def wait_for_the_client_to_go(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def _gone(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)  # until uvicorn knows: it would complain of a request without an answer


def _errors(code: str, message: str) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message}]}).encode()


def once(times: int = 1) -> Callable[[], bool]:
    """True so many times, then False."""
    left = times

    def again() -> bool:
        nonlocal left
        left -= 1
        return left >= 0

    return again


def status_of(messages: list[Message]) -> int:
    return int(messages[0]["status"])


def headers_of(messages: list[Message]) -> Mapping[str, str]:
    return Headers(raw=messages[0]["headers"])
