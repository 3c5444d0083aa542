"""gzip: one member, compressed in independent blocks by a few threads. RFC 1952; RFC 1951 for the blocks."""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial
from io import RawIOBase
from typing import Any

from plumbing.errors import Malformed
from plumbing.layer.blocks import SIZE
from plumbing.layer.streams import Readable, Sink
from plumbing.threads import Threads

LEVEL = 2  # isal's level 3 has other kernels, and makes other bytes, on each generation of processors
LEVELS = range(4)

# RFC 1952, 2.3: deflate, no flags, no time, no extra flags, an unknown system: nothing about this machine
_HEADER = b"\x1f\x8b\x08\x00" + bytes(4) + b"\x00\xff"
_RAW_DEFLATE = -15

_Deflated = tuple[list[bytes], int]
"""The pieces of a block, and its CRC-32."""


def codec_id(level: int) -> str:
    """The library and its settings; and a probe, because isal's bytes depend on the kind of processor too.

    Level 2 makes the same bytes on every x86-64 with SSE 4.2, others on aarch64, others again where it has no assembly.
    """
    import isal
    from isal.isal_zlib import crc32

    probe = b"".join(b"%d " % (number * number % 977) for number in range(2048))
    pieces, _ = _deflate(probe, level, final=True)
    made = crc32(b"".join(pieces))
    return f"gzip/isal-{isal.__version__}/isa-l-{isal.ISAL_VERSION}/level-{level}/block-{SIZE}/probe-{made:08x}"


class GzipWriter:
    """Blocks know nothing of each other, and are cut every `SIZE` bytes: threads and write sizes change no byte."""

    def __init__(self, out: Sink, *, level: int, threads: int) -> None:
        self._out = out
        self._level = level
        self._threads = Threads(threads)
        self._crc = 0
        self._size = 0
        out.write(_HEADER)

    def put(self, block: memoryview, *, final: bool) -> Callable[[], None]:
        deflated = self._threads.begin(_deflate, block, self._level, final)
        return partial(self._write, deflated, len(block))

    def finish(self) -> None:
        self._out.write(struct.pack("<II", self._crc, self._size & 0xFFFFFFFF))

    def release(self) -> None:
        self._threads.end()

    def _write(self, deflated: Callable[[], _Deflated], size: int) -> None:
        from isal.isal_zlib import crc32_combine

        pieces, crc = deflated()
        for piece in pieces:
            self._out.write(piece)
        self._crc = crc32_combine(self._crc, crc, size)
        self._size += size


def _deflate(block: bytes | memoryview, level: int, final: bool) -> _Deflated:
    """The block as deflate, ended at a byte's edge, and its CRC-32."""
    from isal import isal_zlib

    deflate = isal_zlib.compressobj(level, isal_zlib.DEFLATED, _RAW_DEFLATE)
    pieces = [deflate.compress(block), deflate.flush(isal_zlib.Z_FINISH if final else isal_zlib.Z_FULL_FLUSH)]
    return pieces, isal_zlib.crc32(block)


class GzipReader:
    """The plain bytes of all members. Reads raise Malformed for what is damaged, cut short or no gzip."""

    def __init__(self, stream: Readable) -> None:
        from gzip import BadGzipFile

        from isal import igzip, isal_zlib

        self._faults: Any = (BadGzipFile, EOFError, isal_zlib.error)
        self._plain: Any = igzip.IGzipFile(fileobj=_Started(stream), mode="rb")  # type: ignore[no-untyped-call]

    def read(self, size: int = -1, /) -> bytes:
        try:
            data: bytes = self._plain.read(size)
        except self._faults as error:
            raise Malformed("gzip stream", error, expected="whole and undamaged data") from error
        return data


class _Started(RawIOBase):
    """An empty stream is no gzip, though isal takes it for no members."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._started = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data = self._stream.read(len(buffer))
        if not data and not self._started:
            raise EOFError("it is empty")
        self._started = True
        buffer[: len(data)] = data
        return len(data)
