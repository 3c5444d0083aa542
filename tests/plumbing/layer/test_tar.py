"""The bytes of an archive: golden headers, what other programs read, and what never gets in."""

from __future__ import annotations

import io
import tarfile
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbing.errors import Malformed, SourceError
from plumbing.layer.capability import parse_capabilities
from plumbing.layer.entries import Entry
from plumbing.layer.layer import diff_id_of, write_compressed
from plumbing.oci.digest import Digest
from tests.tools import require_tool, run

CAP = parse_capabilities("cap_net_bind_service=ep")
LONG = "d" * 150 + "/" + "n" * 100
NO_SPLIT = "d" * 156 + "/" + "n" * 99


def file(path: str = "app/hello", contents: bytes = b"hello\n", **fields) -> Entry:
    return Entry(path=path, kind="file", **{"mode": 0o755, "size": len(contents), "source": contents, **fields})


def directory(path: str, mode: int = 0o755) -> Entry:
    return Entry(path=path, kind="directory", mode=mode)


def symlink(path: str, target: str) -> Entry:
    return Entry(path=path, kind="symlink", mode=0o777, target=target)


def tar(*entries: Entry, mtime: int = 0) -> bytes:
    out = BytesIO()
    assert write_compressed(entries, mtime=mtime, codec="none", out=out) == Digest.of(out.getvalue())
    return out.getvalue()


@pytest.mark.parametrize(
    ("field", "at", "expected"),
    [
        ("name", slice(0, 100), b"app/hello".ljust(100, b"\0")),
        ("mode", slice(100, 108), b"0000755\0"),
        ("uid", slice(108, 116), b"0000000\0"),
        ("gid", slice(116, 124), b"0000000\0"),
        ("size", slice(124, 136), b"00000000006\0"),
        ("mtime", slice(136, 148), b"00000000000\0"),
        ("checksum", slice(148, 156), b"011012\0 "),
        ("type", slice(156, 157), b"0"),
        ("linkname", slice(157, 257), bytes(100)),
        ("magic", slice(257, 265), b"ustar\x0000"),
        ("uname", slice(265, 297), bytes(32)),
        ("gname", slice(297, 329), bytes(32)),
        ("devices", slice(329, 345), b"0000000\x000000000\0"),
        ("prefix", slice(345, 500), bytes(155)),
        ("rest", slice(500, 512), bytes(12)),
        ("contents", slice(512, 1024), b"hello\n".ljust(512, b"\0")),
        ("end", slice(1024, None), bytes(1024)),
    ],
)
def test_a_header_tells_nothing_of_its_machine(field: str, at: slice, expected: bytes) -> None:
    assert tar(file())[at] == expected, field


@pytest.mark.parametrize(
    ("entry", "at", "expected"),
    [
        (directory("tmp", 0o1777), slice(0, 5), b"tmp/\0"),
        (directory("tmp", 0o1777), slice(100, 108), b"0001777\0"),
        (directory("tmp"), slice(156, 157), b"5"),
        (symlink("bin", "usr/bin"), slice(156, 165), b"2usr/bin\0"),
        (file(uid=0o1234567, gid=65532), slice(108, 124), b"1234567\x000177774\0"),
        (file("a" * 100), slice(0, 101), b"a" * 100 + b"0"),
        (file(LONG), slice(0, 100), b"n" * 100),
        (file(LONG), slice(345, 500), (b"d" * 150).ljust(155, b"\0")),
    ],
    ids=str,
)
def test_what_ustar_can_say_is_said_without_pax(entry: Entry, at: slice, expected: bytes) -> None:
    assert tar(entry)[at] == expected


@pytest.mark.parametrize(
    ("entry", "mtime", "record"),
    [
        (file("é"), 0, b"11 path=\xc3\xa9\n"),
        (file(NO_SPLIT), 0, b"266 path=" + NO_SPLIT.encode() + b"\n"),
        (directory("é"), 0, b"12 path=\xc3\xa9/\n"),
        (symlink("l", "é"), 0, b"15 linkpath=\xc3\xa9\n"),
        (symlink("l", "t" * 101), 0, b"115 linkpath=" + b"t" * 101 + b"\n"),
        (file(uid=0o10000000), 0, b"15 uid=2097152\n"),
        (file(gid=0o10000000), 0, b"15 gid=2097152\n"),
        (file(), -1, b"12 mtime=-1\n"),
        (file(), 8**11, b"20 mtime=8589934592\n"),
        (file(capability=CAP), 0, b"57 SCHILY.xattr.security.capability=" + CAP + b"\n"),
    ],
    ids=range(10),
)
def test_pax_says_what_ustar_cannot_and_nothing_else(entry: Entry, mtime: int, record: bytes) -> None:
    archive = tar(entry, mtime=mtime)
    assert archive[156:157] == b"x"
    assert archive[512:1024].rstrip(b"\0") == record
    assert archive[1024 + 156 : 1024 + 157] != b"x"


