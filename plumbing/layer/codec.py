"""Codecs: how a layer's tar is compressed, and read again. RFC 1952 (gzip), RFC 8878 (zstd); image-spec 1.1, layer.md."""

from __future__ import annotations

import os
import struct
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from io import BufferedReader, RawIOBase
from typing import Any, BinaryIO, cast, Literal, Protocol, Self

from plumbing.errors import Malformed
from plumbing.oci import mediatype

Codec = Literal["gzip", "zstd", "none"]

MEDIA_TYPES: dict[Codec, str] = {
    "gzip": mediatype.LAYER_GZIP,
    "zstd": mediatype.LAYER_ZSTD,
    "none": mediatype.LAYER,
}
_BLOCK = 1 << 20  # of input; what the bytes depend on, so part of `codec_id`
_GZIP_LEVEL, _GZIP_LEVELS = 2, range(4)
_ZSTD_LEVEL, _ZSTD_LEVELS = 3, range(1, 20)
_JOB = 2 << 20
_MOST_THREADS = 4  # more than hashing on one core can keep up with

# RFC 1952, 2.3: deflate, no flags, no time, no extra flags, system "unknown"
_GZIP_HEADER = b"\x1f\x8b\x08\x00" + bytes(4) + b"\x00\xff"
_RAW_DEFLATE = -15


class Output(Protocol):
    def write(self, data: memoryview | bytes, /) -> object: ...


class Compressor(Protocol):
    """Takes the plain bytes; what it writes is complete after `close`, or at the end of a `with` that raised nothing."""

    def write(self, data: memoryview | bytes, /) -> int: ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None: ...


def compressor(codec: Codec, out: Output, *, level: int | None = None, threads: int | None = None) -> Compressor:
    """What compresses into `out`, which is left open. Constant memory. The bytes depend on `codec_id` alone.

    level    gzip: 0 to 3, isal's; zstd: 1 to 19; None: the codec's default
    threads  how many compress beside the caller's; None: as many as there are processors, at most four
    raises   Malformed for another codec or level; whatever `out.write` raises, from `write` or `close`
    """
    level = _level(codec, level)
    if threads is None:
        threads = min(_MOST_THREADS, _processors())
    if codec == "gzip":
        return _Gzip(out, level, threads)
    if codec == "zstd":
        return _Zstd(out, level, threads)
    return _Plain(out)


def codec_id(codec: Codec, *, level: int | None = None) -> str:
    """All that the compressed bytes depend on beside the plain ones: gzip/isal-1.9.1/level-2/block-1048576."""
    level = _level(codec, level)
    if codec == "gzip":
        import isal

        return f"gzip/isal-{isal.__version__}/level-{level}/block-{_BLOCK}"
    if codec == "zstd":
        import zstandard

        return f"zstd/zstd-{'.'.join(map(str, zstandard.ZSTD_VERSION))}/level-{level}/job-{_JOB}"
    return "none"


def _level(codec: Codec, level: int | None) -> int:
    match codec:
        case "gzip":
            default, levels = _GZIP_LEVEL, _GZIP_LEVELS
        case "zstd":
            default, levels = _ZSTD_LEVEL, _ZSTD_LEVELS
        case "none":
            default, levels = 0, range(1)
        case _:
            raise Malformed("compression", codec, expected="gzip, zstd or none")
    if level is not None and level not in levels:
        raise Malformed("compression level", level, expected=f"{levels[0]} to {levels[-1]} for {codec}")
    return default if level is None else level


def _processors() -> int:
    try:
        return len(os.sched_getaffinity(0))  # a container's share, not the machine
    except AttributeError:  # macOS
        return os.cpu_count() or 1


