from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from krust.cargo.git import Git
from krust.cargo.metadata import BinaryTarget, Executable, Package, Project
from krust.config.resolve import resolve
from krust.errors import SettingError
from krust.image.files import sources
from plumbing.errors import SourceError
from plumbing.layer.entries import Entry, collect


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with a package in `app`; beside the repository there is a secret."""
    (tmp_path / "secret").write_text("s")
    root = tmp_path / "repository"
    (root / "app").mkdir(parents=True)
    (root / ".git").mkdir()
    return root


def write(folder: Path, files: Mapping[str, str]) -> None:
    """By path; a text that begins with '->' is what a symbolic link points to, and '/' at the end a directory's."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir(exist_ok=True)
        elif text.startswith("->"):
            path.symlink_to(text[2:])
        else:
            path.write_text(text)


def taken(repository: Path, files: str = "[]") -> list[Entry]:
    """The entries of the layer that package `app` has with `files`, a list in TOML."""
    app = repository / "app"
    package = Package(
        id="app",
        name="app",
        version="1.0.0",
        manifest_path=app / "Cargo.toml",
        executables=(Executable(kind="bin", name="app"),),
        metadata={"krust": tomllib.loads(f"files = {files}")},
    )
    project = Project(
        directory=app, root=app, target_directory=app / "target", packages=(package,), default_members=("app",)
    )
    target = BinaryTarget(package=package, kind="bin", name="app")
    found = resolve(
        project, target, flags={}, env={}, user_config=app / "none.toml", git=Git(app, {"PATH": "/nowhere"})
    )
    return collect(sources(project, found))


def paths(entries: Sequence[Entry]) -> list[str]:
    """Of files, and of directories that nothing is in."""
    return [each.path for each in entries if not any(other.path.startswith(f"{each.path}/") for other in entries)]


def test_without_files_there_is_no_layer(repository: Path) -> None:
    assert taken(repository) == []
    write(repository, {"app/krustdata/": ""})
    assert taken(repository) == []


def test_krustdata_becomes_a_directory_of_the_root(repository: Path) -> None:
    write(repository, {"app/krustdata/a/b.txt": "b", "app/krustdata/run": "r", "app/krustdata/empty/": ""})
    (repository / "app/krustdata/run").chmod(0o700)
    found = {each.path: (each.kind, each.mode, each.uid) for each in taken(repository)}
    assert found == {
        "krustdata": ("directory", 0o755, 0),
        "krustdata/a": ("directory", 0o755, 0),
        "krustdata/a/b.txt": ("file", 0o644, 0),
        "krustdata/run": ("file", 0o755, 0),
    }


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ("[{ src = 'a.txt', dest = '/etc/b.txt' }]", ["etc/b.txt"]),
        ("[{ src = 'a.txt', dest = '/etc/' }]", ["etc/a.txt"]),
        ("[{ src = 'a.txt', dest = '/' }]", ["a.txt"]),
        ("[{ src = 'tree', dest = '/srv' }]", ["srv/deep/d.txt", "srv/t.txt"]),
        ("[{ src = 'tree', dest = '/' }]", ["deep/d.txt", "t.txt"]),
        ("[{ src = 'tree/', dest = '/srv/' }]", ["srv/deep/d.txt", "srv/t.txt"]),
        ("[{ src = '../shared/s.txt', dest = '/etc/' }]", ["etc/s.txt"]),
        ("[{ src = 'link', dest = '/etc/' }]", ["etc/link"]),
        ("[{ dest = '/var/lib/app' }]", ["var/lib/app"]),
        ("[{ src = '.', dest = '/src' }]", ["src/a.txt", "src/link", "src/tree/deep/d.txt", "src/tree/t.txt"]),
    ],
)
def test_files_come_to_be_where_they_should(files: str, expected: list[str], repository: Path) -> None:
    write(repository, {"app/a.txt": "a", "app/tree/t.txt": "t", "app/tree/deep/d.txt": "d", "shared/s.txt": "s"})
    write(
        repository,
        {"app/link": "->../shared/s.txt", "app/tree/.git/config": "", "app/.krust/oci": "", "app/.krustignore": ""},
    )
    assert paths(taken(repository, files)) == expected


