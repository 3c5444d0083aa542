"""plan: what cargo and the settings say, before anything is compiled."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from krust.cargo.selection import Selection
from krust.cargo.targets import TARGETS
from krust.console import Console
from krust.errors import ProjectError, SettingError
from krust.image.opening import open_workshop
from krust.image.plan import Plan
from krust.settings import Settings
from plumbing.commands.network import Network
from plumbing.store import Store
from tests.krust.commands.conftest import write_project
from tests.krust.image.conftest import AMD64, ARM64
from tests.tools import require_tool

_MAIN = "fn main() {}\n"
_FILES = {
    "Cargo.toml": '[workspace]\nmembers = ["one", "two"]\nresolver = "2"\n'
    '[workspace.metadata.krust]\nbase = "scratch"\nplatforms = ["linux/arm64", "linux/amd64"]\n',
    "one/Cargo.toml": '[package]\nname = "one"\nversion = "1.0.0"\nedition = "2021"\n',
    "one/src/main.rs": _MAIN,
    "one/krustdata/x": "x",
    "two/Cargo.toml": '[package]\nname = "two"\nversion = "1.0.0"\nedition = "2021"\n'
    '[package.metadata.krust]\nbin = "b"\nplatforms = "all"\n',
    "two/src/bin/a.rs": _MAIN,
    "two/src/bin/b.rs": _MAIN,
}

Plans = Callable[..., list[Plan]]


@pytest.fixture
def plans(tmp_path: Path, store: Store, network: Network) -> Plans:
    require_tool(os.environ.get("CARGO", "cargo"))
    project = write_project(tmp_path / "project", _FILES)

    def plans(directory: str = "", flags: Mapping[str, object] | None = None, **selected: object) -> list[Plan]:
        settings = Settings(env=dict(os.environ), here=tmp_path, console=Console(quiet=True))
        workshop = open_workshop(settings, project / directory, flags=flags or {})
        return workshop.plans(Selection(**selected), network, store, offline=True)  # type: ignore[arg-type]

    return plans


def test_there_is_one_for_each_executable_with_what_its_own_package_says(plans: Plans) -> None:
    one, two = plans(workspace=True)
    assert [str(each.executable) for each in (one, two)] == ["--bin one of one", "--bin b of two"]
    assert one.platforms == (ARM64, AMD64)
    assert two.platforms == tuple(target.platform for target in TARGETS), "scratch is there for all that krust knows"
    assert [source.dest for source in one.files] == ["/krustdata", "/krustdata/x"]
    assert two.files == ()


def test_flags_are_said_of_all(plans: Plans) -> None:
    for plan in plans(workspace=True, flags={"platforms": ("linux/amd64",), "tags": ("v1",)}):
        assert (plan.platforms, plan.settings.tags) == ((AMD64,), ("v1",))


@pytest.mark.parametrize(
    ("directory", "flags", "fault"),
    [
        ("nowhere", {}, "nowhere': no such directory"),
        ("one/Cargo.toml", {}, "not a directory"),
        ("", {}, "several binaries"),
    ],
)
def test_what_is_no_project_is_said(directory: str, flags: Mapping[str, object], fault: str, plans: Plans) -> None:
    with pytest.raises(ProjectError, match=fault):
        plans(directory, flags)


def test_an_unknown_platform_lists_the_known_ones(plans: Plans) -> None:
    with pytest.raises(
        SettingError, match=r"linux/amd64, linux/arm64.*--platform|--platform.*linux/amd64, linux/arm64"
    ):
        plans("one", {"platforms": ("linux/mips",)})
