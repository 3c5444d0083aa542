"""Connections: what they say when the other side ends them, and what they do not need."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

import pytest

from plumbing.registry import Settings
from plumbing.registry.message import Answer, Lost, Raw, Request
from plumbing.registry.transport import Transport


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """The origin of a server of one connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def run() -> None:
            connection, _ = server.accept()
            connection.settimeout(10)
            with connection, suppress(OSError):
                connection.recv(4096)
                serve(connection)

        thread = threading.Thread(target=run)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join()


def sent(origin: str) -> Answer:
    """The answer to more than the kernel takes at once, whose body was read."""
    with closing(Transport(Settings())) as transport:
        body = Raw(bytes(32 << 20))
        with transport.send(Request(method="PATCH", url=f"{origin}/v2/", doing="push", body=body)) as answer:
            answer.body = answer.read(4096)
            return answer


def test_an_early_answer_is_read_to_its_end_though_the_rest_could_not_be_sent() -> None:
    def refuse(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\nthe quota is used up")
        connection.shutdown(socket.SHUT_WR)  # and what comes is not read any more

    with listening(refuse) as origin:
        answer = sent(origin)
    assert (answer.status, answer.body) == (403, b"the quota is used up")


def test_an_end_without_an_answer_is_said_in_the_words_of_the_system() -> None:
    with listening(lambda connection: connection.shutdown(socket.SHUT_WR)) as origin, pytest.raises(Lost) as raised:
        sent(origin)
    assert str(raised.value) in ("broken pipe", "connection reset by peer")


def test_a_kernel_that_does_not_know_the_option_is_spoken_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "TCP_NOTSENT_LOWAT", 0x7FFF)  # which this one does not know
    with (
        listening(lambda connection: connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")) as origin,
        closing(Transport(Settings())) as transport,
    ):
        assert transport.send(Request(method="GET", url=f"{origin}/v2/", doing="ask")).status == 204
