"""What the files of a machine become: paths, modes, parents; and what is refused."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbing.errors import Malformed, PlumbingError, SourceError
from plumbing.layer.entries import Entry, Source, collect, parents
from plumbing.layer.layer import diff_id_of


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A directory with a file, a program, a symlink to nowhere and a directory that is empty."""
    root = tmp_path / "tree"
    (root / "sub" / "empty").mkdir(parents=True)
    (root / "sub").chmod(0o700)
    (root / "page.html").write_text("page")
    (root / "page.html").chmod(0o600)
    (root / "sub" / "program").write_text("program")
    (root / "sub" / "program").chmod(0o710)
    (root / "link").symlink_to("../outside")
    return root


def told(entries: list[Entry]) -> list[str]:
    """Each as `kind mode path [target]`."""
    return [
        f"{entry.kind} {entry.mode:o} {entry.path}" + (f" {entry.target}" if entry.target else "") for entry in entries
    ]


@pytest.mark.parametrize(
    ("dest", "expected"),
    [
        ("/app/hello", ["directory 755 app", "file 755 app/hello"]),
        ("app/hello", ["directory 755 app", "file 755 app/hello"]),
        ("/app/", ["directory 755 app", "file 755 app/program"]),
        ("/", ["file 755 program"]),
        ("/a/b/c", ["directory 755 a", "directory 755 a/b", "file 755 a/b/c"]),
    ],
)
def test_a_file_goes_to_its_dest_with_its_parents(tree: Path, dest: str, expected: list[str]) -> None:
    assert told(collect([Source(src=tree / "sub" / "program", dest=dest)])) == expected


@pytest.mark.parametrize(
    ("dest", "expected"),
    [
        (
            "/srv/www",
            [
                "directory 755 srv",
                "directory 755 srv/www",
                "symlink 777 srv/www/link ../outside",
                "file 644 srv/www/page.html",
                "directory 755 srv/www/sub",
                "directory 755 srv/www/sub/empty",
                "file 755 srv/www/sub/program",
            ],
        ),
        (
            "/",
            [
                "symlink 777 link ../outside",
                "file 644 page.html",
                "directory 755 sub",
                "directory 755 sub/empty",
                "file 755 sub/program",
            ],
        ),
    ],
)
def test_a_directory_is_recursed(tree: Path, dest: str, expected: list[str]) -> None:
    assert told(collect([Source(src=tree, dest=dest)])) == expected
    assert told(collect([Source(src=tree, dest=dest.rstrip("/") + "/")])) == expected


@pytest.mark.parametrize(
    ("exclude", "left"),
    [
        ([], {"link", "page.html", "sub", "sub/empty", "sub/program"}),
        (["*.html"], {"link", "sub", "sub/empty", "sub/program"}),
        (["sub"], {"link", "page.html"}),
        (["sub/p*"], {"link", "page.html", "sub", "sub/empty"}),
        (["program", "l[!x]nk"], {"page.html", "sub", "sub/empty"}),
        (["tree", "*.HTML"], {"link", "page.html", "sub", "sub/empty", "sub/program"}),
    ],
)
def test_exclude_leaves_out_names_and_paths(tree: Path, exclude: list[str], left: set[str]) -> None:
    assert {entry.path for entry in collect([Source(src=tree, dest="/")], exclude=exclude)} == left


def test_mode_and_owner_are_of_the_source_and_not_of_the_parents(tree: Path) -> None:
    entries = collect([Source(src=tree, dest="a/b", mode=0o640, uid=1, gid=2)])
    found = {entry.path: (entry.mode, entry.uid, entry.gid) for entry in entries}
    assert found["a"] == (0o755, 0, 0)
    assert found["a/b"] == (0o755, 1, 2)
    assert found["a/b/page.html"] == (0o640, 1, 2)
    assert found["a/b/sub"] == (0o755, 1, 2)
    assert found["a/b/link"] == (0o777, 1, 2)


