from __future__ import annotations

import pytest

from krust.cargo.targets import TARGETS, host_platform, target_of
from krust.cargo.toolchain import Toolchain
from krust.errors import SettingError
from plumbing.oci.platform import Platform
from tests.tools import run


def test_rustc_knows_every_target(tools: Toolchain) -> None:
    known = run(tools.rustc, "--print=target-list").stdout.decode().split()
    assert {target.triple for target in TARGETS} <= set(known)


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_a_target_is_for_one_platform(target) -> None:
    assert target_of(target.platform) is target


@pytest.mark.parametrize(
    ("platform", "triple"),
    [
        ("linux/arm64/v8", "aarch64-unknown-linux-musl"),
        ("linux/arm", "armv7-unknown-linux-musleabihf"),
        ("linux/amd64/v1", "x86_64-unknown-linux-musl"),
    ],
)
def test_a_platform_may_have_two_names(platform: str, triple: str) -> None:
    assert target_of(Platform.parse(platform)).triple == triple


@pytest.mark.parametrize("platform", ["windows/amd64", "linux/mips", "linux/arm/v5", "linux/amd64/v3"])
def test_a_platform_without_a_target_is_an_error_that_lists_those_with_one(platform: str) -> None:
    with pytest.raises(SettingError, match=r"cannot build for platform '.*': krust builds for linux/amd64, .*riscv64"):
        target_of(Platform.parse(platform))


@pytest.mark.parametrize(
    ("machine", "platform"),
    [("x86_64", "linux/amd64"), ("AMD64", "linux/amd64"), ("arm64", "linux/arm64"), ("armv6l", "linux/arm/v6")],
)
def test_the_host_is_what_uname_says(machine: str, platform: str) -> None:
    assert str(host_platform(machine)) == platform


def test_an_unknown_host_is_an_error() -> None:
    with pytest.raises(SettingError, match="machine 'pdp11'"):
        host_platform("pdp11")
