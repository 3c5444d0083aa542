"""Wires: connections that give up on who only trickles, and that can all be cut from another thread."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from weakref import WeakSet

import httpcore

LEAST = 10
"""Bytes a second, below which an answer is as good as none. cargo has the same limit."""

_UNSENT = 64 << 10
"""Bytes that wait in the kernel to be sent. What is more has left the processor's cache by the time that it goes."""


class Wires(httpcore.SyncBackend):
    """Makes the connections of one transport. Safe to use from several threads."""

    def __init__(self) -> None:
        self._wires: WeakSet[Wire] = WeakSet()
        self._lock = threading.Lock()
        self._is_cut = False

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        stream = super().connect_tcp(host, port, timeout, local_address, socket_options)
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            with suppress(OSError):  # an emulated kernel may not know it: then it is slower, which is no fault
                stream.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT)
        return self.keep(stream)

    def keep(self, stream: httpcore.NetworkStream) -> Wire:
        wire = Wire(stream, self)
        with self._lock:
            self._wires.add(wire)
            if self._is_cut:
                wire.cut()
        return wire

    def cut(self) -> None:
        """End all connections, and those that come: who waits at one, in whatever thread, is woken by an error."""
        with self._lock:
            self._is_cut = True
            for wire in self._wires:
                wire.cut()


class Wire(httpcore.NetworkStream):
    """One connection. To read raises ReadTimeout also where the last `timeout` seconds brought next to nothing."""

    def __init__(self, stream: httpcore.NetworkStream, wires: Wires) -> None:
        self._stream = stream
        self._wires = wires
        self._waited = 0.0
        self._came = 0
        self._unsent: httpcore.WriteError | None = None

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        began = time.monotonic()
        data = self._stream.read(max_bytes, timeout)
        # the time that whoever reads takes for what he has read is not the other side's
        self._waited += time.monotonic() - began
        if self._unsent is not None:
            if not data:
                raise self._unsent
            self._unsent = None  # there is an answer, whose end is no fault
        self._came += len(data)
        if timeout is not None and self._waited > timeout:
            if data and self._came < LEAST * self._waited:
                raise httpcore.ReadTimeout(f"{self._came} bytes in {self._waited:.0f} s")
            self._waited, self._came = 0.0, 0
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._waited, self._came = 0.0, 0
        # httpcore copies what the kernel has not taken, and TLS counts all of a buffer to one time-out
        whole = memoryview(buffer)
        try:
            for start in range(0, len(whole), _UNSENT):
                self._stream.write(whole[start : start + _UNSENT], timeout)  # type: ignore[arg-type]  # send takes it
        except httpcore.WriteError as error:
            self._unsent = error  # httpcore goes on, for there may be an answer; where there is none, this is why
            raise

    def start_tls(self, *args: Any, **more: Any) -> httpcore.NetworkStream:
        return self._wires.keep(self._stream.start_tls(*args, **more))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def close(self) -> None:
        self._stream.close()

    def cut(self) -> None:
        with suppress(OSError):  # it is closed
            # not as TLS has it, which would drop its layer first: a thread that sends would send in the clear
            socket.socket.shutdown(self.get_extra_info("socket"), socket.SHUT_RDWR)