def test_a_source_that_is_a_symlink_is_followed(tree: Path) -> None:
    for name, what in (("file", tree / "page.html"), ("directory", tree / "sub")):
        (tree.parent / name).symlink_to(what)
    entries = collect([Source(src=tree.parent / "file", dest="f"), Source(src=tree.parent / "directory", dest="d")])
    assert told(entries) == ["directory 755 d", "directory 755 d/empty", "file 755 d/program", "file 644 f"]


def test_contents_and_empty_directories_need_no_file() -> None:
    entries = collect([Source(src=None, dest="/tmp", mode=0o1777), Source(src=b"root", dest="/etc/passwd")])
    assert told(entries) == ["directory 755 etc", "file 644 etc/passwd", "directory 1777 tmp"]
    assert entries[1].source == b"root"


@pytest.mark.parametrize(
    ("present", "left"),
    [
        ([], ["etc", "etc/ssl", "etc/ssl/cert", "tmp"]),
        (["etc"], ["etc/ssl", "etc/ssl/cert", "tmp"]),
        (["/etc/", "etc/ssl", "etc/ssl/cert", "tmp"], ["etc/ssl/cert", "tmp"]),
    ],
)
def test_parents_are_written_once_and_only_where_they_are_not(present: list[str], left: list[str]) -> None:
    sources = [Source(src=b"", dest="/etc/ssl/cert"), Source(src=None, dest="/tmp")]
    assert [entry.path for entry in collect(sources, present=present)] == left


def test_a_directory_that_the_image_has_keeps_its_mode(tree: Path) -> None:
    """A directory's entry would change what the base made of it: /tmp would no longer be 1777."""
    entries = collect([Source(src=tree, dest="/")], present=["sub"])
    assert "sub" not in {entry.path for entry in entries}
    assert "sub/empty" in {entry.path for entry in entries}


def test_an_empty_directory_that_was_asked_for_decides_the_mode(tree: Path) -> None:
    asked = Source(src=None, dest="sub", mode=0o1777)
    for sources in ([asked, Source(src=tree, dest="/")], [Source(src=tree, dest="/"), asked]):
        assert "directory 1777 sub" in told(collect(sources))


def test_the_same_twice_is_once(tree: Path) -> None:
    (tree / "copy").write_text("program")
    (tree / "copy").chmod(0o755)
    for other in ("sub/program", "copy"):
        entries = collect([Source(src=tree / "sub/program", dest="x"), Source(src=tree / other, dest="/x")])
        assert told(entries) == ["file 755 x"]


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ([Source(src=b"a", dest="x"), Source(src=b"b", dest="x")], "cannot write '/x' twice"),
        ([Source(src=b"a", dest="x"), Source(src=b"a", dest="x", mode=0o600)], "cannot write '/x' twice"),
        ([Source(src=b"a", dest="x"), Source(src=b"a", dest="x", uid=1)], "cannot write '/x' twice"),
        ([Source(src=b"a", dest="x"), Source(src=None, dest="x")], "cannot write '/x' twice"),
        ([Source(src=None, dest="x", mode=0o700), Source(src=None, dest="x")], "cannot write '/x' twice"),
        ([Source(src=b"a", dest="x"), Source(src=b"b", dest="x/y")], "'/x': it is a file and a directory"),
        ([Source(src=b"b", dest="x/y"), Source(src=b"a", dest="x")], "'/x': it is a file and a directory"),
    ],
)
def test_two_for_one_path_are_refused(sources: list[Source], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        collect(sources)


def test_a_file_where_a_tree_has_a_directory_is_refused(tree: Path) -> None:
    with pytest.raises(SourceError, match="it is a file and a directory"):
        collect([Source(src=tree, dest="/"), Source(src=b"", dest="sub/empty")])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "cannot read '.*x': no such file"),
        (lambda path: path.symlink_to("nowhere"), "cannot read '.*x': no such file"),
        (lambda path: path.symlink_to(path.name), "cannot read '.*x': too many levels of symbolic links"),
        (os.mkfifo, "'.*x' into a layer: it is a fifo"),
        (lambda path: socket.socket(socket.AF_UNIX).bind(str(path)), "'.*x' into a layer: it is a socket"),
    ],
    ids=["missing", "dangling", "circle", "fifo", "socket"],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_what_no_layer_holds_is_refused(tmp_path: Path, monkeypatch, make, message: str) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    make(Path("x"))
    with pytest.raises(SourceError, match=message):
        collect([Source(src=Path("x"), dest="x")])


