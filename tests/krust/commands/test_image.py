"""krust image: of executables that something else built."""

from __future__ import annotations

import json
import re
import shutil
import struct
from pathlib import Path

import pytest

from tests.krust.commands.conftest import Krust

# An ELF header and one PT_LOAD segment: all that is looked at of an executable, and nothing that runs.
_ARM64, _ARM, _HARD = 183, 40, 0x05000400


def _elf64(path: Path, machine: int) -> Path:
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 2, machine, 1, 0x1000, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    path.write_bytes(header + struct.pack("<IIQQQQQQ", 1, 5, 0, 0x1000, 0x1000, 120, 120, 0x1000))
    return path


def _elf32(path: Path, machine: int, flags: int) -> Path:
    header = struct.pack("<16sHHIIIIIHHHHHH", b"\x7fELF\1\1\1", 2, machine, 1, 0x1000, 52, 0, flags, 52, 32, 1, 0, 0, 0)
    path.write_bytes(header + struct.pack("<IIIIIIII", 1, 0, 0x1000, 0x1000, 84, 84, 5, 0x1000))
    return path


@pytest.mark.slow
def test_it_is_the_image_that_build_makes_but_for_what_cargo_said(krust: Krust, hello: Path, tmp_path: Path) -> None:
    built = json.loads(krust("build", "--no-push", "--json", hello).stdout)
    binary = built["images"][0]["binary"]
    made = json.loads(krust("image", "--no-push", "--json", "--name", "same", binary).stdout)
    assert made["images"][0]["layers"] == built["images"][0]["layers"]
    configs = [json.loads(krust("cat-config", name).stdout) for name in ("hello-krust", "same")]
    for config in configs:
        del config["config"]["Labels"]
    assert configs[0] == configs[1]


def test_each_executable_is_for_the_platform_that_it_says(krust: Krust, tmp_path: Path) -> None:
    one, other = _elf64(tmp_path / "app", 62), _elf64(tmp_path / "app-arm64", _ARM64)
    assert re.fullmatch(r"\.krust@sha256:[0-9a-f]{64}\n", krust("image", "--no-push", one, other).stdout)
    index = json.loads(krust("cat-manifest", "app").stdout)
    assert [entry["platform"]["architecture"] for entry in index["manifests"]] == ["amd64", "arm64"]
    config = json.loads(krust("cat-config", "app", "--platform", "linux/arm64").stdout)
    assert config["config"]["Entrypoint"] == ["/app/app"]


def test_where_it_may_be_for_several_it_has_to_be_named(krust: Krust, tmp_path: Path) -> None:
    arm = _elf32(tmp_path / "app", _ARM, _HARD)
    refused = krust("image", "--no-push", arm)
    assert refused.code == 1
    assert "may be linux/arm/v7 or linux/arm/v6; name it with '--platform'" in refused.fault
    assert krust("image", "--no-push", "--platform", "linux/arm/v6", arm).code == 0
    assert json.loads(krust("cat-config", "app").stdout)["variant"] == "v6"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "cannot read 'nowhere': no such file or directory; build it first"),
        (["text"], "an image needs an ELF executable"),
        (["app", "--platform", "linux/arm64"], "build it with --target aarch64-unknown-linux-musl"),
        (["app", "app"], "cannot make one image of 2 executables for linux/amd64, linux/amd64"),
        (["app", "--platform", "linux/amd64,linux/arm64"], "1 executables for linux/amd64, linux/arm64"),
        (["app", "--trace", "nowhere/trace.sh"], "no such folder 'nowhere'; make it first"),
        (["app", "--image-refs", "."], "cannot write '.': it is a folder; name a file"),
        (["dynamic"], "allow it with '--allow-dynamic'"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_written(
    krust: Krust, tmp_path: Path, words: list[str], said: str
) -> None:
    _elf64(tmp_path / "app", 62)
    (tmp_path / "text").write_text("no executable")
    shell = Path(shutil.which("sh") or "/bin/sh").resolve()
    if said.endswith("'--allow-dynamic'"):
        shutil.copy(shell, tmp_path / "dynamic")
    refused = krust("image", "--no-push", *words)
    assert (refused.code, refused.stdout) == (1, "")
    assert said in refused.fault
    assert not (tmp_path / ".krust").exists()
