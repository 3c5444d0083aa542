"""Reading archives of every make, and of every malice."""

from __future__ import annotations

import tarfile
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbing.errors import Malformed
from plumbing.layer.capability import parse_capabilities
from plumbing.layer.codec import compressor, decompressed
from plumbing.layer.entries import Source, collect
from plumbing.layer.layer import write_compressed
from plumbing.layer.members import Member, read_tar
from plumbing.layer.tar import write_tar
from tests.tools import require_tool, run

CAP = parse_capabilities("cap_net_raw=ep")
LONG = "é" * 90 + "/" + "n" * 120
_STARTS = {
    "mode": 100,
    "uid": 108,
    "gid": 116,
    "size": 124,
    "mtime": 136,
    "checksum": 148,
    "type": 156,
    "magic": 257,
    "prefix": 345,
    "extended": 482,
    "realsize": 483,
}


def members(archive: bytes) -> list[Member]:
    return list(read_tar(BytesIO(archive)))


def header(name: bytes = b"a", **fields: bytes) -> bytearray:
    """A good header for an empty file, but for `fields`, and the checksum of what it is then."""
    written = {
        "mode": b"0000644\0",
        "uid": b"0000000\0",
        "gid": b"0000000\0",
        "size": b"00000000000\0",
        "mtime": b"00000000000\0",
        "checksum": b" " * 8,
        "type": b"0",
        "magic": b"ustar\x0000",
        **fields,
    }
    made = bytearray(512)
    for start, value in [(0, name), *((_STARTS[field], value) for field, value in written.items())]:
        made[start : start + len(value)] = value
    if "checksum" not in fields:
        made[148:156] = b"%06o\0 " % sum(made)
    return made


def extra(type: bytes, data: bytes) -> bytes:
    return bytes(header(b"extra", type=type, size=b"%011o\0" % len(data))) + data + bytes(-len(data) % 512)


def test_what_is_written_is_read_back() -> None:
    sources = [
        Source(src=b"hello", dest="/app/" + LONG, mode=0o4755, uid=1 << 31, gid=7, capability=CAP),
        Source(src=None, dest="/tmp", mode=0o1777),
    ]
    out = BytesIO()
    write_compressed(collect(sources), mtime=-3, codec="none", out=out)
    plain: Any = {"uid": 0, "gid": 0, "size": 0, "mtime": -3}
    assert members(out.getvalue()) == [
        Member(path="app", kind="directory", mode=0o755, **plain),
        Member(path="app/" + LONG.split("/")[0], kind="directory", mode=0o755, **plain),
        Member(path="app/" + LONG, kind="file", mode=0o4755, uid=1 << 31, gid=7, size=5, mtime=-3, capability=CAP),
        Member(path="tmp", kind="directory", mode=0o1777, **plain),
    ]


@pytest.mark.parametrize(
    ("magic", "path"), [(b"ustar\x0000", "b/a"), (b"ustar\0 x", "b/a"), (b"ustar  \0", "a"), (b"", "a")]
)
def test_the_prefix_counts_where_it_does_for_others(magic: bytes, path: str) -> None:
    """The version that follows the magic says nothing: neither Go nor libarchive looks at it."""
    [member] = members(bytes(header(magic=magic, prefix=b"b")) + bytes(1024))
    assert member.path == path


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_form_of_tarfile_is_read(form: int) -> None:
    out = BytesIO()
    kinds = {
        tarfile.REGTYPE: "file",
        tarfile.DIRTYPE: "directory",
        tarfile.SYMTYPE: "symlink",
        tarfile.LNKTYPE: "hardlink",
        tarfile.CHRTYPE: "character",
        tarfile.BLKTYPE: "block",
        tarfile.FIFOTYPE: "fifo",
        tarfile.AREGTYPE: "file",
        tarfile.CONTTYPE: "file",
    }
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for number, type in enumerate(kinds):
            info = tarfile.TarInfo(f"./{number}")
            info.type, info.mode, info.mtime, info.uid, info.gid = type, 0o640, 99, 1, 2
            info.linkname = "target" if type in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
            info.size = 700 if kinds[type] == "file" else 0
            archive.addfile(info, BytesIO(bytes(700)))
        if form != tarfile.USTAR_FORMAT:
            info = tarfile.TarInfo("p/" * 100 + LONG)
            info.type, info.linkname, info.uid, info.mtime = tarfile.SYMTYPE, LONG, 1 << 30, 1 << 34
            archive.addfile(info)
    found = members(out.getvalue())
    assert [member.kind for member in found][: len(kinds)] == list(kinds.values())
    assert [member.path for member in found][: len(kinds)] == [str(number) for number in range(len(kinds))]
    assert all((member.mode, member.mtime, member.uid) == (0o640, 99, 1) for member in found[: len(kinds)])
    assert [member.target for member in found[2:4]] == ["target", "target"]
    if form != tarfile.USTAR_FORMAT:
        last = found[-1]
        assert (last.path, last.target, last.uid, last.mtime) == ("p/" * 100 + LONG, LONG, 1 << 30, 1 << 34)


