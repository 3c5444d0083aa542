from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from krust.cargo import remap
from krust.cargo.targets import Target
from krust.cargo.toolchain import Toolchain

_ROOT = Path("/home/me/project")
_PLACES = ((_ROOT, "/src"),)
_OURS = "-ffile-prefix-map=/home/me/project=/src"


def test_the_places_are_the_project_cargos_and_the_compilers(tools: Toolchain) -> None:
    found = remap.places(tools, _ROOT, {"CARGO_HOME": "/home/me/.cargo"})
    assert found[:4] == (
        (Path("/home"), "/src/../.."),
        (Path("/home/me"), "/src/.."),
        (_ROOT, "/src"),
        (Path("/home/me/.cargo"), "/cargo"),
    )
    assert remap.rust_flags(found)[2] == "--remap-path-prefix=/home/me/project=/src"
    assert (tools.source, f"/rustc/{tools.commit or tools.release}") in found


@pytest.mark.parametrize(
    ("home", "first", "second"), [("/home", "/cargo", "/src"), ("/home/me/project/.cargo", "/src", "/cargo")]
)
def test_of_two_places_the_inner_one_counts(home: str, first: str, second: str, tools: Toolchain) -> None:
    found = [name for _, name in remap.places(tools, _ROOT, {"CARGO_HOME": home}) if name in ("/src", "/cargo")]
    assert found == [first, second]


def test_what_a_link_leads_to_has_the_same_name(tools: Toolchain, tmp_path: Path) -> None:
    there, link = tmp_path / "some/where", tmp_path / "link"
    there.mkdir(parents=True)
    link.symlink_to(there)
    found = dict(remap.places(tools, link, {"HOME": "/home/me"}))
    assert (found[there], found[link], found[tmp_path]) == ("/src", "/src", "/src/..")


def test_a_compiler_that_knows_no_commit_has_its_release(tools: Toolchain) -> None:
    found = dict(remap.places(replace(tools, commit=None, release="1.2.3"), _ROOT, {"HOME": "/home/me"}))
    assert found[tools.source] == "/rustc/1.2.3"


@pytest.mark.parametrize(
    ("directory", "named"), [("/home/me/project/target", False), ("/home/me/project/x", True), ("/scratch", True)]
)
def test_a_target_directory_elsewhere_is_a_place_too(directory: str, named: bool, tools: Toolchain) -> None:
    found = dict(remap.places(tools, _ROOT, {"HOME": "/home/me"}, target_directory=Path(directory)))
    assert found.get(Path(directory)) == ("/src/target" if named else None)


@pytest.mark.parametrize(
    ("users", "name", "text"),
    [
        ({}, "CFLAGS_UNDER", _OURS),
        ({"CFLAGS": "-O1"}, "CFLAGS_UNDER", f"-O1 {_OURS}"),
        ({"CFLAGS": "-O1", "TARGET_CFLAGS": "-O2"}, "CFLAGS_UNDER", f"-O2 {_OURS}"),
        ({"CFLAGS_UNDER": "-O3", "CFLAGS": "-O1"}, "CFLAGS_UNDER", f"-O3 {_OURS}"),
        ({"CFLAGS_TRIPLE": "-O3", "CFLAGS_UNDER": "-O1"}, "CFLAGS_TRIPLE", f"-O3 {_OURS}"),
        ({"CXXFLAGS": "-O1"}, "CXXFLAGS_UNDER", f"-O1 {_OURS}"),
    ],
)
def test_flags_for_c_are_added_to_the_users(users: dict[str, str], name: str, text: str, host: Target) -> None:
    def filled(variable: str) -> str:
        return variable.replace("UNDER", host.triple.replace("-", "_")).replace("TRIPLE", host.triple)

    env = {filled(variable): flags for variable, flags in users.items()}
    assert remap.c_flags(_PLACES, [host], env)[filled(name)] == text


def test_a_processor_comes_before_the_users_flags_which_may_name_another(host: Target) -> None:
    flags = remap.c_flags(_PLACES, [host], {"CFLAGS": "-O1"}, cpus={host: "x86-64-v3"})
    under = host.triple.replace("-", "_")
    assert flags == {
        f"CFLAGS_{under}": f"-mcpu=x86-64-v3 -O1 {_OURS}",
        f"CXXFLAGS_{under}": f"-mcpu=x86-64-v3 {_OURS}",
    }


def test_a_path_with_a_space_needs_cc_to_know_quotes(host: Target) -> None:
    places = ((Path("/home/m e"), "/src"), *_PLACES)
    name = f"CFLAGS_{host.triple.replace('-', '_')}"
    assert remap.c_flags(places, [host], {})[name] == _OURS
    quoted = remap.c_flags(places, [host], {"CC_SHELL_ESCAPED_FLAGS": "1"})[name]
    assert quoted == f"'-ffile-prefix-map=/home/m e=/src' {_OURS}"


def test_cargo_home_is_where_cargo_looks() -> None:
    assert remap.cargo_home({"CARGO_HOME": "here"}) == Path(os.curdir).absolute() / "here"
    assert remap.cargo_home({"HOME": "/home/me", "CARGO_HOME": ""}) == Path("/home/me/.cargo")
