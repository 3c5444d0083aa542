"""Request and Answer: what goes out and what comes back, without the library that carries them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from plumbing.registry.problem import Problem
from plumbing.registry.retry import TRIES


class Lost(Exception):
    """No whole answer came. `str()` says why, in lower case.

    It stays in this package: whoever gives up raises Unreachable.

    final    asking again would change nothing: no such host, a certificate that is not trusted
    refused  nobody listens
    """

    def __init__(self, host: str, reason: str, *, final: bool = False, refused: bool = False) -> None:
        super().__init__(reason)
        self.host = host
        self.final = final
        self.refused = refused


class NoTls(Lost):
    """Who listens speaks something else than TLS."""


class Body(Protocol):
    """What a request carries. Each iteration begins with the first byte."""

    @property
    def length(self) -> int: ...

    def __iter__(self) -> Iterator[bytes]: ...


@dataclass(frozen=True, slots=True)
class Raw:
    """A body that is in memory."""

    data: bytes

    @property
    def length(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[bytes]:
        if self.data:
            yield self.data


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """
    url         absolute; what stands after the host is sent byte for byte
    doing       what for, such as "push 'app'": an error's message begins with "cannot" and this
    scopes      what a token for it must allow; None for a request that never carries one
    tries       how often it is sent at most, where the answer says that it may be sent again
    repeatable  whether it may be sent again with another token: not where a body may have been taken already
    private     whether the body is a secret, for that origin alone
    silence     seconds without a sign of life, where it is not the usual
    limit       where the answer is wanted whole, in memory: its most bytes
    """

    method: str
    url: str
    doing: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body | None = None
    scopes: tuple[str, ...] | None = None
    tries: int = TRIES
    repeatable: bool = True
    private: bool = False
    silence: float | None = None
    limit: int | None = None

    def having(self, **headers: str) -> Request:
        """With further headers."""
        return replace(self, headers={**self.headers, **headers})

    def moved(self, url: str, *, keep_secrets: bool) -> Request:
        """The same to another URL."""
        hidden = () if keep_secrets else ("authorization", "cookie")
        headers = {name: value for name, value in self.headers.items() if name.lower() not in hidden}
        return replace(self, url=url, headers=headers)


class Headers:
    """Header fields by name in any case; a name may have several values."""

    __slots__ = ("_values",)

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in fields:
            self._values.setdefault(name.lower(), []).append(value)

    def get(self, name: str) -> str | None:
        """The first value."""
        return next(iter(self._values.get(name, ())), None)

    def all(self, name: str) -> list[str]:
        return self._values.get(name, [])

    @property
    def length(self) -> int | None:
        """Content-Length, if it is a number."""
        text = self.get("content-length") or ""
        return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return ((name, value) for name, values in self._values.items() for value in values)


class Answer:
    """What came back. `with` it, or read it to its end: until then it holds a connection.

    url      what was asked last, after redirects
    problem  what an answer of 400 and more says is wrong; its body has been read then
    body     of a request with a limit, whole; None if there was more. Then, too, nothing is left to read
    """

    __slots__ = ("_chunks", "_close", "body", "headers", "problem", "status", "url")

    def __init__(
        self,
        status: int,
        headers: Headers,
        url: str,
        chunks: Iterable[bytes] = (),
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self.status = status
        self.headers = headers
        self.url = url
        self.problem: Problem | None = None
        self.body: bytes | None = None
        self._chunks = iter(chunks)
        self._close = close

    def chunks(self) -> Iterator[bytes]:
        """The body as it comes. Raises Lost where it breaks off."""
        return self._chunks

    def read(self, limit: int) -> bytes | None:
        """The whole body; None if it has more than `limit` bytes, which are not read then."""
        with self:
            data = bytearray()
            for chunk in self._chunks:
                data += chunk
                if len(data) > limit:
                    return None
            return bytes(data)

    def close(self) -> None:
        self._close()

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