def test_a_file_of_eight_gibibytes_has_its_size_in_pax(tmp_path: Path) -> None:
    """Written to the end it would take seconds; the headers come first."""

    class EnoughError(Exception):
        pass

    class Head:
        data = b""

        def write(self, data: memoryview | bytes, /) -> None:
            self.data += data
            raise EnoughError

    sparse = tmp_path / "sparse"
    with sparse.open("wb") as made:
        made.truncate(8 << 30)
    head = Head()
    with pytest.raises(EnoughError):
        write_compressed([file(size=8 << 30, source=sparse)], mtime=0, codec="none", out=head)
    assert head.data[512:1024].rstrip(b"\0") == b"19 size=8589934592\n"
    assert head.data[1024 + 124 : 1024 + 136] == b"00000000000\0"


@pytest.mark.parametrize(
    "entries",
    [
        [file("b"), file("a")],
        [file("a"), file("a")],
        [file("a/b"), directory("a")],
    ],
    ids=["out of order", "twice", "the directory after what is in it"],
)
def test_entries_out_of_order_are_refused(entries: list[Entry]) -> None:
    with pytest.raises(Malformed, match="sorted by path"):
        tar(*entries)


def entries_of(paths: st.SearchStrategy[str]) -> st.SearchStrategy[list[Entry]]:
    text = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1, max_size=130)
    owner = st.sampled_from([0, 1000, 65532, 0o7777777, 0o10000000, (1 << 32) - 1])
    mode = st.integers(0, 0o7777)
    files = st.builds(
        lambda path, contents, mode, uid, gid, capability: Entry(
            path=path,
            kind="file",
            mode=mode,
            uid=uid,
            gid=gid,
            size=len(contents),
            source=contents,
            capability=capability,
        ),
        paths,
        st.binary(max_size=1500),
        mode,
        owner,
        owner,
        st.none() | st.binary(min_size=20, max_size=20),
    )
    directories = st.builds(directory, paths, mode)
    return st.lists(files | directories | st.builds(symlink, paths, text), max_size=8, unique_by=lambda e: e.path).map(
        lambda entries: sorted(entries, key=lambda entry: entry.path)
    )


def paths() -> st.SearchStrategy[str]:
    def allowed(part: str) -> bool:
        return part not in (".", "..") and not part.startswith(".wh.")

    characters = st.characters(blacklist_categories=["Cs"], blacklist_characters="/\0")
    short = st.text(characters, min_size=1, max_size=12).filter(allowed)
    long = st.text("ab.", min_size=90, max_size=170).filter(allowed)
    return st.lists(short | long, min_size=1, max_size=4).map("/".join)


