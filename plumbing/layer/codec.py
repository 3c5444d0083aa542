"""Codecs: how a layer's tar is compressed, and how it is read again. image-spec 1.1, layer.md."""

from __future__ import annotations

import os
from collections.abc import Callable
from io import BufferedReader, RawIOBase
from typing import Any, Literal, cast

from plumbing.errors import Malformed
from plumbing.layer import gzip, zstd
from plumbing.layer.blocks import Compressor, ended
from plumbing.layer.streams import Readable, Sink
from plumbing.oci import mediatype

Codec = Literal["gzip", "zstd", "none"]

MEDIA_TYPES: dict[Codec, str] = {
    "gzip": mediatype.LAYER_GZIP,
    "zstd": mediatype.LAYER_ZSTD,
    "none": mediatype.LAYER,
}
_MOST_THREADS = 4  # more than one core can hash for
_READ = 1 << 17


def compressor(codec: Codec, out: Sink, *, level: int | None = None, threads: int | None = None) -> Compressor:
    """What compresses into `out`, which is left open. Constant memory. The bytes depend on `codec_id` alone.

    level    gzip: 0 to 3, isal's; zstd: 1 to 19; None: the codec's default
    threads  how many compress beside the caller's; None: as many as there are processors, at most four
    raises   Malformed for another codec or level; whatever `out.write` raises, from `write` or `close`
    """
    level = _level(codec, level)
    threads = max(1, min(_MOST_THREADS, _processors()) if threads is None else threads)
    match codec:
        case "gzip":
            # no thread waits for the caller, who may be writing
            return Compressor(gzip.GzipWriter(out, level=level, threads=threads), ahead=2 * threads + 1)
        case "zstd":
            return Compressor(zstd.ZstdWriter(out, level=level, threads=threads))
        case "none":
            return Compressor(_Plain(out))


def decompressed(codec: Codec, stream: Readable, *, limit: int | None = None) -> BufferedReader:
    """What reads the plain bytes of `stream`, which is left open. Constant memory; for zstd, at most 128 MiB.

    limit   how many plain bytes there may be; None: any number
    raises  Malformed for another codec; from reads: Malformed for what is damaged, cut short, or longer than `limit`
    """
    _level(codec, None)
    plain: Readable = stream
    if codec == "gzip":
        plain = gzip.GzipReader(stream)
    elif codec == "zstd":
        plain = zstd.ZstdReader(stream)
    return BufferedReader(_Limited(plain, limit), _READ)


def codec_of(media_type: str) -> Codec:
    """The codec of layers of this media type. Raises Malformed for what is no layer's."""
    codec = mediatype.LAYERS.get(media_type)
    if codec is None:
        raise Malformed("layer", media_type, expected=f"the media type of a layer, such as {mediatype.LAYER_GZIP}")
    return cast(Codec, codec)


def codec_id(codec: Codec, *, level: int | None = None) -> str:
    """All that the compressed bytes depend on beside the plain ones: gzip/isal-1.9.1/isa-l-2.32.1/level-2/…."""
    level = _level(codec, level)
    match codec:
        case "gzip":
            return gzip.codec_id(level)
        case "zstd":
            return zstd.codec_id(level)
        case "none":
            return "none"


class _Plain:
    def __init__(self, out: Sink) -> None:
        self._out = out

    def put(self, block: memoryview, *, final: bool) -> Callable[[], None]:
        self._out.write(block)
        return ended

    def finish(self) -> None:
        pass

    def release(self) -> None:
        pass


class _Limited(RawIOBase):
    def __init__(self, plain: Readable, limit: int | None) -> None:
        self._plain = plain
        self._left = limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data = self._plain.read(len(buffer))
        if self._left is not None:
            self._left -= len(data)
            if self._left < 0:
                raise Malformed("layer", "too long", expected="fewer bytes; it may be a decompression bomb")
        buffer[: len(data)] = data
        return len(data)


def _level(codec: Codec, level: int | None) -> int:
    match codec:
        case "gzip":
            default, levels = gzip.LEVEL, gzip.LEVELS
        case "zstd":
            default, levels = zstd.LEVEL, zstd.LEVELS
        case "none":
            default, levels = 0, range(1)
        case _:
            raise Malformed("compression", codec, expected="gzip, zstd or none")
    if level is not None and level not in levels:
        raise Malformed("compression level", level, expected=f"{levels[0]} to {levels[-1]} for {codec}")
    return default if level is None else level


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):  # Linux: a container's share, not the whole machine
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