def test_devices_and_what_is_below_a_directory_are_refused(tree: Path) -> None:
    with pytest.raises(SourceError, match="it is a device"):
        collect([Source(src=Path("/dev/null"), dest="x")])
    os.mkfifo(tree / "sub" / "fifo")
    with pytest.raises(SourceError, match=r"sub/fifo' into a layer"):
        collect([Source(src=tree, dest="x")])
    assert collect([Source(src=tree, dest="x")], exclude=["fifo"])


def test_a_name_that_is_not_utf_8_is_refused(tree: Path) -> None:
    Path(os.fsdecode(os.fsencode(tree) + b"/\xff")).touch()
    with pytest.raises(Malformed, match="UTF-8"):
        collect([Source(src=tree, dest="x")])


@contextmanager
def nobody() -> Iterator[None]:
    """Without root's rights, which no mode stops."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


@pytest.mark.parametrize("name", ["file", "directory"])
def test_what_may_not_be_read_is_an_error(name: str) -> None:
    with TemporaryDirectory() as made:  # tmp_path is below a directory that only root may enter
        root = Path(made)
        root.chmod(0o755)
        (root / "file").touch(mode=0)
        (root / "directory").mkdir(mode=0)
        with nobody(), pytest.raises(SourceError, match=f"cannot read '.*{name}': permission denied"):
            diff_id_of(collect([Source(src=root / name, dest="x")]), mtime=0)


def test_capabilities_are_for_one_file(tree: Path) -> None:
    assert collect([Source(src=tree / "page.html", dest="x", capability=b"c")])[0].capability == b"c"
    with pytest.raises(SourceError, match="it is a directory"):
        collect([Source(src=tree, dest="x", capability=b"c")])


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "./a",
        "a/..",
        "a/../b",
        "a/.",
        "\0",
        "a\0b",
        "\udcff",
        ".wh.a",
        "a/.wh..wh..opq",
    ],
)
def test_paths_outside_the_root_or_with_a_meaning_of_their_own_are_refused(path: str) -> None:
    with pytest.raises(Malformed):
        Entry(path=path, kind="file", mode=0o644, source=b"")


@pytest.mark.parametrize("path", ["a", "a/b", "...", "..a", "a..", ".a/b", "é/ü", "a b", "wh.a", "a\nb", "-"])
def test_other_paths_are_not(path: str) -> None:
    assert collect([Source(src=b"", dest="/" + path)])[-1].path == path


@pytest.mark.parametrize(
    "fields",
    [
        {"mode": -1},
        {"mode": 0o10000},
        {"uid": -1},
        {"gid": 1 << 32},
        {"size": 2},
        {"source": None},
        {"target": "x"},
        {"kind": "directory"},
        {"kind": "symlink"},
        {"kind": "symlink", "source": None, "size": 0, "target": ""},
        {"kind": "symlink", "source": None, "size": 0, "target": "a\0"},
        {"kind": "symlink", "source": None, "size": 0, "target": "\udcff"},
        {"kind": "directory", "source": None, "size": 0, "capability": b"c"},
        {"kind": "device"},
    ],
    ids=str,
)
def test_no_wrong_entry_can_be_made(fields) -> None:
    right = Entry(path="a", kind="file", mode=0o644, size=1, source=b"a")
    with pytest.raises(Malformed):
        replace(right, **fields)


@given(st.lists(st.text("ab/.\0 é\udcff", max_size=8), max_size=5))
def test_any_dest_gives_sorted_entries_with_their_parents_or_an_error_of_ours(dests: list[str]) -> None:
    try:
        entries = collect([Source(src=b"same", dest=dest) for dest in dests])
    except PlumbingError:
        return
    found = [entry.path for entry in entries]
    assert found == sorted(set(found))
    assert all(parent in found for path in found for parent in parents(path))
