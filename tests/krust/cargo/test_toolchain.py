from __future__ import annotations

from pathlib import Path

import pytest

from krust.cargo import answers, toolchain
from krust.cargo.answers import Answers
from krust.errors import ToolchainError
from tests.tools import require, require_tool, run


def test_it_is_what_rustc_says(tmp_path: Path, env) -> None:
    rustc = require_tool(env.get("RUSTC", "rustc"))
    found = toolchain.find(tmp_path, env=env)
    assert found.version == run(rustc, "--version", cwd=tmp_path).stdout.decode().strip()
    assert found.release in found.version
    assert str(found.sysroot) == run(rustc, "--print=sysroot", cwd=tmp_path).stdout.decode().strip()
    assert found.has(found.host)
    assert not found.has("s390x-unknown-none")


def test_cargo_and_rustc_of_the_environment_count(tmp_path: Path, env) -> None:
    real = require_tool(env.get("RUSTC", "rustc"))
    cargo, rustc = tmp_path / "cargo", tmp_path / "rustc"
    for program in (cargo, rustc):
        program.write_text(f'#!/bin/sh\nexec {real} "$@"\n')
        program.chmod(0o755)
    found = toolchain.find(tmp_path, env={**env, "CARGO": str(cargo), "RUSTC": str(rustc)})
    assert (found.cargo, found.rustc) == (cargo, rustc)


def test_rust_toolchain_toml_counts(tmp_path: Path, env) -> None:
    require_tool("rustup")
    env = {name: value for name, value in env.items() if name not in ("CARGO", "RUSTC", "RUSTUP_TOOLCHAIN")}
    installed = [line.split()[0] for line in run("rustup", "toolchain", "list").stdout.decode().splitlines()]
    versions = {name: run("rustup", "run", name, "rustc", "--version").stdout.decode().strip() for name in installed}
    inner = tmp_path / "project/inner"
    inner.mkdir(parents=True)
    usual = toolchain.find(inner, env=env, cache=tmp_path)
    name = next((name for name, version in versions.items() if version != usual.version), None)
    require(name, "rustup has one toolchain only; 'rustup toolchain install nightly' gets another")
    override = tmp_path / "project/rust-toolchain.toml"
    override.write_text(f'[toolchain]\nchannel = "{name}"\n')
    for _ in range(2):  # asked, and remembered
        assert toolchain.find(inner, env=env, cache=tmp_path).version == versions[str(name)]
    override.unlink()
    assert toolchain.find(inner, env=env, cache=tmp_path) == usual
    assert toolchain.find(inner, env={**env, "RUSTUP_TOOLCHAIN": str(name)}, cache=tmp_path) != usual


def test_answers_are_kept_for_rustups_proxies_until_the_toolchain_changes(tmp_path: Path, env) -> None:
    sysroot, proxy, kept_in = tmp_path / "sysroot", tmp_path / "bin/rustup", tmp_path / "cache"
    for file in (proxy, sysroot / "bin/rustc"):
        file.parent.mkdir(parents=True)
        file.touch()
    (tmp_path / "bin/rustc").symlink_to(proxy)
    kept = answers.place(tmp_path / "bin/rustc", tmp_path, env, kept_in)
    assert kept
    told = Answers(version="rustc 1", sysroot=str(sysroot))
    assert answers.read(kept) is None
    answers.write(kept, told)
    assert answers.read(kept) == told
    (sysroot / "bin/rustc").write_text("another")
    assert answers.read(kept) is None
    for broken in ("{}", "[" * 9999):
        kept.write_text(broken)
        assert answers.read(kept) is None
    assert answers.place(sysroot / "bin/rustc", tmp_path, env, kept_in) is None


def test_a_cache_that_cannot_be_written_is_no_fault(tmp_path: Path, env) -> None:
    (tmp_path / "file").touch()
    assert toolchain.find(tmp_path, env=env, cache=tmp_path / "file") == toolchain.find(tmp_path, env=env)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"PATH": "/nonexistent"}, "cannot find 'cargo' on PATH; install Rust"),
        ({"CARGO": "/nonexistent/cargo"}, "cannot find '/nonexistent/cargo', which CARGO names"),
        ({"RUSTC": "false"}, "cannot use '.*false': it does not tell its version"),
        ({"RUSTC": "true"}, "cannot use '.*true': it does not tell its version"),
        ({"RUSTUP_TOOLCHAIN": "none-such"}, "it does not tell its version, and rustup has said why above; 'rustup t"),
    ],
)
def test_what_cannot_be_used_is_an_error_that_says_what_to_do(changes: dict[str, str], fault: str, env) -> None:
    require_tool("cargo")
    if "RUSTUP_TOOLCHAIN" in changes:
        require_tool("rustup")
        changes = {"CARGO": require_tool("cargo"), "RUSTC": require_tool("rustc"), **changes}
    else:
        env = {name: value for name, value in env.items() if name not in ("CARGO", "RUSTC")}
    with pytest.raises(ToolchainError, match=fault):
        toolchain.find(Path("/"), env={**env, **changes})
