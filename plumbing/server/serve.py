"""serve: run the registry until a signal ends it."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from plumbing.errors import Malformed, StoreError, system_words
from plumbing.server.app import application
from plumbing.server.guard import is_loopback
from plumbing.store import Store

HOST = "127.0.0.1"

_PATIENCE = 3
"""Seconds that running requests have after a signal. A client whose push is cut off can repeat it."""

_KEEP_ALIVE = 75
"""Seconds that an idle connection stays: longer than clients keep one, so that none is closed as it is used again."""


def serve(
    store: Store,
    *,
    host: str = HOST,
    port: int = 0,
    read_only: bool = False,
    ready: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve `store` on `host`:`port` until SIGTERM, then return; on SIGINT raise KeyboardInterrupt, as clean as that.

    store   made if it is not there, unless `read_only`
    host    a loopback address: there is no authentication
    port    0 takes any free one
    ready   called with host:port, as clients write it, once connections are taken
    raises  Malformed for another host, StoreError where the port is taken, or there is no store and none is made
    """
    if not is_loopback(host):
        raise Malformed("host", host, expected=f"a loopback address such as {HOST}, for there are no passwords")
    with closing(listen(host, port)) as listener:
        app = application(Store.open(store.path) if read_only else Store.create(store.path), read_only=read_only)
        server = Server(config(app))
        try:
            signals = asyncio.run(_until_signalled(server, listener, lambda: ready(_name(host, listener))))
        finally:
            app.state.registry.sessions.close()
    if signal.SIGINT in signals:
        raise KeyboardInterrupt


def config(app: ASGIApp, **more: Any) -> uvicorn.Config:
    """How uvicorn runs `app`; `more` are options of uvicorn's."""
    return uvicorn.Config(
        app,
        access_log=False,
        http="h11",
        lifespan="off",
        log_config=None,
        log_level="error",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_PATIENCE,
        timeout_keep_alive=_KEEP_ALIVE,
        ws="none",
        **more,
    )


class Server(uvicorn.Server):
    """Leaves signals alone: uvicorn would send itself each again after its end, and exit by it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _until_signalled(server: Server, listener: socket.socket, ready: Callable[[], None]) -> list[int]:
    """Run `server`; return the signals that ended it. A second SIGINT does not wait for running requests."""
    signals: list[int] = []

    def end(number: int) -> None:
        signals.append(number)
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # requests that are cut off now are no errors
        server.handle_exit(number, None)

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end, number)
    ready()  # from here on a signal ends it cleanly, and a connection waits in the listener's queue
    await server.serve([listener])
    return signals


def listen(host: str = HOST, port: int = 0) -> socket.socket:
    """A socket that takes connections. Raises StoreError where the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # the protocol is said, or asyncio leaves Nagle's algorithm on, and every small answer takes 40 ms
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
        return listener
    except OSError as error:
        listener.close()
        said = f"{system_words(error)}; '--port 0' takes a free one"
        raise StoreError(f"cannot listen on '{host}:{port}': {said}") from error


def _name(host: str, listener: socket.socket) -> str:
    """host:port, as it stands in a reference. No repository's host may be written `::1` or without a dot."""
    port = listener.getsockname()[1]
    if host == HOST:
        return f"localhost:{port}"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
