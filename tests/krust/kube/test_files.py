"""What -f names."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path

import pytest

from krust.errors import KubeError
from krust.kube.files import Source, read, sources


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with YAML, other files, and links that lead round in circles."""
    names = ["k/b.yaml", "k/a.yml", "k/c.json", "k/.hidden.yaml", "k/B.yaml", "k/é.yaml", "k/no.txt", "k/yaml"]
    for name in [*names, "k/bb/x.yaml", "k/bb/.git/y.yaml", "none/x.txt", "deep/er/x.yaml", "plain"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "k/bb/up").symlink_to("..")
    (tmp_path / "k/bb/z.yaml").symlink_to("../a.yml")
    (tmp_path / "link").symlink_to("k")
    monkeypatch.chdir(tmp_path)
    return tmp_path


IN_K = ["k/.hidden.yaml", "k/B.yaml", "k/a.yml", "k/b.yaml", "k/c.json", "k/é.yaml"]
UNDER_K = [*IN_K[:4], "k/bb/.git/y.yaml", "k/bb/x.yaml", "k/bb/z.yaml", *IN_K[4:]]


@pytest.mark.parametrize(
    ("words", "recursive", "names"),
    [
        (["k"], False, IN_K),
        (["k/"], True, UNDER_K),
        (["plain", "k/b.yaml", "k/a.yml", "k/b.yaml"], False, ["plain", "k/b.yaml", "k/a.yml", "k/b.yaml"]),
        (["link"], False, [f"link{name[1:]}" for name in IN_K]),
        (["deep"], True, ["deep/er/x.yaml"]),
        (["-", "https://e.com/x", "plain"], False, ["standard input", "https://e.com/x", "plain"]),
        ([], False, []),
    ],
)
@pytest.mark.usefixtures("here")
def test_files_come_in_the_order_given_and_sorted_in_a_directory(
    words: list[str], recursive: bool, names: list[str]
) -> None:
    assert [source.name for source in sources(words, recursive=recursive)] == names


@pytest.mark.usefixtures("here")
def test_a_source_knows_what_it_is() -> None:
    file, url, standard_input = sources(["k/b.yaml", "http://e.com/x.yaml", "-"])
    assert (file.folder, file.is_standard_input) == (Path("k"), False)
    assert (url.folder, url.url, url.is_standard_input) == (None, "http://e.com/x.yaml", False)
    assert (standard_input.folder, standard_input.is_standard_input) == (None, True)
    assert standard_input == Source(name="standard input")


@pytest.mark.parametrize(
    ("words", "recursive", "said"),
    [
        (["missing"], False, "cannot read 'missing': no such file"),
        (["k", ""], False, "cannot read '': no such file"),
        (["none"], True, "cannot read 'none': no file in it ends in .json, .yaml, .yml"),
        (["deep"], False, "-R"),
        (["-", "-"], False, "cannot read '-' twice"),
    ],
)
@pytest.mark.usefixtures("here")
def test_nothing_there_is_an_error(words: list[str], recursive: bool, said: str) -> None:
    with pytest.raises(KubeError, match=said):
        sources(words, recursive=recursive)


def test_what_is_no_file_is_read_only_where_it_is_named(here: Path) -> None:
    """A pipe may be named, such as '<(...)' of a shell; in someone's directory it would be waited for without end."""
    (here / "theirs").mkdir()
    (here / "theirs/zero.yaml").symlink_to("/dev/zero")
    with pytest.raises(KubeError, match=r"cannot read 'theirs/zero.yaml': it is no file"):
        sources(["theirs"])
    (here / "theirs/zero.yaml").unlink()
    os.mkfifo(here / "theirs/pipe.yaml")
    with pytest.raises(KubeError, match=r"cannot read 'theirs/pipe.yaml': it is no file"):
        sources(["theirs"], recursive=True)
    assert [each.name for each in sources(["theirs/pipe.yaml"])] == ["theirs/pipe.yaml"]


def test_each_kind_is_read_in_its_own_way(here: Path) -> None:
    (here / "plain").write_bytes(b"a: 1\r\n")
    (here / "k/gone.yaml").symlink_to("nowhere")
    named = sources(["plain", "-", "https://e.com/x"])
    found = [read(each, standard_input=BytesIO(b"b: 2"), fetch=lambda url: url.encode()) for each in named]
    assert found == [b"a: 1\r\n", b"b: 2", b"https://e.com/x"]
    with pytest.raises(KubeError, match=r"cannot read 'k/gone\.yaml': no such file"):
        read(sources(["k"])[-2], standard_input=BytesIO(), fetch=str.encode)
