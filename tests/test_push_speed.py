"""How fast krust pushes beside skopeo and crane, and how much memory that takes. Everything is measured in one run."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from plumbing.oci import mediatype
from plumbing.oci.config import Config
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.oci.manifest import Manifest
from plumbing.oci.platform import Platform
from plumbing.store import Store
from tests.registry.debian import docker_registry
from tests.tools import KRUST, require_tool, run

pytestmark = [pytest.mark.slow, pytest.mark.alone]

MIB = 1 << 20
ROUNDS = range(2, 6)
"""At least, and fewer than: other work on the machine only adds time, so the least of more rounds is nearer to it."""
MOST_MEMORY = 48 * MIB

# A process of its own, and a small one: what this one has in memory would count as its child's before it is krust.
_MEASURE = """\
import json, os, subprocess, sys, time
began = time.monotonic()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
print(json.dumps([time.monotonic() - began, usage.ru_maxrss * 1024]))
sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Shows a line whether the test passes or not: the figures are what one wants to know."""

    def say(text: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n{text}\n")

    return say


def measured(*argv: str | Path) -> tuple[float, int]:
    """Seconds and most bytes in memory of a program that must end well."""
    os.sync()  # what was written before is not this one's to wait for
    seconds, peak = json.loads(run(sys.executable, "-S", "-c", _MEASURE, *argv).stdout)
    return seconds, peak


@contextmanager
def fresh(folder: Path) -> Iterator[str]:
    """A registry that has nothing, and that no cache of skopeo's knows."""
    with docker_registry(folder) as host:
        yield host
    shutil.rmtree(folder)


def layout(folder: Path, size: int, *, sparse: bool = False) -> Path:
    """A layout of one image with one blob of `size` bytes: random, or a hole."""
    store = Store.create(folder)
    if sparse:
        hasher, chunk = Digest.of(b"").hasher(), bytes(MIB)
        for _ in range(size // len(chunk)):
            hasher.update(chunk)
        hasher.update(chunk[: size % len(chunk)])
        digest = Digest.ending(hasher)
        path = store.blobs.path(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.truncate(size)
    else:
        with store.writer() as blob:
            for _ in range(size // MIB):
                blob.write(os.urandom(MIB))
            digest = blob.commit()
    layer = Descriptor(media_type=mediatype.LAYER_GZIP, digest=digest, size=size)
    config = Config.of(Platform.parse("linux/amd64"), [digest])
    manifest = Manifest.of(store.put(config.raw, mediatype.CONFIG), [layer])
    store.update_ref("big:latest", store.put(manifest.raw, mediatype.MANIFEST))
    store.strip()  # of what crane does not know
    return folder


def test_a_gibibyte_in_no_more_time_than_skopeo_and_crane(tmp_path: Path, say: Callable[[str], None]) -> None:
    skopeo, crane = require_tool("skopeo"), require_tool("crane")
    big = layout(tmp_path / "big", 1024 * MIB)
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
                seconds, peak = measured(*programs[name], target)
                times[name].append(seconds)
                if name == "krust":
                    peaks.append(peak)
                    again.append(measured(*programs[name], target)[0])
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
        image = layout(tmp_path / str(size), size, sparse=True)
        with fresh(tmp_path / "registry") as host:
            _, peaks[size] = measured(KRUST, "push", "-q", image, f"{host}/app:v1")
    small, large = peaks.values()
    say(f"64 KiB: {small / MIB:.1f} MiB; 2 GiB: {large / MIB:.1f} MiB")
    assert large < MOST_MEMORY
    assert large - small < 4 * MIB
