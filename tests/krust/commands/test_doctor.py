"""krust doctor: what is there, what is missing, and what would get it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from krust.cargo.targets import TARGETS, host_platform
from tests.krust.commands.conftest import Krust
from tests.tools import require

_PLATFORMS = [str(target.platform) for target in TARGETS]


def test_each_thing_is_a_line(krust: Krust, hello: Path) -> None:
    said = krust("doctor", hello)
    names = [line[:16].strip() for line in said.stdout.splitlines()]
    assert names[:3] == ["compiler", "ziglang", "cargo-zigbuild"]
    assert [name for name in names if "/" in name] == _PLATFORMS
    assert said.code == 0
    assert said.stderr == ""


def test_json_has_the_same(krust: Krust, hello: Path) -> None:
    account = json.loads(krust("doctor", "--json", hello).stdout)
    assert [one["platform"] for one in account["platforms"]] == _PLATFORMS
    [host] = [one for one in account["platforms"] if one["host"]]
    assert host["platform"] == str(host_platform())
    assert {"compiler", "engine", "kubectl", "repository"} <= {tool["name"] for tool in account["tools"]}


def test_without_a_compiler_it_says_how_to_get_one_and_fails(krust: Krust, hello: Path) -> None:
    said = krust("doctor", hello, env={"PATH": "/nowhere", "CARGO": "", "RUSTC": ""})
    assert said.code == 1
    first = said.stdout.splitlines()[0]
    assert first.startswith("compiler        missing: cannot find ")
    assert "rust" in first
    assert said.stdout.count(first.partition("missing: ")[2]) == 1, "once, and not for each platform"
    assert f"{host_platform()!s:16}missing: get a compiler first; this machine's" in said.stdout


def test_it_says_who_would_push_and_no_secret(krust: Krust, hello: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"auths": {"registry.example": {"auth": "bWU6aHVudGVyMi1wbGFudGVk"}}}')
    said = krust("doctor", hello, env={"KRUST_REPO": "registry.example/me", "DOCKER_CONFIG": str(tmp_path)})
    [line] = [line for line in said.stdout.splitlines() if line.startswith("repository")]
    assert "registry.example/me, as me from " in line
    assert "hunter2" not in said.stdout + said.stderr
    nobody = krust("doctor", hello, env={"KRUST_REPO": "other.example/me"}).stdout
    assert "nobody; 'krust login other.example' if it asks who you are" in nobody


@pytest.mark.parametrize(
    ("repo", "config", "line"),
    [
        ("", "", "missing: set KRUST_REPO, such as ghcr.io/me"),
        ("", 'repo = "mine.example/x"', "mine.example/x, as nobody; 'krust login mine.example' "),
        ("other.example", 'repo = "mine.example/x"', "other.example, as nobody; 'krust login other.example' "),
        ("UPPER/x", "", "missing: malformed repo 'UPPER/x' in 'KRUST_REPO': expected host"),
        ("", "repo = 1", "missing: malformed repo '1' in '"),
    ],
)
def test_the_repository_is_the_one_that_a_build_would_push_to(
    repo: str, config: str, line: str, krust: Krust, hello: Path, tmp_path: Path
) -> None:
    (tmp_path / "krust").mkdir()
    (tmp_path / "krust/config.toml").write_text(config)
    said = krust("doctor", hello, env={"KRUST_REPO": repo, "XDG_CONFIG_HOME": str(tmp_path)}).stdout
    assert f"\nrepository      {line}" in said


def test_no_directory_is_an_error(krust: Krust) -> None:
    said = krust("doctor", "nowhere")
    assert (said.code, said.stdout) == (1, "")
    assert said.fault == "krust: cannot look at 'nowhere': no such directory"


@pytest.mark.slow
def test_looking_changes_nothing(krust: Krust, hello: Path, tmp_path: Path) -> None:
    require(os.access("/proc/self", os.R_OK), "no /proc")
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    krust("doctor", hello, env={"KRUST_CACHE": str(tmp_path / "cache")})
    assert sorted(str(path) for path in tmp_path.rglob("*")) == before
