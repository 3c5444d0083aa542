"""Bulk: a request whose body is long, on a connection of its own, where the kernel can send what lies in files.

By h11 alone, which is what httpcore speaks HTTP with. httpcore has every byte of a body pass through Python; h11 has
to know how many there are (its documentation: "send_with_data_passthrough").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import h11
import httpcore

from plumbing.oci.exchange import Extent
from plumbing.registry.wire import Wire, Wires

_READ = 1 << 16
_HEAD = 100 << 10  # bytes of a response's head at most, as httpcore has it


def exchange(wires: Wires, request: httpcore.Request, body: Iterable[bytes | Extent]) -> httpcore.Response:
    """What a pool of httpcore would do with `request`, whose own body is not asked for; plain http alone.

    The connection ends with the response, which the caller closes. Raises what httpcore does, and what `body` raises.
    """
    timeouts: dict[str, float | None] = request.extensions["timeout"]
    url = request.url
    wire = wires.connect_tcp(url.host.decode(), cast(int, url.port), timeouts["connect"])
    try:
        it = _Exchange(wire, timeouts)
        it.send(request, body)
        return it.response()
    except BaseException:
        wire.close()
        raise


class _Exchange:
    """One request and its response, over `wire`. As the response's stream: its body, in pieces."""

    def __init__(self, wire: Wire, timeouts: dict[str, float | None]) -> None:
        self._wire = wire
        self._timeouts = timeouts
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD)

    def send(self, request: httpcore.Request, body: Iterable[bytes | Extent]) -> None:
        headers = [*request.headers, (b"Connection", b"close")]
        try:
            self._put(h11.Request(method=request.method, target=request.url.target, headers=headers))
            for piece in body:
                self._put(h11.Data(data=cast(bytes, piece)))  # of which h11 takes the length
            self._put(h11.EndOfMessage())
        except httpcore.WriteError:
            pass  # whoever refuses a request may answer, and close, before all of it has come
        except h11.LocalProtocolError as error:
            raise httpcore.LocalProtocolError(error) from error

    def response(self) -> httpcore.Response:
        while not isinstance(event := self._next(), h11.Response):
            pass  # 100, say, which nobody asked for
        return httpcore.Response(
            event.status_code,
            headers=event.headers.raw_items(),
            content=self,
            extensions={"network_stream": self._wire},
        )

    def __iter__(self) -> Iterator[bytes]:
        while isinstance(event := self._next(), h11.Data):
            yield bytes(event.data)
        self.close()

    def close(self) -> None:
        self._wire.close()

    def _put(self, event: h11.Event) -> None:
        for data in cast("list[bytes | Extent]", self._http.send_with_data_passthrough(event) or []):
            if isinstance(data, bytes):
                self._wire.write(data, self._timeouts["write"])
            else:
                self._wire.send(data, self._timeouts["write"])

    def _next(self) -> Any:
        """The next event of h11 that is no wish for more."""
        with _remotely():
            while (event := self._http.next_event()) is h11.NEED_DATA:
                data = self._wire.read(_READ, self._timeouts["read"])
                if not data and self._http.their_state is h11.SEND_RESPONSE:
                    raise httpcore.RemoteProtocolError("server disconnected without sending a response")
                self._http.receive_data(data)
        return event


@contextmanager
def _remotely() -> Iterator[None]:
    try:
        yield
    except h11.RemoteProtocolError as error:
        raise httpcore.RemoteProtocolError(error) from error
