"""The test registry running: plumbing/server behind the faults that are switched on, on loopback, in a thread."""

from __future__ import annotations

import asyncio
import atexit
import functools
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from plumbing.server.app import application
from plumbing.server.serve import Server, config, listen
from plumbing.store import Store
from tests.registry.faults.exchange import SWITCHES, Exchange, Go, Layer
from tests.secrets import secret
from tests.tools import require_tool

USER = "me"
PASSWORD = f'pass:word, with "quotes" {secret("a user of the registry")}'
IDENTITY = secret("an identity token")
"""What an identity token is here."""

HOSTS = {"main": "registry.test", "other": "other.test", "plain": "plain.test"}


@dataclass(slots=True)
class Recorded:
    """A request as it came. `length` and `status` are filled in as it goes on; `at` is `time.monotonic`."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    origin: str
    at: float
    length: int = 0
    status: int | None = None

    @property
    def target(self) -> str:
        return f"{self.path}?{self.query}" if self.query else self.path

    def __str__(self) -> str:
        return f"{self.origin} {self.method} {self.target} -> {self.status}"


@dataclass(eq=False, slots=True)
class Registry:
    """What a test sees.

    store           what it serves
    host, other     host:port of the registry, and of a second origin (storage, tokens, an attacker)
    plain           host:port of plain http where the others speak TLS; else the same as `other`
    name            a made-up name, with port, that `resolve` maps to `host`; `other_name` likewise
    ca              the file of the CA that signed, with TLS
    requests        all that came, in order
    plays           whether the switches do at the request of that number, counted from 1; a login goes on in any case
    """

    store: Store
    app: Starlette
    ports: dict[str, int]
    scheme: str
    ca: Path | None
    requests: list[Recorded] = field(default_factory=list)
    plays: Callable[[int], bool] = lambda number: True
    user: str = USER
    password: str = PASSWORD
    identity: str = IDENTITY

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.ports['main']}"

    @property
    def other(self) -> str:
        return f"127.0.0.1:{self.ports['other']}"

    @property
    def plain(self) -> str:
        return f"127.0.0.1:{self.ports['plain']}"

    @property
    def name(self) -> str:
        return f"{HOSTS['main']}:{self.ports['main']}"

    @property
    def other_name(self) -> str:
        return f"{HOSTS['other']}:{self.ports['other']}"

    @property
    def resolve(self) -> dict[str, str]:
        """Made-up host:port to the address that answers for it."""
        return {f"{HOSTS[origin]}:{port}": f"127.0.0.1:{port}" for origin, port in self.ports.items()}

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}"

    def base(self, origin: str, *, made_up: bool) -> str:
        scheme = "http" if origin == "plain" else self.scheme
        return f"{scheme}://{HOSTS[origin] if made_up else '127.0.0.1'}:{self.ports[origin]}"

    def origin_of(self, port: int) -> str:
        return next(origin for origin, known in self.ports.items() if known == port)

    def seen(self, method: str = "", part: str = "", *, origin: str = "") -> list[Recorded]:
        """The recorded requests of that method, with `part` in the target, at that origin."""
        return [
            request
            for request in self.requests
            if request.method.startswith(method) and part in request.target and request.origin.startswith(origin)
        ]


@contextmanager
def registry(
    *, tls: bool = False, store: Path | None = None, read_only: bool = False, **switches: Any
) -> Iterator[Registry]:
    """A registry on loopback for the time of the block. Everything off: open, and as the specification says.

    tls       https, signed by `ca`
    store     the layout to serve; default: a new one in a temporary folder
    switches  registries.md, 4.4; a switch without values is True. What the values are is said at each switch
    """
    unknown = switches.keys() - SWITCHES.keys()
    if unknown:
        raise TypeError(f"no such switch: {', '.join(sorted(unknown))}")
    with ExitStack() as stack:
        folder = store or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="krust-registry-"))) / "store"
        served = Store.create(folder)
        app = application(served, read_only=read_only, hosts=HOSTS.values())
        listeners = {origin: listen() for origin in HOSTS}
        ports = {origin: listener.getsockname()[1] for origin, listener in listeners.items()}
        if not tls:
            listeners.pop("plain").close()
            ports["plain"] = ports["other"]
        ca, options = certificates() if tls else (None, {})
        it = Registry(store=served, app=app, ports=ports, scheme="https" if tls else "http", ca=ca)
        layers = [
            make(it, switches[name]) for name, make in SWITCHES.items() if switches.get(name) not in (None, False)
        ]
        front = Front(it, layers)
        plain = [listeners.pop("plain")] if tls else []
        stack.callback(app.state.registry.sessions.close)
        stack.enter_context(running(front, list(listeners.values()), **options))
        if plain:
            stack.enter_context(running(front, plain))
        yield it


class Front:
    """The ASGI application: records what comes, and leads it through the faults to the server."""

    def __init__(self, registry: Registry, layers: list[Layer]) -> None:
        self._registry = registry
        self._layers = layers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        record = self._record(scope)

        async def counted() -> Message:
            message = await receive()
            record.length += len(message.get("body", b""))
            return message

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
            await send(message)

        exchange = Exchange(self._registry, scope, counted, noted, record)
        plays = exchange.kind == "token" or self._registry.plays(len(self._registry.requests))
        await self._through(exchange, 0 if plays else len(self._layers))

    async def _through(self, exchange: Exchange, depth: int) -> None:
        if depth < len(self._layers):
            await self._layers[depth](exchange, self._go(exchange, depth + 1))
            return
        scope = {**exchange.scope, "path": exchange.path, "query_string": exchange.query.encode("latin-1")}
        scope.pop("transport")
        await self._registry.app(scope, exchange.receive, exchange.send)

    def _go(self, exchange: Exchange, depth: int) -> Go:
        return lambda: self._through(exchange, depth)

    def _record(self, scope: Scope) -> Recorded:
        record = Recorded(
            method=scope["method"],
            path=scope["raw_path"].decode("latin-1"),
            query=scope["query_string"].decode("latin-1"),
            headers=dict(Headers(raw=scope["headers"]).items()),
            origin=self._registry.origin_of(scope["server"][1]),
            at=time.monotonic(),
        )
        self._registry.requests.append(record)
        return record


class Protocol(H11Protocol):
    """uvicorn's, whose requests know their connection, so that a fault can cut it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        app = self.app

        async def connected(scope: Any, receive: Any, send: Any) -> None:
            scope["transport"] = transport
            await app(scope, receive, send)

        self.app = connected