@given(entries_of(paths()), st.integers(-(10**10), 10**11))
def test_tarfile_reads_back_what_was_written(entries: list[Entry], mtime: int) -> None:
    with tarfile.open(fileobj=BytesIO(tar(*entries, mtime=mtime)), mode="r:") as archive:
        members = archive.getmembers()
        assert len(members) == len(entries)
        for member, entry in zip(members, entries, strict=True):
            assert member.name.rstrip("/") == entry.path.rstrip("/")
            assert (member.mode, member.uid, member.gid) == (entry.mode, entry.uid, entry.gid)
            assert (member.size, member.mtime, member.uname, member.gname) == (entry.size, mtime, "", "")
            assert (member.isreg(), member.isdir(), member.issym()) == tuple(
                entry.kind == kind for kind in ("file", "directory", "symlink")
            )
            assert (member.linkname or None) == entry.target
            assert member.mtime == mtime
            if entry.kind == "file":
                contents = archive.extractfile(member)
                assert contents
                assert contents.read() == entry.source
            found = member.pax_headers.get("SCHILY.xattr.security.capability")
            assert (None if found is None else found.encode("utf-8", "surrogateescape")) == entry.capability


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, (1 << 20) - 512, (1 << 20) - 511, 1 << 20, (3 << 20) + 7])
def test_contents_are_whole_wherever_the_chunks_end(size: int, tmp_path: Path) -> None:
    contents = bytes(range(256)) * (size // 256 + 1)
    path = tmp_path / "file"
    path.write_bytes(contents[:size])
    archive = tar(file("a", source=path, size=size), file("b"))
    assert len(archive) % 512 == 0
    with tarfile.open(fileobj=BytesIO(archive)) as read:
        found = read.extractfile("a")
        assert found
        assert found.read() == contents[:size]
    assert diff_id_of([file("a", source=path, size=size), file("b")], mtime=0) == Digest.of(archive)


@pytest.mark.parametrize("by", [-1, 1])
def test_a_file_that_changes_its_size_is_refused(by: int, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(100))
    with pytest.raises(SourceError, match=r"cannot read '.*file': it changed"):
        tar(file(source=path, size=100 + by))


@pytest.mark.parametrize("new_size", [1 << 20, (3 << 20) + 1])
def test_a_file_that_changes_its_size_while_it_is_read_is_refused(new_size: int, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(3 << 20))

    class Meddling(io.BytesIO):
        def write(self, data, /) -> int:
            with path.open("r+b") as changing:
                changing.truncate(new_size)
            return super().write(data)

    with pytest.raises(SourceError, match="it changed while it was read"):
        write_compressed([file(source=path, size=3 << 20)], mtime=0, codec="none", out=Meddling())


def test_a_file_that_went_away_is_an_error_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"cannot read '.*gone': no such file"):
        tar(file(source=tmp_path / "gone", size=1))


@pytest.mark.parametrize("program", ["tar", "bsdtar"])
def test_other_programs_read_it(program: str, tmp_path: Path) -> None:
    entries = [
        directory("app"),
        file("app/hello"),
        file("app/" + LONG),
        file("app/" + NO_SPLIT + "/é"),
        symlink("app/link", "hello"),
        directory("tmp", 0o1777),
        file("z", capability=CAP, uid=1 << 31, gid=1 << 31),
    ]
    entries.sort(key=lambda entry: entry.path)
    archive = tmp_path / "layer.tar"
    archive.write_bytes(tar(*entries, mtime=1_700_000_000))
    listed = run(require_tool(program), "tvf", archive, env={"TZ": "UTC", "LC_ALL": "C.UTF-8"})
    assert not listed.stderr
    lines = listed.stdout.decode().splitlines()
    assert len(lines) == len(entries)
    names = run(require_tool(program), "tf", archive, env={"LC_ALL": "C.UTF-8"}).stdout.decode().splitlines()
    plain = [
        name.encode().decode("unicode_escape").encode("latin-1").decode() if "\\" in name else name for name in names
    ]
    assert [name.rstrip("/") for name in plain] == [entry.path for entry in entries]
    assert any("drwxrwxrwt" in line for line in lines)
    run(require_tool(program), "xf", archive, "-C", tmp_path, "--no-same-owner", "app")
    assert (tmp_path / "app" / "hello").read_bytes() == b"hello\n"
    assert (tmp_path / "app" / "link").readlink() == Path("hello")


@pytest.mark.slow
def test_go_reads_it(tmp_path: Path) -> None:
    """archive/tar is what docker, containerd and skopeo read layers with."""
    go = require_tool("go")
    (tmp_path / "main.go").write_text(
        """package main

import ("archive/tar"; "encoding/hex"; "fmt"; "io"; "os")

func main() {
	for archive := tar.NewReader(os.Stdin); ; {
		header, err := archive.Next()
		if err == io.EOF { return }
		if err != nil { panic(err) }
		n, err := io.Copy(io.Discard, archive)
		if err != nil { panic(err) }
		capability := hex.EncodeToString([]byte(header.PAXRecords["SCHILY.xattr.security.capability"]))
		fmt.Println(header.Name, header.Mode, header.Uid, n, header.ModTime.Unix(), header.Linkname, capability)
	}
}
"""
    )
    archive = tar(
        file("app/" + NO_SPLIT + "/é"), symlink("l", "é" * 60), file("z", capability=CAP, uid=1 << 31), mtime=-5
    )
    listed = run(go, "run", "main.go", cwd=tmp_path, stdin=archive).stdout.decode().splitlines()
    assert listed == [
        f"app/{NO_SPLIT}/é 493 0 6 -5  ",
        f"l 511 0 0 -5 {'é' * 60} ",
        f"z 493 {1 << 31} 6 -5  {CAP.hex()}",
    ]