def test_mode_and_owner_are_those_of_each_file(repository: Path) -> None:
    write(repository, {"app/tree/a": "a"})
    files = (
        "[{ src = 'tree', dest = '/srv', mode = '0640', user = '5:6' }, { dest = '/data', mode = '1777', user = '7' }]"
    )
    found = {each.path: (each.mode, each.uid, each.gid) for each in taken(repository, files)}
    assert found["srv/a"] == (0o640, 5, 6)
    assert found["data"] == (0o1777, 7, 7)


@pytest.mark.parametrize(
    ("links", "expected"),
    [
        ({"app/krustdata/l": "->../LICENSE"}, {"krustdata/l": "L"}),
        ({"app/krustdata/l": "->../../top.txt"}, {"krustdata/l": "T"}),
        ({"app/krustdata/l": "->m", "app/krustdata/m": "->../LICENSE"}, {"krustdata/l": "L", "krustdata/m": "L"}),
        ({"app/krustdata/d": "->../../shared"}, {"krustdata/d/s.txt": "S"}),
        ({"app/krustdata/v1/x": "x", "app/krustdata/now": "->v1"}, {"krustdata/v1/x": "x", "krustdata/now/x": "x"}),
        ({"app/krustdata": "->../shared"}, {"krustdata/s.txt": "S"}),
    ],
)
def test_a_link_is_replaced_by_what_it_leads_to(
    links: dict[str, str], expected: dict[str, str], repository: Path
) -> None:
    write(repository, {"app/LICENSE": "L", "top.txt": "T", "shared/s.txt": "S", **links})
    files = [each for each in taken(repository) if each.kind != "directory"]
    assert {each.kind for each in files} == {"file"}
    assert {each.path: each.source.read_text() for each in files if isinstance(each.source, Path)} == expected


@pytest.mark.parametrize(
    ("tree", "files", "fault"),
    [
        ({"krustdata/l": "->../../../secret"}, "[]", "app/krustdata/l' into the image: it leads out of the repository"),
        ({"krustdata/l": "->/etc/passwd"}, "[]", "it leads out of the repository '.*', to '/etc/passwd'; put the file"),
        ({"krustdata/d": "->/etc"}, "[]", "it leads out of the repository '.*', to '/etc'"),
        ({"krustdata": "->../.."}, "[]", "app/krustdata' into the image: it leads out of the repository"),
        ({"krustdata/a": "->b", "krustdata/b": "->../../../secret"}, "[]", "it leads out of the repository"),
        (
            {"x": "->../../secret"},
            "[{ src = 'x', dest = '/x' }]",
            "app/x' into the image: it leads out of the repository",
        ),
        ({}, "[{ src = '../../secret', dest = '/x' }]", "secret' into the image: it leads out of the repository"),
        ({}, "[{ src = '/etc/passwd', dest = '/x' }]", "'/etc/passwd' into the image: it leads out of the repository"),
        ({"d": "->../.."}, "[{ src = 'd/secret', dest = '/x' }]", "it leads out of the repository"),
        ({"krustdata/l": "->nowhere"}, "[]", "krustdata/l' into the image: it is a symbolic link that leads nowhere"),
        ({"krustdata/l": "->l"}, "[]", "it is a symbolic link that leads nowhere"),
        ({"krustdata/l": "->."}, "[]", "it leads to a directory that it is in"),
        ({"krustdata/d/l": "->../../krustdata"}, "[]", "it leads to a directory that it is in"),
        ({"krustdata": "file"}, "[]", "cannot use '.*/krustdata': it is no directory"),
        ({"krustdata": "->nowhere"}, "[]", "cannot use '.*/krustdata': it is no directory"),
    ],
)
def test_what_leads_astray_is_an_error(tree: dict[str, str], files: str, fault: str, repository: Path) -> None:
    write(repository / "app", tree)
    with pytest.raises(SettingError, match=fault):
        taken(repository, files)


