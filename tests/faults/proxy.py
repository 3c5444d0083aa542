"""A TCP proxy that spoils connections: after so many bytes of one way it cuts, resets, swallows or trickles."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

Way = Literal["up", "down"]
"""From the client to the server, or back."""

Deed = Literal["cut", "reset", "swallow", "trickle", "drip", "delay"]
"""Close both ends in order; by RST; take and pass on nothing more; a byte a second; 100; be still for a while."""

_PIECE = 65536


@dataclass(frozen=True, slots=True)
class Spoil:
    """After `after` bytes of `way`, do `deed`, on the first `times` connections that get so far; of 0 bytes: at once.

    seconds  how long "delay" takes
    """

    deed: Deed
    way: Way = "down"
    after: int = 0
    times: float = 1
    seconds: float = 1.0

    def __str__(self) -> str:
        return f"{self.deed} {self.way} after {self.after}"


@dataclass(eq=False)
class Proxy:
    """`port` is where it listens. `passed` are the bytes that went through, each way; `played` how often it spoiled."""

    target: int
    spoil: Spoil | None = None
    passed: dict[Way, int] = field(default_factory=lambda: {"up": 0, "down": 0})
    played: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def close(self) -> None:
        self._ended.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for one in self._open:
                _shut(one)
        for thread in self._threads:
            thread.join(10)

    def _start(self, work: object, *args: object) -> None:
        thread = threading.Thread(target=work, args=args, name="proxy", daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target))
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open |= {client, server}
            pair = _Pair(client, server)
            self._start(self._pass_on, "up", client, server, pair)
            self._start(self._pass_on, "down", server, client, pair)

    def _pass_on(self, way: Way, one: socket.socket, other: socket.socket, pair: _Pair) -> None:
        spoil = self.spoil if self.spoil is not None and self.spoil.way == way else None
        count = 0
        with contextlib.suppress(OSError):
            while data := one.recv(_PIECE if spoil is None else max(1, min(_PIECE, spoil.after - count))):
                if spoil is not None and count >= spoil.after:
                    if self._may(spoil):
                        self._do(spoil, data, one, other, pair)
                        if spoil.deed != "delay":
                            break
                    spoil = None
                other.sendall(data)
                count += len(data)
                with self._lock:
                    self.passed[way] += len(data)
            else:
                other.shutdown(socket.SHUT_WR)
        pair.left(way)
        with self._lock:
            self._open -= {each for each in (one, other) if each.fileno() < 0}

    def _may(self, spoil: Spoil) -> bool:
        with self._lock:
            if self.played >= spoil.times:
                return False
            self.played += 1
            return True

    def _do(self, spoil: Spoil, data: bytes, one: socket.socket, other: socket.socket, pair: _Pair) -> None:
        match spoil.deed:
            case "cut":
                pair.close()
            case "reset":
                pair.reset()
            case "swallow":
                while one.recv(_PIECE):
                    pass
            case "trickle" | "drip":
                while data:
                    for byte in data:
                        other.sendall(bytes([byte]))
                        if self._ended.wait(1 if spoil.deed == "trickle" else 0.01):
                            return
                    data = one.recv(1024)
            case "delay":
                self._ended.wait(spoil.seconds)


class _Pair:
    """Both ends of a connection; closed when both ways are over."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self._ends = (client, server)
        self._ways = {"up", "down"}
        self._lock = threading.Lock()

    def left(self, way: Way) -> None:
        with self._lock:
            self._ways.discard(way)
            if not self._ways:
                for end in self._ends:
                    end.close()

    def close(self) -> None:
        for end in self._ends:
            _shut(end)

    def reset(self) -> None:
        client, _ = self._ends
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()  # by RST; the other way's thread is woken by the server's end
        self.close()


def _shut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)


@contextmanager
def proxy(target: int, spoil: Spoil | None = None) -> Iterator[Proxy]:
    """A proxy before the loopback port `target`, for the time of the block."""
    it = Proxy(target, spoil)
    try:
        yield it
    finally:
        it.close()


@contextmanager
def silent() -> Iterator[socket.socket]:
    """What takes connections and says nothing, for the time of the block. It can be read from once there is one."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield listener


def until(condition: object, seconds: float = 20) -> None:
    """Wait until `condition()`; AssertionError if it does not come."""
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.01)
