from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from krust.cargo.metadata import Executable, Package, Project
from krust.cargo.selection import Selection, select
from krust.errors import ProjectError


def package(name: str, *bins: str, examples: tuple[str, ...] = (), run: str | None = None) -> Package:
    executables = [Executable(kind="bin", name=each) for each in bins]
    executables += [Executable(kind="example", name=each) for each in examples]
    return Package(
        id=f"path+file:///w/{name}#{name}@1.0.0",
        name=name,
        version="1.0.0",
        manifest_path=Path("/w", name, "Cargo.toml"),
        executables=tuple(executables),
        default_run=run,
    )


_PACKAGES = (
    package("lib", examples=("demo", "show")),
    package("one", "one", examples=("show",)),
    package("two", "a", "b", run="b"),
    package("three", "server", "x", "y"),
    package("four", "server"),
)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A virtual workspace at `tmp_path`, where selecting looks for a Cargo.toml."""
    (tmp_path / "Cargo.toml").touch()
    return Project(
        directory=tmp_path,
        root=tmp_path,
        target_directory=tmp_path / "target",
        packages=_PACKAGES,
        default_members=tuple(each.id for each in _PACKAGES),
    )


def meant(project: Project, words: str, *, workspace: bool = False) -> list[str]:
    """What `words` mean, as on a command line."""
    said = [word.split("=") for word in words.split()]
    selection = Selection(
        packages=tuple(name for option, name in said if option == "-p"),
        executables=tuple(("bin" if option == "--bin" else "example", name) for option, name in said if option != "-p"),
        workspace=workspace,
    )
    return [f"{each.package.name}/{each.name}" for each in select(project, project.root, selection)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("-p=one", ["one/one"]),
        ("-p=two -p=one", ["two/b", "one/one"]),
        ("-p=one -p=one@1.0.0", ["one/one"]),
        ("-p=path+file:///w/four#four@1.0.0", ["four/server"]),
        ("--bin=x --bin=a", ["three/x", "two/a"]),
        ("--bin=x --bin=x", ["three/x"]),
        ("--example=demo --bin=x", ["lib/demo", "three/x"]),
        ("--bin=x --example=demo", ["three/x", "lib/demo"]),
        ("-p=one --example=show --bin=one", ["one/show", "one/one"]),
        ("-p=three -p=two --bin=y --bin=a", ["three/y", "two/a"]),
        ("-p=four --bin=server", ["four/server"]),
    ],
)
def test_the_executables_that_are_named_each_once_in_their_order(
    words: str, expected: list[str], project: Project
) -> None:
    assert meant(project, words) == expected


def test_the_workspace_is_every_binary_but_where_one_is_the_default(project: Project) -> None:
    everything = ["one/one", "two/b", "three/server", "three/x", "three/y", "four/server"]
    assert meant(project, "", workspace=True) == everything


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ("", r"several binaries; name one of -p one --bin one, -p two --bin b, "),
        ("-p=three", r"several binaries; name one of --bin server, --bin x, --bin y$"),
        ("-p=five", r"cannot build package 'five': no such member .*; there are lib, one, two, three, four$"),
        ("-p=one --bin=x", r"cannot build binary 'x': 'one' has none of that name; there are --bin one$"),
        ("-p=one -p=two --bin=x", r"cannot build binary 'x': none of one, two has it; name the package that has$"),
        ("-p=two -p=four --example=show", r"cannot build example 'show': none of two, four has it"),
        (
            "-p=three -p=four --bin=server",
            r"cannot choose bin 'server': three and four have it; name one of them alone$",
        ),
        ("--bin=server", r"'server' may be several binaries; name one of -p three --bin server, -p four --bin server$"),
        ("--example=show", r"-p lib --example show, -p one --example show$"),
    ],
)
def test_what_means_none_or_several_is_an_error_that_lists_them(words: str, fault: str, project: Project) -> None:
    with pytest.raises(ProjectError, match=fault):
        meant(project, words)


def test_a_workspace_without_binaries_says_so(project: Project) -> None:
    libraries = dataclasses.replace(project, packages=_PACKAGES[:1])
    with pytest.raises(ProjectError, match="no member has a binary target"):
        meant(libraries, "", workspace=True)
