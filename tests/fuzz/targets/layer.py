"""plumbing/layer: archives, compressed streams, capabilities."""

from __future__ import annotations

import gzip as standard_gzip
import io
import re
import tarfile
import zlib
from dataclasses import replace

from plumbing.commands import options
from plumbing.commands.write_layer import parse_record
from plumbing.errors import Malformed, PlumbingError
from plumbing.layer.capability import capabilities_text, parse_capabilities
from plumbing.layer.codec import Codec, decompressed
from plumbing.layer.entries import collect
from plumbing.layer.layer import write_compressed
from plumbing.layer.members import Member, read_tar
from tests.fuzz.target import malformed, refuses, target, text, tried

_MOST = 1 << 24
"""Plain bytes that are read of a stream: enough to see that no more memory is needed for them."""

_CHUNK = 1 << 16

_KINDS = {
    tarfile.LNKTYPE: "hardlink",
    tarfile.SYMTYPE: "symlink",
    tarfile.CHRTYPE: "character",
    tarfile.BLKTYPE: "block",
    tarfile.DIRTYPE: "directory",
    tarfile.FIFOTYPE: "fifo",
}


@target(
    "ustar\x0000",
    "ustar  \0",
    "11 path=x/y\n",
    "15 size=\n",
    "30 mtime=1.5\n",
    "22 linkpath=\n",
    "GNU.sparse.name=",
    "SCHILY.xattr.security.capability=",
    *(bytes([kind]) for kind in b"01234567xgLKSDV"),
    usual=1 << 13,
)
def tar(data: bytes) -> None:
    """The checksum of a first header is mended, or hardly any input would come beyond it."""
    data = _summed(data)
    found = refuses(Malformed, lambda: read_tar(io.BytesIO(data)))
    if found is not None:
        expected = _by_tarfile(data)
        shown = [_shown(member) for member in found]
        if expected is not None:
            assert len(shown) >= len(expected)
            assert all(map(_agree, shown, expected)), f"{shown} is to tarfile {expected}"


def _summed(data: bytes) -> bytes:
    """Each block that says so, by spaces in the place of its checksum, is a header and gets one.

    It has no prefix where it is none of USTAR's: tarfile takes whatever is there for one.
    """
    blocks = [data[at : at + 512] for at in range(0, len(data), 512)]
    for at, block in enumerate(blocks):
        if len(block) == 512 and block[148:156] in (b" " * 8, b"?" * 8):
            prefixed = block[257:263] == b"ustar\0" and block[156:157] not in (b"K", b"L", b"S")
            block = block if prefixed else block[:345] + bytes(155) + block[500:]
            blank = block[:148] + b" " * 8 + block[156:]
            blocks[at] = block[:148] + b"%06o\0 " % sum(blank) + block[156:]
    return b"".join(blocks)


def _shown(member: Member) -> tuple[object, ...]:
    return member.path, member.kind, member.mode, member.uid, member.gid, member.size, member.target


def _agree(ours: tuple[object, ...], theirs: tuple[object, ...]) -> bool:
    """A file whose name ends in a slash is a directory, as for libarchive; for tarfile only in the oldest tars."""
    return ours == theirs or (ours == (theirs[0], "directory", *theirs[2:5], 0, None) and theirs[1] == "file")


def _by_tarfile(data: bytes) -> list[tuple[object, ...]] | None:
    """What Python's own module reads, as far as it reads."""
    found: list[tuple[object, ...]] = []
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:", errors="surrogateescape") as archive:
            for each in archive:
                path = each.name.strip("/")
                while path.startswith("./"):
                    path = path[2:].lstrip("/")
                kind = _KINDS.get(each.type, "file")
                size = each.size if kind == "file" else 0
                target = each.linkname if each.islnk() or each.issym() else None
                found.append((path or ".", kind, each.mode & 0o7777, each.uid, each.gid, size, target))
    except (tarfile.TarError, ValueError, OverflowError, IndexError, MemoryError):
        return None
    return found


@target("- 0:0\t/a\t\n", "0755 1:2\t", "/" + "x" * 99, "/" + "é" * 99, "4294967295", "7777", "\t", "\n", "../", ".wh.")
def records(data: bytes) -> None:
    """What a batch says of files, written as a tar, is read back as the same, here and by tarfile."""
    sources = malformed(lambda: [parse_record(record) for record in options.records(io.BytesIO(data), zero=False)])
    if sources is None or any(source.src is not None for source in sources):
        return
    for number, source in enumerate(sources):
        if number % 2:
            sources[number] = replace(source, src=b"hello")
    entries = tried(PlumbingError, collect, sources)
    out = io.BytesIO()
    if entries is None or malformed(write_compressed, entries, mtime=1, codec="none", out=out) is None:
        return
    assert out.tell() % 512 == 0
    found = [_shown(member) for member in read_tar(io.BytesIO(out.getvalue()))]
    assert found == _by_tarfile(out.getvalue())
    assert found == [
        (entry.path, entry.kind, entry.mode, entry.uid, entry.gid, 5 * (entry.kind == "file"), None)
        for entry in entries
    ]


@target(b"\x1f\x8b\x08", b"\x1f\x8b\x08\x00" + bytes(6))
def gzip(data: bytes) -> None:
    found = malformed(_plain, "gzip", data)
    expected = _by_gzip(data)
    assert found == expected or (found is None and _has_header_sum(data)), "Python's own gzip reads it otherwise"


def _has_header_sum(data: bytes) -> bool:
    """Which Python's own gzip does not look at."""
    return any(data[at.end()] & 2 for at in re.finditer(rb"\x1f\x8b\x08(?=[^\0])", data))


def _by_gzip(data: bytes) -> bytes | None:
    if not data:
        return None
    try:
        with standard_gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            plain = file.read(_MOST + 1)
    except (OSError, EOFError, zlib.error):
        return None
    return None if len(plain) > _MOST else plain


@target(b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18")
def zstd(data: bytes) -> None:
    found = malformed(_plain, "zstd", data)
    if found is not None:
        assert found == _by_zstandard(data), "frame by frame it is something else"


def _by_zstandard(data: bytes) -> bytes | None:
    """Frame by frame, each known to be whole by libzstd itself."""
    import zstandard

    plain, rest = b"", data
    while rest:
        if rest[1:4] == b"\x2a\x4d\x18" and rest[0] >> 4 == 5:
            end = 8 + int.from_bytes(rest[4:8], "little")
            assert len(rest) >= end, "a skippable frame that is cut short"
            rest = rest[end:]
            continue
        frame = zstandard.ZstdDecompressor(max_window_size=128 << 20).decompressobj()
        plain += frame.decompress(rest)
        if not frame.eof:
            return None
        rest = frame.unused_data
    return plain


def _plain(codec: Codec, data: bytes) -> bytes:
    with decompressed(codec, io.BytesIO(data), limit=_MOST) as stream:
        return b"".join(iter(lambda: stream.read(_CHUNK), b""))


@target("cap_net_bind_service", "cap_", "all", "=ep", "+eip", "-i", ",", " ")
def capabilities(data: bytes) -> None:
    value = malformed(parse_capabilities, text(data))
    if value is not None:
        assert parse_capabilities(capabilities_text(value)) == value


@target(bytes.fromhex("0100000200040000000000000000000000000000"), longest=64)
def capability_bytes(data: bytes) -> None:
    said = malformed(capabilities_text, data)
    if said:
        again = parse_capabilities(said)
        assert again[4:] == data[4:20], "other capabilities"
        assert again[0] == data[0] & 1, "another effective flag"
