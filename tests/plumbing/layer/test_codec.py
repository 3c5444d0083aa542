"""Codecs: bytes that depend on nothing but their input, and readers that hostile input does not hurt."""

from __future__ import annotations

import gzip
import zlib
from contextlib import suppress
from io import BytesIO
from itertools import pairwise

import pytest
import zstandard
from hypothesis import example, given
from hypothesis import strategies as st

from plumbing.errors import Malformed
from plumbing.layer.codec import MEDIA_TYPES, Codec, codec_id, codec_of, compressor, decompressed
from plumbing.oci.mediatype import CONFIG, LAYERS
from tests.tools import require_tool, run

CODECS: list[Codec] = ["gzip", "zstd", "none"]
MIB = 1 << 20


def plain(size: int) -> bytes:
    """Bytes that compress somewhat, and differ from block to block."""
    words = b"".join(b"%d " % (number * number % 9973) for number in range(size // 4 + 1))
    return words[:size]


PLAIN = plain(5 * MIB + 7)


def compress(codec: Codec, data: bytes, *, cuts: tuple[int, ...] = (), threads: int | None = None, level=None) -> bytes:
    out = BytesIO()
    with compressor(codec, out, threads=threads, level=level) as writer:
        for start, end in pairwise([0, *sorted(cuts), len(data)]):
            assert writer.write(memoryview(data)[start:end]) == end - start
    return out.getvalue()


def expand(codec: Codec, data: bytes, *, limit: int | None = None) -> bytes:
    with decompressed(codec, BytesIO(data), limit=limit) as reader:
        return reader.read()


@pytest.mark.parametrize("codec", CODECS)
@given(
    st.sampled_from([0, 1, 4096, MIB - 1, MIB, MIB + 1, 2 * MIB, 4 * MIB + 1, len(PLAIN)]),
    st.lists(st.integers(0, len(PLAIN)), max_size=6),
    st.integers(1, 5),
)
def test_neither_writes_nor_threads_change_the_bytes(codec: Codec, size: int, cuts: list[int], threads: int) -> None:
    data = PLAIN[:size]
    cut = tuple(at for at in cuts if at <= size)
    assert compress(codec, data, cuts=cut, threads=threads) == compress(codec, data, threads=1)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, len(PLAIN)])
def test_what_is_written_reads_back(codec: Codec, size: int) -> None:
    assert expand(codec, compress(codec, PLAIN[:size])) == PLAIN[:size]


@pytest.mark.parametrize("codec", CODECS)
@given(st.binary(max_size=3000))
@example(b"")
def test_any_bytes_read_back(codec: Codec, data: bytes) -> None:
    assert expand(codec, compress(codec, data, threads=1)) == data


@pytest.mark.parametrize("level", range(4))
@pytest.mark.parametrize("size", [0, 1, MIB, len(PLAIN)])
def test_gzip_is_one_member_that_zlib_and_gzip_read(level: int, size: int) -> None:
    data = compress("gzip", PLAIN[:size], level=level)
    inflate = zlib.decompressobj(wbits=31)
    assert inflate.decompress(data) == PLAIN[:size]
    assert inflate.eof
    assert not inflate.unused_data
    assert gzip.decompress(data) == PLAIN[:size]
    assert data[:10] == b"\x1f\x8b\x08\0\0\0\0\0\0\xff"  # no name, no time, no system


