from __future__ import annotations

from pathlib import Path

import pytest

from krust.cargo import processors
from krust.cargo.targets import TARGETS, Target, target_of
from krust.cargo.toolchain import Toolchain
from krust.errors import SettingError
from plumbing.oci.platform import Platform

_AMD64 = target_of(Platform.parse("linux/amd64"))


@pytest.mark.parametrize("cpu", ["x86-64-v3", "native"])
def test_a_name_that_rustc_knows_is_taken(cpu: str, tools: Toolchain, tmp_path: Path, env: dict[str, str]) -> None:
    processors.check(tools, _AMD64, cpu, tmp_path, env)


@pytest.mark.parametrize(
    ("cpu", "then"),
    [
        ("x86_64_v3", "did you mean 'x86-64-v3'?"),
        ("Available", "'rustc --print=target-cpus --target=x86_64-unknown-linux-musl' lists them"),
        ("", "'rustc --print=target-cpus "),
    ],
)
def test_any_other_is_an_error(cpu: str, then: str, tools: Toolchain, tmp_path: Path, env: dict[str, str]) -> None:
    with pytest.raises(SettingError) as error:
        processors.check(tools, _AMD64, cpu, tmp_path, env)
    assert str(error.value).startswith(f"unknown target-cpu '{cpu}' for 'linux/amd64': {then}")


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_every_target_has_some(target: Target, tools: Toolchain, tmp_path: Path, env: dict[str, str]) -> None:
    processors.check(tools, target, "generic" if "86" not in target.triple else "pentium4", tmp_path, env)
