"""plumbing/registry as a whole: what a registry may answer, byte by byte."""

from __future__ import annotations

import io
import itertools
import socket
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpcore

from plumbing.errors import PlumbingError
from plumbing.oci import mediatype
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.exchange import Stream
from plumbing.oci.index import Index
from plumbing.registry import Clock, Credential, Registry, Repository, Settings
from plumbing.registry.transport import Transport
from plumbing.registry.wire import Wires
from tests.fuzz.target import target, tried

_HOST = "registry.example"
_SECRET = "s3cr3t-0f-n0b0dy"
_SECRETS = (_SECRET, b64encode(f"user:{_SECRET}".encode()).decode())
_END = b"\n%%\n"

_INDEX = Index.of([])
_SOCKET = socket.socket()
"""One that leads nowhere, for whoever wants to end it."""

_BLOB = Descriptor.of(b"hello", mediatype.LAYER)


class _Blob(io.BytesIO):
    """What is pushed."""

    def __exit__(self, *exception: object) -> None:
        self.close()


class _Source:
    """Has one blob."""

    def read(self, descriptor: Descriptor) -> bytes:
        return b"hello"

    def open_blob(self, descriptor: Descriptor) -> Stream:
        return _Blob(b"hello")

    open_unverified = open_blob


class _Answers(httpcore.NetworkStream):
    """One connection: what comes is `answers`, whatever is asked."""

    def __init__(self, answers: bytes) -> None:
        self._rest = io.BytesIO(answers)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._rest.read(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        pass

    def close(self) -> None:
        pass

    def start_tls(self, *_: Any, **more: Any) -> httpcore.NetworkStream:
        return self

    def get_extra_info(self, info: str) -> Any:
        return _SOCKET if info == "socket" else None


class _Network(Wires):
    """Each connection, wherever it leads, has the next of `answers`, and in the end none has any."""

    def __init__(self, answers: Iterator[bytes]) -> None:
        super().__init__()
        self._answers = answers

    def connect_tcp(self, *_: Any, **more: Any) -> httpcore.NetworkStream:
        return self.keep(_Answers(next(self._answers, b"")))


@contextmanager
def _repository(answers: Iterator[bytes], said: list[str]) -> Iterator[Repository]:
    later = itertools.count()
    clock = Clock(
        monotonic=lambda: time.monotonic() + 60.0 * next(later),
        sleep=lambda seconds, event: None,
        jitter=lambda: 1.0,
    )
    settings = Settings(plain_http=frozenset({_HOST}), clock=clock)
    with Registry(
        _HOST,
        credential=lambda *_: Credential.given("user", _SECRET),
        settings=settings,
        log=lambda level, line: said.append(line()),
        warn=said.append,
    ) as registry:
        transport = Transport(settings)
        transport._wires = _Network(answers)
        registry._client._transport = transport
        yield registry.repository("app", push=True)


def _read(repository: Repository) -> object:
    with repository.open_blob(_BLOB) as stream:
        data = b"".join(iter(lambda: stream.read(4), b""))
        assert data == b"hello", "other bytes were taken for the blob"
        return data


def _push(repository: Repository) -> None:
    repository.take(_BLOB, _Source())
    repository.take_node(_INDEX.descriptor, _INDEX.raw)
    repository.tag("latest", _INDEX.descriptor, _INDEX.raw)


_DEEDS: tuple[Callable[[Repository], object], ...] = (
    lambda repository: repository.resolve("latest"),
    lambda repository: list(itertools.islice(repository.tags(), 10000)),
    lambda repository: repository.read(_INDEX.descriptor),
    _read,
    lambda repository: list(itertools.islice(repository.referrers(_INDEX.descriptor.digest), 10000)),
    _push,
)

_OK = "HTTP/1.1 200 OK\r\nContent-Length: "


@target(
    *"012345",
    _END,
    f"{_OK}0\r\n\r\n",
    f"{_OK}5\r\n\r\nhello",
    "HTTP/1.1 202 Accepted\r\nLocation: /v2/app/blobs/uploads/1\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 4-4/5\r\nContent-Length: 1\r\n\r\no",
    "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://store.example/x\r\nContent-Length: 0\r\n\r\n",
    'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer realm="http://registry.example/token"\r\n',
    "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
    f"{_OK}13\r\n\r\n" + '{"token":"a"}',
    "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    f"Docker-Content-Digest: {_INDEX.descriptor.digest}\r\n",
    f"Content-Type: {mediatype.INDEX}\r\n",
    'Link: </v2/app/tags/list?n=1>; rel="next"\r\n',
    "Connection: close\r\n",
    '{"tags":["a"]}',
    _INDEX.raw,
    longest=1 << 13,
)
def answers(data: bytes) -> None:
    """The first byte says what is done; then come the answers, one for each connection."""
    said: list[str] = []
    deed = _DEEDS[data[0] % len(_DEEDS)] if data else _DEEDS[0]
    with _repository(iter(data[1:].split(_END)), said) as repository:
        tried(PlumbingError, deed, repository)
    lines = "\n".join(said).split("\n")
    assert all(map(str.isprintable, lines)), lines
    assert not any(secret in line for secret in _SECRETS for line in lines)