@pytest.mark.parametrize("form", ["gnu", "oldgnu", "posix", "ustar", "v7"])
def test_every_form_of_gnu_tar_is_read(form: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "sub" / "file").write_bytes(b"x" * 1000)
    with (root / "sparse").open("wb") as sparse:  # with more holes than a header has room for
        for number in range(60):
            sparse.seek(number << 16)
            sparse.write(b"x" * 4096)
        sparse.truncate(60 << 16)
    sparsely = [] if form in ("ustar", "v7") else ["-S"]
    archive = run(require_tool("tar"), "-C", root, f"--format={form}", "--sort=name", *sparsely, "-cf", "-", ".").stdout
    found = [(member.path, member.kind, member.size) for member in members(archive)]
    assert found == [
        (".", "directory", 0),
        ("sparse", "file", 60 << 16),
        ("sub", "directory", 0),
        ("sub/file", "file", 1000),
    ]


def test_paths_are_told_as_they_are_but_for_what_says_nothing() -> None:
    names = [b"./a", b"/a", b"a/", b"./", b"/", b"././/a//", b"../a", b"a/../../b", b"\xff", b"a\nb", b"..", b".hidden"]
    archive = b"".join(header(name) for name in names) + bytes(1024)
    told = ["a", "a", "a", ".", ".", "a", "../a", "a/../../b", "\udcff", "a\nb", "..", ".hidden"]
    assert [member.path for member in members(archive)] == told


def test_a_global_header_holds_for_all_and_an_own_one_for_the_next() -> None:
    archive = extra(b"g", b"9 uid=41\n13 path=them\n") + header() + extra(b"x", b"9 uid=42\n12 path=own\n") + header()
    archive += header() + bytes(1024)
    assert [(member.path, member.uid) for member in members(archive)] == [("them", 41), ("own", 42), ("them", 41)]


def test_the_stream_is_read_to_its_end_so_that_its_checksum_is_looked_at() -> None:
    whole = BytesIO()
    with compressor("gzip", whole) as out:
        write_tar(collect([Source(src=b"x", dest="x")]), mtime=0, out=out)
        out.write(bytes(1 << 20))
    damaged = bytearray(whole.getvalue())
    damaged[-5] ^= 1
    assert len(list(read_tar(decompressed("gzip", BytesIO(whole.getvalue()))))) == 1
    with pytest.raises(Malformed, match="gzip"):
        list(read_tar(decompressed("gzip", BytesIO(damaged))))


@pytest.mark.parametrize("archive", [b"", bytes(512), bytes(1024), bytes(10240), header(), header() + bytes(512)])
def test_an_end_that_is_short_of_blocks_is_an_end(archive: bytes) -> None:
    assert len(members(bytes(archive))) == (1 if any(archive) else 0)