class _Closing:
    def close(self) -> None:
        raise NotImplementedError

    def abandon(self) -> None:
        """Let go of threads and memory; nothing more is written."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()


class _Gzip(_Closing):
    """One gzip member of blocks that know nothing of each other, each ended by a full flush, the last one final."""

    def __init__(self, out: Output, level: int, threads: int) -> None:
        from concurrent.futures import ThreadPoolExecutor

        from isal.isal_zlib import crc32_combine

        self._out = out
        self._level = level
        self._combine = crc32_combine
        self._pool = ThreadPoolExecutor(max(1, threads), thread_name_prefix="gzip")
        self._waiting: deque[tuple[Future[tuple[list[bytes], int]], int]] = deque()
        self._most = 2 * max(1, threads)  # enough that no thread waits for the writer; a bound for the memory
        self._block = bytearray()
        self._crc = self._size = 0
        self._closed = False
        out.write(_GZIP_HEADER)

    def write(self, data: memoryview | bytes, /) -> int:
        view = memoryview(data).cast("B")
        while view:
            room = _BLOCK - len(self._block)
            self._block += view[:room]
            view = view[room:]
            if len(self._block) == _BLOCK:
                self._submit(final=False)
        return memoryview(data).nbytes

    def close(self) -> None:
        if self._closed:
            return
        try:
            self._submit(final=True)
            while self._waiting:
                self._join()
            self._out.write(struct.pack("<II", self._crc, self._size & 0xFFFFFFFF))
        finally:
            self.abandon()

    def abandon(self) -> None:
        self._closed = True
        self._pool.shutdown(cancel_futures=True)

    def _submit(self, *, final: bool) -> None:
        block, self._block = self._block, bytearray()
        self._waiting.append((self._pool.submit(_deflate, block, self._level, final), len(block)))
        if len(self._waiting) > self._most:
            self._join()

    def _join(self) -> None:
        """Write the oldest block."""
        future, size = self._waiting.popleft()
        pieces, crc = future.result()
        for piece in pieces:
            self._out.write(piece)
        self._crc = self._combine(self._crc, crc, size)
        self._size += size


def _deflate(block: bytearray, level: int, final: bool) -> tuple[list[bytes], int]:
    from isal import isal_zlib

    deflate = isal_zlib.compressobj(level, isal_zlib.DEFLATED, _RAW_DEFLATE)
    pieces = [deflate.compress(block), deflate.flush(isal_zlib.Z_FINISH if final else isal_zlib.Z_FULL_FLUSH)]
    return pieces, isal_zlib.crc32(block)


class _Zstd(_Closing):
    def __init__(self, out: Output, level: int, threads: int) -> None:
        import zstandard

        # libzstd cuts its jobs at fixed places if there are threads, be it one or many, and not at all if there are none
        parameters = zstandard.ZstdCompressionParameters.from_level(
            level, threads=max(1, threads), job_size=_JOB, write_checksum=True
        )
        self._writer = zstandard.ZstdCompressor(compression_params=parameters).stream_writer(
            cast(BinaryIO, out), closefd=False
        )

    def write(self, data: memoryview | bytes, /) -> int:
        self._writer.write(data)
        return memoryview(data).nbytes

    def close(self) -> None:
        self._writer.close()


class _Plain(_Closing):
    def __init__(self, out: Output) -> None:
        self._out = out

    def write(self, data: memoryview | bytes, /) -> int:
        self._out.write(data)
        return memoryview(data).nbytes

    def close(self) -> None:
        pass


def decompressed(codec: Codec, stream: BinaryIO, *, limit: int | None = None) -> BufferedReader:
    """What reads the plain bytes of `stream`, which is left open. Constant memory, with a window of 128 MiB at most.

    limit   how many plain bytes there may be; None: any number
    raises  Malformed for another codec; from reads: Malformed for what is damaged, cut short, or longer than `limit`
    """
    _level(codec, None)
    return BufferedReader(_Decompressed(codec, stream, limit), _PIECE)


class _Decompressed(RawIOBase):
    def __init__(self, codec: Codec, stream: BinaryIO, limit: int | None) -> None:
        self._codec = codec
        self._limit = limit
        self._count = 0
        self._faults: tuple[type[Exception], ...] = ()
        self._frames: Frames | None = None
        self._plain: Any = stream
        if codec == "gzip":
            from gzip import BadGzipFile

            from isal import igzip, isal_zlib

            self._faults = (BadGzipFile, EOFError, isal_zlib.error)
            self._plain = igzip.IGzipFile(fileobj=stream, mode="rb")
        elif codec == "zstd":
            import zstandard

            self._faults = (zstandard.ZstdError,)
            self._frames = Frames(stream)
            self._plain = zstandard.ZstdDecompressor(max_window_size=_WINDOW).stream_reader(
                self._frames, read_across_frames=True, closefd=False
            )

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        try:
            count: int = self._plain.readinto(buffer)
        except self._faults as error:
            raise Malformed(f"{self._codec} stream", str(error).lower(), expected="whole, undamaged data") from error
        self._count += count
        if not count and self._frames is not None and not self._frames.whole:
            raise Malformed("zstd stream", "", expected="")
        return count
