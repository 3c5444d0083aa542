"""Streams: where bytes come from and where they go, as little as has to be known of it."""

from __future__ import annotations

import hashlib
from typing import Protocol

from plumbing.oci.digest import Digest


class Readable(Protocol):
    """A file, a blob, a decompressor. A read gives some bytes, `size` at most; none at the end alone."""

    def read(self, size: int = -1, /) -> bytes: ...


class Sink(Protocol):
    """A file, a compressor, a temporary blob. A write takes all it is given, and keeps no hold of it."""

    def write(self, data: memoryview | bytes, /) -> object: ...


class Counted:
    """Passes on what it is given; knows how many bytes that were."""

    def __init__(self, out: Sink) -> None:
        self._out = out
        self.size = 0

    def write(self, data: memoryview | bytes, /) -> int:
        self._out.write(data)
        self.size += len(data)
        return len(data)


class Hashed(Counted):
    """And their digest."""

    def __init__(self, out: Sink) -> None:
        super().__init__(out)
        self._hasher = hashlib.sha256()

    def write(self, data: memoryview | bytes, /) -> int:
        self._hasher.update(data)
        return super().write(data)

    def digest(self) -> Digest:
        return Digest.ending(self._hasher)


class Nowhere:
    """For those who want a digest and nothing written."""

    def write(self, data: memoryview | bytes, /) -> int:
        return len(data)