@pytest.mark.parametrize(
    ("archive", "fault"),
    [
        (b"x", "cut short"),
        (b"x" * 512, "checksum"),
        (header(checksum=b"0000000\0"), "checksum"),
        (header(checksum=b"zzzzzzz\0"), "checksum that is no number"),
        (header()[:-1], "cut short"),
        (header(size=b"00000000001\0"), "cut short"),
        (header(size=b"00000000001\0") + b"x", "cut short"),
        (header(size=b"77777777777\0") + bytes(512), "cut short"),
        (header(size=b"-0000000001\0"), "size that is no number"),
        (header(size=b"9\0"), "size that is no number"),
        (header(size=b"\xff" * 12), "size out of range"),
        (header(size=b"\x80" + b"\xff" * 11), "size out of range"),
        (header(size=b"\xff" * 12, type=b"5"), "size out of range"),
        (header(uid=b"\xff" * 8), "uid out of range"),
        (header(mode=b"rwxrwxr\0"), "mode that is no number"),
        (bytes(512) + header(), "empty block"),
        (extra(b"x", b"x"), "without a length"),
        (extra(b"x", b"5 a=b"), "wrong length"),
        (extra(b"x", b"6 a=bc"), "wrong length"),
        (extra(b"x", b"60 a=b\n"), "wrong length"),
        (extra(b"x", b"0 a=b\n"), "wrong length"),
        (extra(b"x", b"-6 a=b\n"), "without a length"),
        (extra(b"x", b"6 abc\n"), "wrong length"),
        (extra(b"x", b"9" * 30 + b" a=b\n"), "without a length"),
        (extra(b"x", "²6 a=b\n".encode()), "without a length"),
        (extra(b"x", b"11 size=-1\n") + header(), "size that is no number"),
        (extra(b"x", b"12 size=1.5\n") + header(), "size that is no number"),
        (extra(b"x", b"34 size=1000000000000000000000000\n") + header(), "size that is no number"),
        (extra(b"x", b"28 size=9223372036854775808\n") + header(), "size out of range"),
        (extra(b"x", b"13 mtime=nan\n") + header(), "mtime that is no number"),
        (extra(b"x", b"12 path=a\0b\n") + header(), "zero byte"),
        (extra(b"L", b"a" * 70_000) + header(), "zero byte, or of more than"),
        (header(type=b"x", size=b"00010000000\0") + bytes(1 << 21), "long name of more than"),
        (header(type=b"L", size=b"\x80" + b"\0" * 5 + b"\x7f" + b"\0" * 5), "long name of more than"),
        (header(type=b"S", extended=b"\1", realsize=b"00000000000\0"), "cut short"),
    ],
)
def test_hostile_archives_are_malformed(archive: bytes, fault: str) -> None:
    with pytest.raises(Malformed, match=fault):
        members(bytes(archive))


def test_there_is_a_bound_to_how_many() -> None:
    archive = bytes(header() * 5) + bytes(1024)
    assert len(list(read_tar(BytesIO(archive), most=6))) == 5
    with pytest.raises(Malformed, match="more than 5"):
        list(read_tar(BytesIO(archive), most=5))


@given(st.binary(max_size=600))
def test_any_bytes_are_members_or_malformed(data: bytes) -> None:
    for archive in (data, bytes(header()) + data, extra(b"x", data) + header()):
        with suppress(Malformed):
            members(bytes(archive))


@given(st.data())
def test_any_change_of_a_header_is_members_or_malformed(data: st.DataObject) -> None:
    """With the checksum made good again, so that the change is looked at."""
    made = header(
        bytes(data.draw(st.binary(max_size=100))), type=data.draw(st.sampled_from([b"0", b"x", b"L", b"S", b"5"]))
    )
    at = data.draw(st.integers(100, 511))
    value = data.draw(st.binary(min_size=1, max_size=12))[: 512 - at]
    made[at : at + len(value)] = value
    made[148:156] = b" " * 8
    made[148:156] = b"%06o\0 " % sum(made)
    with suppress(Malformed):
        members(bytes(made) + bytes(2048))
