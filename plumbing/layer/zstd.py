"""zstd: one frame, in jobs of one size by a few threads; and what tells a cut stream from a whole one. RFC 8878."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import BinaryIO, cast

from plumbing.errors import Malformed
from plumbing.layer.blocks import ended
from plumbing.layer.streams import Readable, Sink

JOB = 2 << 20
"""Bytes of input in a job: what the compressed bytes depend on, so that it is part of `codec_id`."""
LEVEL = 3
LEVELS = range(1, 20)
_WINDOW = 128 << 20  # the most that zstd's own command takes unasked

_SKIPPABLE = range(0x184D2A50, 0x184D2A60)
_START = 5  # the magic number, and the first byte after it
_BLOCK_HEADER = 3
_RLE = 1
_CHECKSUM = 4


def codec_id(level: int) -> str:
    """The library and its settings; libzstd makes the same bytes on every processor."""
    import zstandard

    return f"zstd/zstd-{'.'.join(map(str, zstandard.ZSTD_VERSION))}/level-{level}/job-{JOB}"


class ZstdWriter:
    """libzstd cuts its jobs at fixed places if it has threads, be it one or many; without any it makes other bytes."""

    def __init__(self, out: Sink, *, level: int, threads: int) -> None:
        import zstandard

        parameters = zstandard.ZstdCompressionParameters.from_level(
            level, threads=threads, job_size=JOB, write_checksum=True
        )
        compressor = zstandard.ZstdCompressor(compression_params=parameters)
        self._writer = compressor.stream_writer(cast(BinaryIO, out), closefd=False)

    def put(self, block: memoryview, *, final: bool) -> Callable[[], None]:
        """libzstd copies the block, and has threads of its own."""
        self._writer.write(block)
        return ended

    def finish(self) -> None:
        import zstandard

        self._writer.flush(zstandard.FLUSH_FRAME)

    def release(self) -> None:
        pass


class ZstdReader:
    """The plain bytes of all frames. Reads raise Malformed for what is damaged, cut short or no zstd."""

    def __init__(self, stream: Readable) -> None:
        import zstandard

        self._fault = zstandard.ZstdError
        self._frames = _Frames(stream)
        decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
        self._plain = decompressor.stream_reader(cast(BinaryIO, self._frames), read_across_frames=True, closefd=False)

    def read(self, size: int = -1, /) -> bytes:
        try:
            data = self._plain.read(size)
        except self._fault as error:
            raise Malformed("zstd stream", error, expected="whole and undamaged data") from error
        if not data and size and not self._frames.whole:
            raise Malformed("zstd stream", "cut short", expected="whole and undamaged data")
        return data


class _Frames:
    """Reads from `stream`, and knows whether all that was read is whole frames, one at least."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._walk = _walk()
        self._skip, self._want = next(self._walk)
        self._held = b""
        self._started = False

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(size)
        self._started = self._started or bool(data)
        at = 0
        while at < len(data):
            step = min(self._skip, len(data) - at)
            self._skip -= step
            at += step
            if self._skip == 0:
                piece = data[at : at + self._want - len(self._held)]
                at += len(piece)
                self._held += piece
                if len(self._held) == self._want:
                    self._skip, self._want = self._walk.send(self._held)
                    self._held = b""
        return data

    @property
    def whole(self) -> bool:
        return self._started and self._want == _START and not self._skip and not self._held


def _walk() -> Generator[tuple[int, int], bytes, None]:
    """Yields how many bytes to skip, then how many to send back; `_START` only where a frame may begin."""
    skip = 0
    while True:
        start = yield skip, _START
        if int.from_bytes(start[:4], "little") in _SKIPPABLE:
            skip = int.from_bytes(start[4:] + (yield 0, 3), "little")
            continue
        descriptor = start[4]  # RFC 8878, 3.1.1.1.1
        single_segment = descriptor >> 5 & 1
        skip = 0 if single_segment else 1
        skip += (0, 1, 2, 4)[descriptor & 3]
        skip += (single_segment, 2, 4, 8)[descriptor >> 6]
        last = 0
        while not last:
            header = int.from_bytes((yield skip, _BLOCK_HEADER), "little")  # 3.1.1.2
            last, kind, size = header & 1, header >> 1 & 3, header >> 3
            skip = 1 if kind == _RLE else size
        if descriptor & 4:
            skip += _CHECKSUM
