"""Long bodies: on connections of their own, sent by the kernel where they lie in files, and ended as all others are."""

from __future__ import annotations

import hashlib
import random
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from plumbing.errors import DigestMismatch
from plumbing.oci import mediatype
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.oci.exchange import Extent
from plumbing.registry import Settings
from plumbing.registry.message import Answer, Body, Lost, Request
from plumbing.registry.transport import Transport
from plumbing.registry.upload import Part
from plumbing.store import Store

MIB = 1 << 20
MORE = 64 * MIB
"""Bytes that no socket takes before anybody reads them."""

TAKEN = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\nContent-Length: 4\r\n\r\ndone"


@dataclass(frozen=True)
class Lying:
    """Bytes in a file that nobody may read, unless it is said what they are."""

    descriptor: int
    start: int
    size: int
    read: bytes | None = None

    def fileno(self) -> int:
        return self.descriptor

    def __len__(self) -> int:
        return self.size

    def __bytes__(self) -> bytes:
        assert self.read is not None, "it was read"
        return self.read


@dataclass(frozen=True)
class Pieces:
    """A body that is said piece by piece."""

    pieces: list[bytes | Extent]

    @property
    def length(self) -> int:
        return sum(map(len, self.pieces))

    def __iter__(self) -> Iterator[bytes | Extent]:
        return iter(self.pieces)


@contextmanager
def server(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """The URL of an upload, at one who has `serve` for whom connects first, and hangs up at the end of the block."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def run() -> None:
        connection, _ = listener.accept()
        with connection:
            serve(connection)
            over.wait(60)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v2/app/blobs/uploads/1"
    finally:
        over.set()
        thread.join(60)
        listener.close()


def head(connection: socket.socket) -> tuple[bytes, bytes]:
    """The head of a request, and what came of its body with it."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    first, _, rest = data.partition(b"\r\n\r\n")
    return first, rest


def body(connection: socket.socket, hasher: hashlib._Hash | None = None) -> None:
    """Read a request to its end."""
    first, rest = head(connection)
    length = re.search(rb"(?i)content-length: (\d+)", first)
    assert length is not None
    left = int(length[1])
    while left:
        rest = rest or connection.recv(65536)
        assert rest, f"{left} bytes are missing"
        if hasher is not None:
            hasher.update(rest)
        rest, left = b"", left - len(rest)


def patch(url: str, content: Body, settings: Settings | None = None, transport: Transport | None = None) -> Answer:
    request = Request(method="PATCH", url=url, doing="push it", body=content)
    return (transport or Transport(settings or Settings())).send(request)


@pytest.fixture
def hole(tmp_path: Path) -> Path:
    path = tmp_path / "hole"
    with path.open("wb") as file:
        file.truncate(MORE)
    return path


def test_what_lies_in_files_is_sent_unread_and_in_its_place(tmp_path: Path) -> None:
    content = bytes(range(256)) * (4 * MIB // 256)
    (tmp_path / "file").write_bytes(content)
    came = hashlib.sha256()

    def serve(connection: socket.socket) -> None:
        body(connection, came)
        connection.sendall(TAKEN)

    with server(serve) as url, (tmp_path / "file").open("rb") as file:
        one, other = Lying(file.fileno(), 3, 2 * MIB), Lying(file.fileno(), 0, 4 * MIB)
        with patch(url, Pieces([b"first", one, b"between", other])) as answer:
            assert (answer.status, answer.read(100)) == (202, b"done")
    assert came.digest() == hashlib.sha256(b"first" + content[3 : 3 + 2 * MIB] + b"between" + content).digest()


def test_what_the_kernel_does_not_send_is_read() -> None:
    came = hashlib.sha256()

    def serve(connection: socket.socket) -> None:
        body(connection, came)
        connection.sendall(TAKEN)

    ours, theirs = socket.socketpair()
    with ours, theirs, server(serve) as url:
        patch(url, Pieces([Lying(ours.fileno(), 0, MIB, read=b"x" * MIB)])).close()
    assert came.digest() == hashlib.sha256(b"x" * MIB).digest()


def test_an_answer_before_the_end_of_a_long_body_counts(hole: Path) -> None:
    def refuse(connection: socket.socket) -> None:
        head(connection)
        connection.sendall(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 6\r\n\r\nenough")
        connection.close()

    with server(refuse) as url, hole.open("rb") as file:
        extent = Lying(file.fileno(), 0, MORE, read=bytes(MORE))
        with patch(url, Pieces([extent])) as answer:
            assert answer.status == 413


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"", "disconnected without sending a response"),
        (b"HTTP/1.1 202 Acc", "disconnected without sending a response"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "illegal"),
        (b"HTTP/1.1 202 Accepted\r\nX: " + b"x" * (200 << 10), "too long"),
    ],
    ids=["nothing", "half a line", "something else", "too much"],
)
def test_an_answer_that_is_none_is_lost(said: bytes, reason: str) -> None:
    def serve(connection: socket.socket) -> None:
        body(connection)
        with suppress(OSError):  # who has read too much hangs up first
            connection.sendall(said)
            connection.shutdown(socket.SHUT_RDWR)

    with server(serve) as url, pytest.raises(Lost, match=reason):
        patch(url, Pieces([b"x" * MIB]))


def test_whoever_takes_no_more_of_a_long_body_fell_silent(hole: Path) -> None:
    def serve(connection: socket.socket) -> None:
        head(connection)

    with server(serve) as url, hole.open("rb") as file, pytest.raises(Lost, match="it fell silent"):
        patch(url, Pieces([Lying(file.fileno(), 0, MORE, read=bytes(MORE))]), Settings(silence=0.3))


def test_a_long_body_ends_when_the_transport_does(hole: Path) -> None:
    transport = Transport(Settings(silence=60))

    def serve(connection: socket.socket) -> None:
        head(connection)
        transport.close()

    with server(serve) as url, hole.open("rb") as file, pytest.raises(Lost):
        patch(url, Pieces([Lying(file.fileno(), 0, MORE, read=bytes(MORE))]), transport=transport)


@pytest.mark.parametrize(("size", "found"), [(0, r"\d+ bytes"), (MORE + 1, f"more than {MORE} bytes")])
def test_a_blob_that_changes_while_it_is_sent_is_an_error(tmp_path: Path, size: int, found: str) -> None:
    store = Store.create(tmp_path / "store")
    blob = Descriptor(media_type=mediatype.LAYER, digest=Digest.of(b"whatever"), size=MORE)
    path = store.blobs.path(blob.digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(MORE)

    def serve(connection: socket.socket) -> None:
        _, rest = head(connection)
        assert rest or connection.recv(1)  # it was opened
        with path.open("r+b") as file:
            file.truncate(size)
        with suppress(ConnectionError):
            while connection.recv(65536):
                pass

    with server(serve) as url, pytest.raises(DigestMismatch, match=found):
        patch(url, Part(store, blob, 0, MORE))


@pytest.mark.parametrize(("start", "end"), [(0, 4 * MIB), (3, 5), (MIB - 1, 3 * MIB + 1), (4 * MIB - 1, 4 * MIB)])
def test_a_part_is_just_that_of_its_blob(tmp_path: Path, start: int, end: int) -> None:
    store = Store.create(tmp_path / "store")
    content = random.Random(0).randbytes(4 * MIB)
    blob = store.put(content, mediatype.LAYER)
    assert b"".join(map(bytes, Part(store, blob, start, end))) == content[start:end]
