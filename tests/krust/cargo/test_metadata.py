from __future__ import annotations

from pathlib import Path

import pytest

from krust.cargo import metadata
from krust.cargo.toolchain import Toolchain
from krust.errors import CargoError, ProjectError
from tests.krust.cargo.conftest import Write

_MAIN = "fn main() {}\n"


def manifest(name: str, more: str = "") -> str:
    return f'[package]\nname = "{name}"\nversion = "1.2.3"\nedition = "2021"\n{more}\n'


_ROOT = '[workspace]\nmembers = ["one", "two", "lib"]\nresolver = "2"\n'

_WORKSPACE = {
    "Cargo.toml": _ROOT + '[workspace.metadata.krust]\nbase = "x"\n',
    "one/Cargo.toml": manifest("one", '[package.metadata.krust]\nargs = ["--help"]\n'),
    "one/src/main.rs": _MAIN,
    "one/examples/show.rs": _MAIN,
    "one/examples/shape.rs": "",
    "two/Cargo.toml": manifest("two", 'default-run = "b"\n'),
    "two/src/bin/a.rs": _MAIN,
    "two/src/bin/b.rs": _MAIN,
    "lib/Cargo.toml": manifest("lib", '[[example]]\nname = "plugin"\ncrate-type = ["cdylib"]\n'),
    "lib/src/lib.rs": "",
    "lib/examples/demo.rs": _MAIN,
    "lib/examples/plugin.rs": "",
    "docs/index.md": "",
}


def chosen(tools: Toolchain, directory: Path, env: dict[str, str], **names: str) -> str:
    project = metadata.load(tools, directory, env=env)
    return str(metadata.choose(project, directory, **names))


@pytest.mark.parametrize(
    ("directory", "names", "expected"),
    [
        ("one", {}, "--bin one of one"),
        ("one/src", {}, "--bin one of one"),
        ("one", {"example": "show"}, "--example show of one"),
        ("two", {}, "--bin b of two"),
        ("two", {"binary": "a"}, "--bin a of two"),
        ("lib", {"example": "demo"}, "--example demo of lib"),
        ("", {"package": "one"}, "--bin one of one"),
        ("", {"package": "two@1.2.3"}, "--bin b of two"),
        ("", {"binary": "one"}, "--bin one of one"),
        ("docs", {"binary": "a"}, "--bin a of two"),
        ("one", {"package": "two"}, "--bin b of two"),
    ],
)
def test_one_is_chosen(directory: str, names: dict[str, str], expected: str, write: Write, tools, env) -> None:
    assert chosen(tools, write(_WORKSPACE) / directory, env, **names) == expected


@pytest.mark.parametrize(
    ("directory", "names", "fault"),
    [
        ("", {}, "several binaries; name one of -p one --bin one, -p two --bin b$"),
        ("lib", {}, "cannot build 'lib': no binary target; there are --example demo$"),
        ("one", {"binary": "x"}, "cannot build binary 'x': 'one' has none of that name; there are --bin one"),
        ("two", {"example": "x"}, "cannot build example 'x': 'two' has none of that name; there are none"),
        ("", {"package": "three"}, "no such member of '.*'; there are one, two, lib"),
        ("lib", {"example": "plugin"}, "cannot build example 'plugin'"),
    ],
)
def test_none_or_several_are_an_error_that_lists_them(
    directory: str, names: dict[str, str], fault: str, write: Write, tools, env
) -> None:
    with pytest.raises(ProjectError, match=fault):
        chosen(tools, write(_WORKSPACE) / directory, env, **names)


def test_default_run_settles_nothing_that_it_does_not_name(write: Write, tools, env) -> None:
    several = {"Cargo.toml": manifest("p"), "src/bin/a.rs": _MAIN, "src/bin/b.rs": _MAIN}
    with pytest.raises(ProjectError, match=r"name one of --bin a, --bin b$"):
        chosen(tools, write(several), env)


def test_default_members_are_what_the_root_means(write: Write, tools, env) -> None:
    root = write({**_WORKSPACE, "Cargo.toml": _ROOT + 'default-members = ["one"]\n'})
    assert chosen(tools, root, env) == "--bin one of one"


def test_a_project_is_what_cargo_says(write: Write, tools, env, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write(_WORKSPACE)
    monkeypatch.chdir(root)
    project = metadata.load(tools, Path("one"), env={**env, "CARGO_TARGET_DIR": str(root / "out")})
    one = project.packages[0]
    assert project.root == root.resolve()
    assert project.directory == root / "one"
    assert project.target_directory == root / "out"
    assert project.metadata == {"krust": {"base": "x"}}
    assert (one.name, one.version, one.directory) == ("one", "1.2.3", root.resolve() / "one")
    assert one.metadata == {"krust": {"args": ["--help"]}}


def test_a_package_says_what_it_is(write: Write, tools, env) -> None:
    said = {
        "description": "Says hello.",
        "license": "MIT OR Apache-2.0",
        "repository": "https://example.com/hello.git",
        "homepage": "https://example.com",
        "documentation": "https://docs.example.com",
    }
    fields = "".join(f'{name} = "{text}"\n' for name, text in said.items())
    folder = write({"Cargo.toml": manifest("hello", fields), "src/main.rs": _MAIN})
    [package] = metadata.load(tools, folder, env=env).packages
    assert {name: getattr(package, name) for name in said} == said
    [package] = metadata.load(tools, write({"Cargo.toml": manifest("hello")}), env=env).packages
    assert [getattr(package, name) for name in said] == [None] * 5


def test_cargos_configuration_counts(write: Write, tools, env) -> None:
    root = write(_WORKSPACE)
    arguments = ["--features=x", "--config", f"build.target-dir='{root}/there'", "-Zunused", "--bins"]
    kept = metadata.configuration(arguments)
    assert kept == ["--config", f"build.target-dir='{root}/there'", "-Zunused"]
    assert metadata.load(tools, root, env=env, cargo_args=arguments[:3]).target_directory == root / "there"


def test_a_manifest_that_cargo_cannot_read_is_cargos_to_explain(write: Write, tools, env, capfd) -> None:
    with pytest.raises(CargoError, match=r"cannot read '.*Cargo.toml': cargo has said why above"):
        metadata.load(tools, write({"Cargo.toml": "[package\n"}), env=env)
    assert "error" in capfd.readouterr().err


def test_a_directory_without_a_project_is_an_error(tmp_path: Path, tools, env) -> None:
    with pytest.raises(ProjectError, match=r"no Cargo.toml in it or above it; name a cargo project"):
        metadata.load(tools, tmp_path, env=env)
    with pytest.raises(ProjectError, match=r"no such directory; name the one that holds a Cargo\.toml"):
        metadata.load(tools, tmp_path / "none", env=env)
