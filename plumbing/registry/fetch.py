"""Fetch: a blob as a verified stream, which goes on by Range where the connection broke. registries.md 1.3."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Self

from plumbing.errors import DigestMismatch, RegistryError
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.registry import retry
from plumbing.registry.client import Client
from plumbing.registry.message import Answer, Lost, Request

PROGRESS = 1 << 20
"""Bytes between two breaks after which the tries are counted anew. containers/image does the same."""

_PART = re.compile(r"bytes (\d{1,19})-\d{1,19}/(?:\d{1,19}|\*)")


class BlobStream:
    """The blob of `descriptor`: hashed and counted while it is read, so that b"" comes only after the right bytes.

    verify  or they are only counted, for whoever hashes them
    raises  DigestMismatch for others, too few or too many of them; Missing, Unreachable, RegistryError
    """

    def __init__(
        self,
        client: Client,
        url: str,
        descriptor: Descriptor,
        *,
        scopes: tuple[str, ...],
        where: str,
        verify: bool = True,
    ) -> None:
        self._client = client
        doing = f"fetch '{descriptor.digest}' from '{where}'"
        self._request = Request(method="GET", url=url, doing=doing, scopes=scopes)
        self._descriptor = descriptor
        self._where = where
        self._hasher = descriptor.digest.hasher() if verify else None
        self._taken = 0  # bytes that came
        self._rest = b""  # what came with the last chunk, and was not asked for yet
        self._ended = False
        self._breaks = 0
        self._broke_at = 0
        self._answer: Answer | None = None
        self._chunks = self._begin()

    def read(self, size: int = -1, /) -> bytes:
        """Some bytes, at most `size`; all that is left where that is negative."""
        if size < 0:
            return b"".join(iter(lambda: self.read(1 << 20), b""))
        if not self._rest and not self._ended:
            self._rest = self._next()
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    def close(self) -> None:
        if self._answer is not None:
            self._answer.close()

    def _next(self) -> bytes:
        while True:
            try:
                chunk = next(self._chunks, b"")
                if not chunk and self._taken < self._descriptor.size:
                    raise Lost(self._client.host, f"it ended after {self._taken} of {self._descriptor.size} bytes")
            except Lost as lost:
                self._chunks = self._resume(lost)
                continue
            if chunk:
                self._taken += len(chunk)
                if self._hasher is not None:
                    self._hasher.update(chunk)
            if self._taken > self._descriptor.size:
                self._wrong(f"more than {self._descriptor.size} bytes")
            if not chunk:
                self._ended = True
                if self._hasher is not None and (found := Digest.ending(self._hasher)) != self._descriptor.digest:
                    self._wrong(found)
            return chunk

    def _begin(self) -> Iterator[bytes]:
        answer = self._client.ask(self._request, 200)
        self._answer = answer
        if answer.headers.length is not None and answer.headers.length != self._descriptor.size:
            self._wrong(f"{answer.headers.length} bytes, expected {self._descriptor.size}")
        return answer.chunks()

    def _resume(self, lost: Lost) -> Iterator[bytes]:
        """What comes after the bytes that were taken. Raises Unreachable after too many breaks without progress."""
        self.close()
        self._breaks = 1 if self._taken - self._broke_at >= PROGRESS else self._breaks + 1
        self._broke_at = self._taken
        if self._breaks >= retry.TRIES:
            self._client.give_up(self._request.doing, lost, self._breaks)
        self._client.pause(retry.back_off(self._breaks, self._client.clock), f"'{self._client.host}' broke off: {lost}")
        request = self._request if not self._taken else self._request.having(Range=f"bytes={self._taken}-")
        answer = self._answer = self._client.ask(request, 200, 206)
        part = _PART.fullmatch(answer.headers.get("content-range") or "")
        if answer.status == 206 and (part is None or int(part[1]) != self._taken):
            self.close()
            raise RegistryError(
                f"cannot {self._request.doing}: '{self._client.host}' gave others than the bytes from {self._taken} on",
                host=self._client.host,
            )
        return answer.chunks() if answer.status == 206 else _after(answer.chunks(), self._taken)

    def _wrong(self, found: object) -> None:
        self.close()
        raise DigestMismatch(self._descriptor.digest, found, where=self._where)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _after(chunks: Iterator[bytes], count: int) -> Iterator[bytes]:
    """The bytes after the first `count`, which were taken before from another answer."""
    for chunk in chunks:
        if count >= len(chunk):
            count -= len(chunk)
        else:
            yield chunk[count:]
            count = 0
