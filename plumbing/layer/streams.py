"""Streams: where bytes come from and where they go, as little as has to be known of it."""

from __future__ import annotations

from typing import Protocol


class Readable(Protocol):
    """A file, a blob, a decompressor. A read gives some bytes, `size` at most; none at the end alone."""

    def read(self, size: int = -1, /) -> bytes: ...


class Sink(Protocol):
    """A file, a compressor, a temporary blob. A write takes all it is given, and keeps no hold of it."""

    def write(self, data: memoryview | bytes, /) -> object: ...


class Nowhere:
    """For those who want a digest and nothing written."""

    def write(self, data: memoryview | bytes, /) -> int:
        return len(data)
