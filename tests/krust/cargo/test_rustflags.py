"""The user's flags: what krust works out is compared with what cargo itself hands to a build script."""

from __future__ import annotations

from pathlib import Path

import pytest

from krust.cargo import rustflags
from krust.cargo.targets import Target
from krust.cargo.toolchain import Toolchain
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
}


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
    report = tmp_path / "report"
    script = (
        f'fn main() {{ std::fs::write({str(report)!r}, std::env::var("CARGO_ENCODED_RUSTFLAGS").unwrap()).unwrap() }}'
    )
    root = write({**_PACKAGE, "build.rs": script.replace("'", '"'), **_filled(files, host)})
    given = {**env, **_filled(variables, host)}
    cargo = [str(tools.cargo), "check", "--lib", f"--target={host}", f"--target-dir={shared}", *arguments]
    run(*cargo, cwd=root, env=_filled(variables, host))
    found = rustflags.of_user(tools, host, root, env=given, cargo_args=arguments)
    assert rustflags.encode(found) == report.read_text()


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
