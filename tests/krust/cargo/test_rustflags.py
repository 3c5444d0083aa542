"""The user's flags: what krust works out is compared with what cargo itself hands to a build script."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from krust.cargo import rustflags
from krust.cargo.rustflags import Users
from krust.cargo.targets import Target
from krust.cargo.toolchain import Toolchain
from krust.errors import SettingError
from tests.krust.cargo.conftest import Build, Write
from tests.tools import require, require_tool, run

_PACKAGE = {
    "Cargo.toml": '[package]\nname = "flags"\nversion = "0.1.0"\nedition = "2021"\n',
    "src/lib.rs": "",
    "src/main.rs": 'fn main() { if cfg!(kept) { println!("kept") } }\n',
}

_CONFIG = ".cargo/config.toml"
_OF_BUILD = '[build]\nrustflags = ["--cfg=build"]\n'
_OF_TRIPLE = '[target.TRIPLE]\nrustflags = ["--cfg=triple", "--cfg=x=\\"a b\\""]\n'
_OF_TRIPLE_IN_WORDS = '[target.TRIPLE]\nrustflags = "--cfg=triple  --cfg=words"\n'
_OF_CFG = '[target."cfg(target_os = \\"linux\\")"]\nrustflags = "--cfg=linux  --cfg=linux2"\n'
_OF_OTHER_CFG = '[target."cfg(windows)"]\nrustflags = ["--cfg=windows"]\n'
_OF_MUSL = '[target."cfg(all(unix, target_env = \\"musl\\"))"]\nrustflags = ["--cfg=musl"]\n'

_PLACES: dict[str, tuple[dict[str, str], dict[str, str], tuple[str, ...]]] = {
    "none": ({}, {}, ()),
    "encoded": ({}, {"CARGO_ENCODED_RUSTFLAGS": '--cfg=a\x1f--cfg=b="c d"', "RUSTFLAGS": "--cfg=no"}, ()),
    "encoded, empty": ({_CONFIG: _OF_BUILD}, {"CARGO_ENCODED_RUSTFLAGS": ""}, ()),
    "RUSTFLAGS": ({_CONFIG: _OF_BUILD + _OF_TRIPLE}, {"RUSTFLAGS": " --cfg=a  --cfg=b "}, ()),
    "RUSTFLAGS, empty": ({_CONFIG: _OF_BUILD + _OF_TRIPLE}, {"RUSTFLAGS": ""}, ()),
    "build": ({_CONFIG: _OF_BUILD}, {}, ()),
    "build, variable": ({_CONFIG: _OF_BUILD}, {"CARGO_BUILD_RUSTFLAGS": "--cfg=variable"}, ()),
    "build, variable only": ({}, {"CARGO_BUILD_RUSTFLAGS": "--cfg=variable"}, ()),
    "build, above": ({"../.cargo/config.toml": _OF_BUILD, _CONFIG: '[build]\nrustflags = ["--cfg=near"]\n'}, {}, ()),
    "build, old name": ({".cargo/config": _OF_BUILD}, {}, ()),
    "triple": ({_CONFIG: _OF_TRIPLE + _OF_BUILD}, {}, ()),
    "triple, variable": ({_CONFIG: _OF_TRIPLE + _OF_BUILD}, {"CARGO_TARGET_VARIABLE_RUSTFLAGS": "--cfg=v"}, ()),
    "triple, variable only": ({_CONFIG: _OF_BUILD}, {"CARGO_TARGET_VARIABLE_RUSTFLAGS": "--cfg=v"}, ()),
    "cfg": ({_CONFIG: _OF_CFG + _OF_BUILD}, {}, ()),
    "cfg that does not hold": ({_CONFIG: _OF_OTHER_CFG + _OF_BUILD}, {}, ()),
    "cfgs and triple": ({_CONFIG: _OF_MUSL + _OF_CFG + _OF_OTHER_CFG + _OF_TRIPLE + _OF_BUILD}, {}, ()),
    "argument": ({_CONFIG: _OF_BUILD}, {}, ("--config", 'build.rustflags=["--cfg=argument"]')),
    "argument for the triple": ({_CONFIG: _OF_TRIPLE}, {}, ("--config", 'target.TRIPLE.rustflags=["--cfg=argument"]')),
    "triple, words": ({_CONFIG: _OF_TRIPLE_IN_WORDS + _OF_CFG}, {}, ()),
    "triple, words and variable": (
        {_CONFIG: _OF_TRIPLE_IN_WORDS + _OF_BUILD},
        {"CARGO_TARGET_VARIABLE_RUSTFLAGS": "--cfg=v"},
        (),
    ),
    "triple, no words": ({_CONFIG: '[target.TRIPLE]\nrustflags = ""\n' + _OF_BUILD}, {}, ()),
    "RUSTFLAGS and cfg": ({_CONFIG: _OF_CFG}, {"RUSTFLAGS": "--cfg=a"}, ()),
    "RUSTFLAGS and cfg that does not hold": ({_CONFIG: _OF_OTHER_CFG}, {"RUSTFLAGS": "--cfg=a"}, ()),
    "RUSTFLAGS and variable": ({}, {"RUSTFLAGS": "--cfg=a", "CARGO_TARGET_VARIABLE_RUSTFLAGS": "--cfg=v"}, ()),
    "RUSTFLAGS and words": ({_CONFIG: _OF_TRIPLE_IN_WORDS}, {"RUSTFLAGS": "--cfg=a"}, ()),
}


@pytest.mark.parametrize("config", ['{"target":null}', '{"target":1,"build":[]}', '{"target":{"TRIPLE":[1]}}'])
def test_tables_that_are_none_hold_no_flags(config: str, tools: Toolchain, host: Target, tmp_path: Path) -> None:
    said = json.loads(config.replace("TRIPLE", host.triple))
    assert rustflags._of_target(tools, host, tmp_path, {}, said) == Users(flags=(), carried=())


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("target")


@pytest.mark.slow
@pytest.mark.parametrize("place", _PLACES)
def test_the_flags_are_those_that_cargo_would_take(
    place: str, write: Write, tools: Toolchain, host: Target, env: dict[str, str], tmp_path: Path, shared: Path
) -> None:
    require_tool("cc")  # a build script is a program of this machine
    require(tools.has(host.triple), f"no standard library of {host}; 'rustup target add {host}' gets it")
    files, variables, arguments = _PLACES[place]
    arguments = tuple(word.replace("TRIPLE", host.triple) for word in arguments)
    report = tmp_path / "report"
    script = (
        f'fn main() {{ std::fs::write({str(report)!r}, std::env::var("CARGO_ENCODED_RUSTFLAGS").unwrap()).unwrap() }}'
    )
    root = write({**_PACKAGE, "build.rs": script.replace("'", '"'), **_filled(files, host)})
    given = {**env, **_filled(variables, host)}

    def told(*more: str, env: Mapping[str, str]) -> list[str]:
        """The flags that cargo tells the build script of, in no order: what comes later is not the same for each."""
        cargo = [str(tools.cargo), "check", "--lib", f"--target={host}", f"--target-dir={shared}", *arguments, *more]
        run(*cargo, cwd=root, env=env)
        return sorted(report.read_text().split("\x1f")) if report.read_text() else []

    of_cargo = told(env=_filled(variables, host))
    found = rustflags.of_user(tools, [host], root, env=given, cargo_args=arguments)[host]
    assert sorted(found.flags) == of_cargo
    if not found.hidden:
        bare = {name: value for name, value in _filled(variables, host).items() if name not in _TAKEN}
        ours = ["--cfg=ours", "--cap-lints=warn"]
        assert told(rustflags.argument(host, found, ours), env=bare) == sorted([*of_cargo, *ours])


_TAKEN = (rustflags.VARIABLE, rustflags.PLAIN)


@pytest.mark.parametrize(
    ("users", "expected"),
    [
        (Users(flags=("-a",), carried=()), '["-x", "/a b=c"]'),
        (Users(flags=("-a",), carried=("-a",)), '["-a", "-x", "/a b=c"]'),
        (Users(flags=('--cfg=x="\\\x7f\x01é"',), carried=('--cfg=x="\\\x7f\x01é"',)), None),
    ],
)
def test_an_argument_is_toml(users: Users, expected: str | None, host: Target) -> None:
    ours = ("-x", "/a b=c")
    key, _, value = rustflags.argument(host, users, ours).partition("rustflags=")
    assert key == f"--config=target.{host}."
    assert expected is None or value == expected
    assert tomllib.loads(f"flags = {value}")["flags"] == [*users.carried, *ours]


def test_flags_with_spaces_need_a_list(host: Target) -> None:
    users = Users(flags=("-a",), carried=("-a",), text=True)
    assert rustflags.argument(host, users, ["-b"]).endswith('.rustflags="-a -b"')
    with pytest.raises(SettingError, match="are one string, and '--remap-path-prefix=/m e=/src' has a space; make"):
        rustflags.argument(host, users, ["--remap-path-prefix=/m e=/src"])


def _filled(texts: dict[str, str], target: Target) -> dict[str, str]:
    return {
        name.replace("VARIABLE", target.variable): text.replace("TRIPLE", target.triple) for name, text in texts.items()
    }


@pytest.mark.slow
def test_the_users_flags_and_krusts_are_both_used(write: Write, build: Build) -> None:
    root = write({**_PACKAGE, _CONFIG: '[build]\nrustflags = ["--cfg=kept"]\n'})
    assert run(build(root).path).stdout == b"kept\n"


def test_a_relocation_model_that_the_user_sets_is_left() -> None:
    assert "-Clink-arg=-pie" in rustflags.krusts((), sysroot=None, places=())
    assert "-Clink-arg=-pie" not in rustflags.krusts(("-C", "relocation-model=static"), sysroot=None, places=())


@pytest.mark.slow
@pytest.mark.parametrize("users", [{}, {"RUSTFLAGS": "--cfg=kept"}])
def test_flags_that_the_environment_hides_stay_hidden(users: dict[str, str], write: Write, build: Build, env) -> None:
    main = 'fn main() { println!("{} {}", cfg!(kept), cfg!(hidden)) }\n'
    config = '[target."cfg(unix)"]\nrustflags = ["--cfg=hidden"]\n'
    root = write({**_PACKAGE, "src/main.rs": main, _CONFIG: config})
    assert run(build(root, env={**env, **users}).path).stdout == (b"true false\n" if users else b"false true\n")


@pytest.mark.slow
def test_programs_of_this_machine_get_none_of_the_targets_flags(write: Write, build: Build, host: Target) -> None:
    require_tool("cc")
    config = f'[target.{host}]\nrustflags = ["--cfg=kept"]\n'
    script = 'fn main() { assert!(!cfg!(kept) && !cfg!(target_feature = "crt-static")); }\n'
    assert run(build(write({**_PACKAGE, "build.rs": script, _CONFIG: config})).path).stdout == b"kept\n"


def test_a_processor_is_named_once() -> None:
    assert "-Ctarget-cpu=x86-64-v3" in rustflags.krusts((), sysroot=None, places=(), cpu="x86-64-v3")
    with pytest.raises(SettingError, match="cannot set target-cpu to 'x86-64-v3'"):
        rustflags.krusts(("-C", "target-cpu=native"), sysroot=None, places=(), cpu="x86-64-v3")
