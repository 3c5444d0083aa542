"""Blocks: what is written, cut every MiB; each block is hashed and compressed in threads, from one buffer."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from plumbing.oci.digest import Digest
from plumbing.threads import Threads

SIZE = 1 << 20
"""Bytes of input in a block."""


class Codec(Protocol):
    """What a `Compressor` does with each block."""

    def put(self, block: memoryview, *, final: bool) -> Callable[[], object]:
        """Begin to compress `block`, of `SIZE` bytes or, the final one, fewer.

        What is returned is called once, in the order of the blocks: it ends that, and `block` may be used again.
        """

    def finish(self) -> None:
        """Write the end; all blocks have been ended."""

    def release(self) -> None:
        """Let go of threads, whether or not it was finished."""


def ended() -> None:
    """What a codec's `put` returns that has compressed the block, or has copied it."""


class Compressor:
    """Takes the plain bytes. What is written is complete after `close`, or a `with` block that raised nothing.

    Bytes are written, or put where the compressor has room for them, and not copied then:

        out.advance(file.readinto(out.room()))
    """

    def __init__(self, codec: Codec, *, ahead: int = 3) -> None:
        """ahead: how many blocks may be worked on while the next one is filled, which bounds the memory"""
        self._codec = codec
        self._ahead = ahead
        self._hasher = hashlib.sha256()
        self._hashing = Threads(1)  # hashing takes half as long as compressing, and each block needs the one before
        self._begun: deque[tuple[memoryview, Callable[[], object], Callable[[], object]]] = deque()
        self._buffer = memoryview(bytearray(SIZE))
        self._used = 0
        self._open = True

    def write(self, data: memoryview | bytes, /) -> int:
        view = memoryview(data)
        while view:
            room = self.room()[: len(view)]
            room[:] = view[: len(room)]
            self.advance(len(room))
            view = view[len(room) :]
        return len(data)

    def room(self) -> memoryview:
        """Where the next bytes go; never empty."""
        return self._buffer[self._used :]

    def advance(self, count: int) -> None:
        """Take the first `count` bytes of `room`, which have been put there."""
        self._used += count
        if self._used == SIZE:
            self._begin(final=False)
            self._buffer = self._end_oldest() if len(self._begun) > self._ahead else memoryview(bytearray(SIZE))
            self._used = 0

    @property
    def diff_id(self) -> Digest:
        """The digest of all the plain bytes; after `close`."""
        return Digest.ending(self._hasher)

    def close(self) -> None:
        if self._open:
            self._open = False
            try:
                self._begin(final=True)
                while self._begun:
                    self._end_oldest()
                self._codec.finish()
            finally:
                self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        elif self._open:
            self._open = False
            self._release()

    def _begin(self, *, final: bool) -> None:
        block = self._buffer[: self._used]
        hashed = self._hashing.begin(self._hasher.update, block)
        self._begun.append((self._buffer, hashed, self._codec.put(block, final=final)))

    def _end_oldest(self) -> memoryview:
        buffer, hashed, compressed = self._begun.popleft()
        compressed()
        hashed()
        return buffer

    def _release(self) -> None:
        self._codec.release()
        self._hashing.end()