_TURNS = 5
"""Of the loop, in which what was accepted becomes a connection."""


@contextmanager
def running(app: Any, listeners: list[socket.socket], **options: Any) -> Iterator[None]:
    """Serve `app` on `listeners`, and close them in the end. No waiting at either end: there are hundreds of these."""
    settings: uvicorn.Config = config(app, **options)
    settings.load()
    settings.http_protocol_class = Protocol
    server = Server(settings)
    server.lifespan = settings.lifespan_class(settings)

    async def stop() -> None:
        # Before Server.close, for what was accepted a moment earlier would get no transport then, and never be closed.
        for listener in listeners:
            asyncio.get_running_loop().remove_reader(listener)
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        for listening in server.servers:
            listening.close()
        while server.server_state.connections or server.server_state.tasks:
            for connection in list(server.server_state.connections):
                connection.transport.abort()
            await asyncio.sleep(0.001)

    _wait(server.startup(sockets=listeners))
    try:
        yield
    finally:
        _wait(stop())
        for listener in listeners:
            listener.close()


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    """One event loop for all registries of this process, in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True, name="test registry")
    thread.start()

    def end() -> None:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()

    atexit.register(end)
    return loop


def _wait(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run_coroutine_threadsafe(coroutine, _loop()).result(30)


_EXTENSIONS = """
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[server]
basicConstraints = CA:FALSE
subjectAltName = DNS:registry.test, DNS:other.test, DNS:localhost, IP:127.0.0.1
[req]
distinguished_name = name
[name]
"""


@functools.cache
def certificates() -> tuple[Path, dict[str, Any]]:
    """A CA of the tests, and what uvicorn needs to be signed by it; made once a run."""
    openssl = require_tool("openssl")
    folder = Path(tempfile.mkdtemp(prefix="krust-ca-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "conf").write_text(_EXTENSIONS)
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-config", "conf")

    def run(*argv: str) -> None:
        subprocess.run([openssl, *argv], cwd=folder, check=True, capture_output=True)

    run("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=krust tests", "-extensions", "ca")
    run("req", "-new", *key, "-keyout", "key.pem", "-out", "request", "-subj", "/CN=registry.test")
    signing = ("-req", "-in", "request", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2")
    run("x509", *signing, "-out", "cert.pem", "-extfile", "conf", "-extensions", "server")
    return folder / "ca.pem", {"ssl_certfile": folder / "cert.pem", "ssl_keyfile": folder / "key.pem"}


def trusting(ca: Path | None) -> ssl.SSLContext | bool:
    """`verify` of httpx, for tests that ask the registry themselves."""
    return True if ca is None else ssl.create_default_context(cafile=str(ca))