def test_a_file_that_is_not_there_is_an_error(repository: Path) -> None:
    with pytest.raises(SourceError, match=r"cannot read '.*/app/x': no such file"):
        taken(repository, "[{ src = 'x', dest = '/x' }]")


@pytest.mark.parametrize(
    ("ignore", "expected"),
    [
        ({"app/.krustignore": "*.psd\n!keep.psd\n"}, ["a.txt", "art/keep.psd", "art/x.txt"]),
        ({"app/.krustignore": f"{'*' * 200}.psd\n!\\***\n"}, ["a.txt", "art/x.txt"]),
        ({"app/.krustignore": "/krustdata/art/\n# words\n"}, ["a.txt", "b.psd"]),
        ({"app/.krustignore": "/art/\n"}, ["a.txt", "art/c.psd", "art/keep.psd", "art/x.txt", "b.psd"]),
        ({"app/krustdata/.krustignore": "/art/\n"}, ["a.txt", "b.psd"]),
        ({"app/krustdata/.krustignore": "**/*.txt\n"}, ["art/c.psd", "art/keep.psd", "b.psd"]),
        (
            {"app/.krustignore": "*.psd\n", "app/krustdata/art/.krustignore": "!c.psd\n"},
            ["a.txt", "art/c.psd", "art/x.txt"],
        ),
        ({"app/krustdata/.krustignore": "*\n"}, [""]),
        ({".krustignore": "*\n"}, ["a.txt", "art/c.psd", "art/keep.psd", "art/x.txt", "b.psd"]),
    ],
)
def test_krustignore_is_read_as_gitignore_is(ignore: dict[str, str], expected: list[str], repository: Path) -> None:
    write(
        repository,
        {f"app/krustdata/{name}": "" for name in ("a.txt", "b.psd", "art/c.psd", "art/keep.psd", "art/x.txt")},
    )
    write(repository, ignore)
    assert [path.removeprefix("krustdata").strip("/") for path in paths(taken(repository))] == expected


def test_a_link_that_is_left_out_may_lead_anywhere(repository: Path) -> None:
    write(repository, {"app/krustdata/l": "->/etc", "app/krustdata/m": "->nowhere", "app/krustdata/a": ""})
    write(repository, {"app/.krustignore": "/krustdata/l\nm\n"})
    assert paths(taken(repository)) == ["krustdata/a"]


def test_krustignore_counts_for_files_in_the_package_alone(repository: Path) -> None:
    write(repository, {"app/.krustignore": "*.tmp\n", "app/tree/x.tmp": "", "app/tree/y": "", "shared/z.tmp": ""})
    files = (
        "[{ src = 'tree', dest = '/t' }, { src = '../shared', dest = '/s' }, { src = 'tree/x.tmp', dest = '/named' }]"
    )
    assert paths(taken(repository, files)) == ["named", "s/z.tmp", "t/y"]


@pytest.mark.parametrize("ignore", [b"\xff\n", b"[z-a]\n"])
def test_a_krustignore_that_cannot_be_understood_is_an_error(ignore: bytes, repository: Path) -> None:
    write(repository, {"app/krustdata/a": ""})
    (repository / "app/.krustignore").write_bytes(ignore)
    with pytest.raises(SettingError, match=r"cannot read '.*\.krustignore': "):
        taken(repository)


def test_without_git_the_repository_is_the_workspace(repository: Path) -> None:
    (repository / ".git").rename(repository / "git")
    write(repository, {"shared/s.txt": "s", "app/krustdata/l": "->../../shared/s.txt"})
    with pytest.raises(SettingError, match=r"it leads out of the repository '.*/repository/app'"):
        taken(repository)