def test_random_bytes_grow_by_next_to_nothing() -> None:
    data = b"".join(zlib.crc32(number.to_bytes(4)).to_bytes(4) for number in range(MIB // 2))
    assert len(compress("gzip", data)) < len(data) * 1.001 + 100


@pytest.mark.parametrize(("codec", "program"), [("gzip", "gzip"), ("zstd", "zstd")])
def test_other_programs_read_it(codec: Codec, program: str) -> None:
    assert run(require_tool(program), "-dc", stdin=compress(codec, PLAIN)).stdout == PLAIN
    run(require_tool(program), "-t", stdin=compress(codec, PLAIN))


def test_zstd_has_a_checksum() -> None:
    assert zstandard.get_frame_parameters(compress("zstd", PLAIN)).has_checksum


@pytest.mark.parametrize("codec", CODECS)
def test_after_an_exception_nothing_is_finished(codec: Codec) -> None:
    out = BytesIO()

    def interrupted() -> None:
        with compressor(codec, out) as writer:
            writer.write(PLAIN)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    if codec != "none":
        with pytest.raises(Malformed):
            expand(codec, out.getvalue())


@pytest.mark.parametrize("codec", CODECS)
def test_the_faults_of_the_output_come_out(codec: Codec) -> None:
    class Full:
        room = 1000

        def write(self, data: memoryview | bytes, /) -> int:
            self.room -= len(data)
            if self.room < 0:
                raise OSError(28, "No space left on device")
            return len(data)

    with pytest.raises(OSError, match="No space"), compressor(codec, Full()) as writer:
        writer.write(PLAIN)


def test_closing_twice_writes_once() -> None:
    out = BytesIO()
    writer = compressor("gzip", out)
    writer.write(PLAIN)
    writer.close()
    once = out.getvalue()
    writer.close()
    assert out.getvalue() == once


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
@pytest.mark.parametrize("end", [0, 1, 5, 9, 12, 100, -1, -4, -5, -8, -9, -1000])
def test_a_stream_that_is_cut_short_is_refused(codec: Codec, end: int) -> None:
    with pytest.raises(Malformed, match=f"{codec} stream"):
        expand(codec, compress(codec, PLAIN[: 2 * MIB])[:end])


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
@given(st.data())
def test_damage_never_gives_other_bytes(codec: Codec, data: st.DataObject) -> None:
    """It may hit what means nothing, such as padding; the headers say what the rest is, and are left alone."""
    whole = bytearray(compress(codec, PLAIN[:5000], threads=1))
    whole[data.draw(st.integers(10, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with suppress(Malformed):
        assert expand(codec, bytes(whole)) == PLAIN[:5000]


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
@given(st.binary(max_size=200))
def test_any_bytes_are_plain_or_malformed(codec: Codec, data: bytes) -> None:
    start = {"gzip": b"\x1f\x8b\x08\0", "zstd": b"\x28\xb5\x2f\xfd"}[codec]
    for hostile in (data, start + data):
        with suppress(Malformed):
            expand(codec, hostile, limit=10 * MIB)


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_several_members_are_one_stream(codec: Codec) -> None:
    """As in layers of eStargz and zstd:chunked, the second with frames to be skipped."""
    data = compress(codec, b"one") + compress(codec, b"") + compress(codec, b"two")
    assert expand(codec, data) == b"onetwo"
    if codec == "zstd":
        skipped = b"\x5a\x2a\x4d\x18" + (7).to_bytes(4, "little") + bytes(7)
        assert expand(codec, skipped + data + skipped) == b"onetwo"
        with pytest.raises(Malformed):
            expand(codec, data + skipped[:-1])


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_rubbish_after_the_end_is_refused(codec: Codec) -> None:
    with pytest.raises(Malformed):
        expand(codec, compress(codec, b"plain") + b"rubbish")


@pytest.mark.parametrize("parameters", [{"level": 1}, {"level": 19}, {"level": 3, "write_content_size": True}])
@pytest.mark.parametrize("size", [0, 1, 255, 256, 65791, 65792, 300_000])
def test_zstd_of_other_makes_is_read(parameters, size: int) -> None:
    """Frame headers of every length, with and without a checksum; blocks of every kind."""
    for checksum in (True, False):
        for data in (PLAIN[:size], bytes(size), bytes(range(256)) * (size // 256)):
            whole = zstandard.ZstdCompressor(write_checksum=checksum, **parameters).compress(data)
            assert expand("zstd", whole) == data
            with pytest.raises(Malformed):
                expand("zstd", whole[:-1])


@pytest.mark.parametrize("codec", CODECS)
def test_a_bomb_is_refused(codec: Codec) -> None:
    bomb = compress(codec, bytes(3 * MIB))
    assert len(expand(codec, bomb, limit=3 * MIB)) == 3 * MIB
    with pytest.raises(Malformed, match="bomb"):
        expand(codec, bomb, limit=3 * MIB - 1)


def test_a_window_that_would_take_all_memory_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=30, enable_ldm=False)
    frame = BytesIO()
    with zstandard.ZstdCompressor(compression_params=parameters).stream_writer(frame, closefd=False) as writer:
        writer.write(b"x")
    with pytest.raises(Malformed, match="memory"):
        expand("zstd", frame.getvalue())


@pytest.mark.parametrize(
    ("codec", "level"), [("lz4", None), ("gzip", 4), ("gzip", -1), ("zstd", 0), ("zstd", 20), ("none", 1)]
)
def test_other_codecs_and_levels_are_refused(codec, level: int | None) -> None:
    with pytest.raises(Malformed, match="compression"):
        compressor(codec, BytesIO(), level=level)
    with pytest.raises(Malformed, match="compression"):
        codec_id(codec, level=level)


def test_the_codec_id_names_what_the_bytes_depend_on() -> None:
    ids = [codec_id("gzip", level=level) for level in range(4)] + [codec_id("zstd", level=level) for level in (1, 3)]
    assert len({*ids, codec_id("none")}) == 7
    assert codec_id("gzip") == codec_id("gzip", level=2)
    assert codec_id("none") == "none"


def test_every_codec_has_the_media_type_of_a_layer() -> None:
    for codec in CODECS:
        assert codec_of(MEDIA_TYPES[codec]) == codec
    assert {codec_of(media_type) for media_type in LAYERS} == set(CODECS)
    with pytest.raises(Malformed, match="malformed layer '"):
        codec_of(CONFIG)
