from __future__ import annotations

from pathlib import Path

import pytest

from krust.cargo import doctor, std
from krust.cargo.targets import TARGETS, Target
from krust.cargo.toolchain import Toolchain


def state(*folders: Path) -> dict[str, int]:
    return {str(path): path.lstat().st_mtime_ns for folder in folders for path in folder.rglob("*")}


def test_every_platform_is_looked_at_and_nothing_is_changed(env, tools: Toolchain, tmp_path: Path) -> None:
    before = state(tmp_path, tools.sysroot / "lib/rustlib")
    found = doctor.examine(tmp_path, env=env, cache=tmp_path / "cache")
    assert [facts.platform for facts in found.platforms] == [target.platform for target in TARGETS]
    assert state(tmp_path, tools.sysroot / "lib/rustlib") == before
    assert {fact.name: fact.found for fact in found.tools}["compiler"] == str(tools)


def test_what_krust_brings_is_there(env, tools: Toolchain, tmp_path: Path) -> None:
    found = {fact.name: fact.found for fact in doctor.examine(tmp_path, env=env, cache=tmp_path).tools}
    assert found["ziglang"]
    assert found["cargo-zigbuild"]


def test_a_library_that_krust_has_built_counts(env, tools: Toolchain, tmp_path: Path) -> None:
    target = next(target for target in TARGETS if not tools.has(target.triple))
    std.place(tools, target, tmp_path).mkdir(parents=True)
    [facts] = [
        each for each in doctor.examine(tmp_path, env=env, cache=tmp_path).platforms if each.triple == str(target)
    ]
    assert (facts.way, facts.remedy, facts.can_be_built) == ("built", None, True)


def test_without_a_compiler_nothing_can_be_built_and_it_says_what_to_do(env, host: Target, tmp_path: Path) -> None:
    env = {name: value for name, value in env.items() if name not in ("CARGO", "RUSTC")}
    found = doctor.examine(tmp_path, env={**env, "PATH": "/nonexistent"}, cache=tmp_path)
    assert not found.host_can_be_built
    assert {facts.way for facts in found.platforms} == {"none"}
    assert "install Rust (https://rustup.rs)" in str(found.tools[0].remedy)
    assert {facts.emulator.remedy for facts in found.platforms} == {"apt-get install qemu-user-static"}


def test_the_host_is_what_counts(env, host: Target, tools: Toolchain, tmp_path: Path) -> None:
    found = doctor.examine(tmp_path, env=env, cache=tmp_path)
    [facts] = [each for each in found.platforms if each.host]
    assert facts.triple == str(host)
    assert found.host_can_be_built == facts.can_be_built


@pytest.mark.parametrize("source", [True, False])
def test_a_compiler_of_nobody_needs_its_source(
    source: bool, env, tmp_path: Path, tools: Toolchain, host: Target
) -> None:
    rustc = tmp_path / "rustc"
    version = "printf 'rustc 1.2.3\\nrelease: 1.2.3\\nhost: x\\n'"
    rustc.write_text(f"#!/bin/sh\ncase $1 in -vV) {version} ;; *) echo {tmp_path}/own ;; esac\n")
    rustc.chmod(0o755)
    if source:
        manifest = tmp_path / "own/lib/rustlib/src/rust/library/std/Cargo.toml"
        manifest.parent.mkdir(parents=True)
        manifest.touch()
    found = doctor.examine(tmp_path, env={**env, "RUSTC": str(rustc), "CARGO": str(rustc)}, cache=tmp_path)
    assert {facts.way for facts in found.platforms} == {"source" if source else "none"}
    assert all((facts.remedy is None) == source for facts in found.platforms)
