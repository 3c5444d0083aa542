"""How fast krust pushes beside skopeo and crane, and how much memory that takes. Everything is measured in one run."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench import inputs
from bench.inputs import MIB
from bench.timing import timed
from tests.registry.debian import docker_registry
from tests.tools import KRUST, require_tool

pytestmark = [pytest.mark.slow, pytest.mark.alone]

ROUNDS = range(2, 6)
"""At least, and fewer than: other work on the machine only adds time, so the least of more rounds is nearer to it."""
MOST_MEMORY = 48 * MIB


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Shows a line whether the test passes or not: the figures are what one wants to know."""

    def say(text: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n{text}\n")

    return say


@contextmanager
def fresh(folder: Path) -> Iterator[str]:
    """A registry that has nothing, and that no cache of skopeo's knows."""
    with docker_registry(folder) as host:
        yield host
    shutil.rmtree(folder)


def test_a_gibibyte_in_no_more_time_than_skopeo_and_crane(tmp_path: Path, say: Callable[[str], None]) -> None:
    skopeo, crane = require_tool("skopeo"), require_tool("crane")
    big = inputs.image(tmp_path / "big", [1024 * MIB])
    programs: dict[str, list[str | Path]] = {
        "krust": [KRUST, "push", "-q", big],
        "skopeo": [skopeo, "copy", "-q", "--dest-tls-verify=false", f"oci:{big}"],
        "crane": [crane, "push", "--insecure", big],
    }
    times: dict[str, list[float]] = {name: [] for name in programs}
    again: list[float] = []
    peaks: list[int] = []
    for turn in range(ROUNDS.stop):
        order = [*programs][turn % 3 :] + [*programs][: turn % 3]
        for name in order:
            with fresh(tmp_path / "registry") as host:
                target = f"{'docker://' if name == 'skopeo' else ''}{host}/{name}:v1"
                taken = timed(*programs[name], target)
                times[name].append(taken.wall)
                if name == "krust":
                    peaks.append(taken.peak)
                    again.append(timed(*programs[name], target).wall)
        best = {name: min(each) for name, each in times.items()}
        ratio = best["krust"] / min(best["skopeo"], best["crane"])
        if turn + 1 >= ROUNDS.start and ratio <= 1.0:
            break
    said = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in best.items())
    say(f"1 GiB: {said}: ratio {ratio:.2f}; peak {max(peaks) / MIB:.0f} MiB; again {min(again):.2f} s")
    assert ratio <= 1.0, said
    assert max(peaks) < MOST_MEMORY, peaks
    assert min(again) < 0.3, again


def test_memory_does_not_grow_with_the_blob(tmp_path: Path, say: Callable[[str], None]) -> None:
    peaks: dict[int, int] = {}
    for size in (64 << 10, 2 << 30):
        image = inputs.image(tmp_path / str(size), [size], sparse=True)
        with fresh(tmp_path / "registry") as host:
            peaks[size] = timed(KRUST, "push", "-q", image, f"{host}/app:v1").peak
    small, large = peaks.values()
    say(f"64 KiB: {small / MIB:.1f} MiB; 2 GiB: {large / MIB:.1f} MiB")
    assert large < MOST_MEMORY
    assert large - small < 4 * MIB
