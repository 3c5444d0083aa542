"""Times that are odd: of files, of SOURCE_DATE_EPOCH, and a clock that jumps."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from plumbing.registry.settings import Clock
from plumbing.store import Store
from plumbing.store.fsck import fsck
from tests.registry.faults import registry
from tests.registry.moves import Time, holds, image, person, user
from tests.tools import KRUST

pytestmark = pytest.mark.slow

MAX = 253402300799
"""The last second of the year 9999, beyond which RFC 3339 has no time."""


def ask(*words: str | Path, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [KRUST, *words], cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True, check=False, timeout=60
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture
def binary(tmp_path: Path) -> Path:
    path = tmp_path / "binary"
    path.write_bytes(b"content")
    return path


TIMES = (0, 1, -1, -(2**31) - 1, 2**31, 2**32, 2**33, 2**35, MAX, MAX + 1)


@pytest.mark.parametrize("seconds", TIMES)
def test_the_time_of_a_file_is_not_in_its_layer(seconds: int, binary: Path, count: Callable[..., None]) -> None:
    usual = ask("write-layer", "binary=/binary", cwd=binary.parent)
    os.utime(binary, (seconds, seconds))
    done = ask("write-layer", "binary=/binary", cwd=binary.parent)
    assert (done.returncode, done.stdout) == (0, usual.stdout)
    count(times=1)


GOOD = ("", "0", "1", "00", "1700000000", str(MAX))
ABSURD = ("-1", "2e9", "9" * 30, str(2**63), str(MAX + 1), "now", " 1", "1 ", "1.5", "0x10", "١", "\n", "1_000")


@pytest.mark.parametrize("value", [*GOOD, *ABSURD])
def test_a_source_date_epoch_is_a_time_or_a_fault(value: str, binary: Path, count: Callable[..., None]) -> None:
    (binary.parent / "crate" / "src").mkdir(parents=True)
    (binary.parent / "crate" / "Cargo.toml").write_text('[package]\nname = "x"\nversion = "1.0.0"\n')
    (binary.parent / "crate" / "src" / "main.rs").write_text("fn main() {}")
    done = ask("image", "--no-push", "/bin/true", "--name", "x", "--allow-dynamic", "--base", "scratch",
               cwd=binary.parent, SOURCE_DATE_EPOCH=value)  # fmt: skip
    if value in ABSURD:
        assert (done.returncode, done.stdout) == (1, ""), done
        assert "SOURCE_DATE_EPOCH" in done.stderr
        assert not (binary.parent / ".krust").exists() or list(Store.open(binary.parent / ".krust").refs) == []
    else:
        assert done.returncode == 0, done
        created = json.loads(ask("cat-config", done.stdout.strip(), cwd=binary.parent).stdout)["created"]
        assert created.startswith({"1700000000": "2023-11-14", str(MAX): "9999-12-31"}.get(value, "1970-01-01"))
        assert fsck(Store.open(binary.parent / ".krust")).problems == ()
    count(times=1)


@pytest.mark.parametrize("seconds", TIMES)
def test_a_store_whose_files_have_odd_times_is_a_store(
    seconds: int, tmp_path: Path, count: Callable[..., None]
) -> None:
    made = image(tmp_path / "store", 1000)
    for path in (tmp_path / "store").rglob("*"):
        if path.is_file():
            os.utime(path, (seconds, seconds))
    done = ask("verify", "--store", "store", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = ask("gc", "--store", "store", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert made.store.complete(made.root)
    count(times=1)


class Jumping(Time):
    """A clock that every question finds an hour earlier or later."""

    def __init__(self, step: float) -> None:
        super().__init__()
        self.step = step

    @property
    def clock(self) -> Clock:
        usual = super().clock
        asked = 0

        def now() -> float:
            nonlocal asked
            asked += 1
            return usual.now() + self.step * asked

        return replace(usual, now=now)


@pytest.mark.parametrize("step", [-3600.0, 3600.0, -(10.0**9), 10.0**9])
@pytest.mark.parametrize("switches", [{"retry_after_429": ("date", 2)}, {"bearer": True}, {"flaky": (503, 2)}], ids=str)
def test_a_clock_that_jumps_is_no_fault(step: float, switches: dict[str, Any], tmp_path: Path) -> None:
    app = image(tmp_path / "app")
    with registry(**switches) as r:
        someone = person(r, user(r))
        someone.time = Jumping(step)
        someone.push(r.name, app)
        assert holds(r, app)
    assert sum(someone.time.sleeps) <= 1000
