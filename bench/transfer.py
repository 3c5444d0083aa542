"""What push and fetch are both asked: 1 GiB in several blobs, beside crane and skopeo; and memory."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from bench import inputs
from bench.case import Bench, Found, Goal, Row, at_most
from bench.inputs import MIB
from bench.timing import Run
from tests.registry.debian import docker_registry

COUNTS = (1, 8, 64)
_TOTAL = 1024 * MIB
_SIZES = (MIB, 64 * MIB, 1024 * MIB, 4096 * MIB)


def goals(name: str) -> dict[str, Goal]:
    """Of the case `name`, for `judge` and `memory` to measure."""
    wall = f"{name} of 1 GiB in {{}}: wall time, of the better of crane and skopeo"
    return {
        **{f"wall {count}": at_most(1, "", wall.format(count)) for count in COUNTS},
        "memory": at_most(48, "MiB", f"{name}: memory, up to 4 GiB"),
        "flat": at_most(4, "MiB", f"{name}: memory for 4 GiB, more than for 1 MiB"),
    }


def image(folder: Path, count: int) -> Path:
    """A layout of 1 GiB in `count` blobs."""
    return inputs.image(folder, [_TOTAL // count] * count)


def largest_blob(layout: Path) -> Path:
    return max((layout / "blobs" / "sha256").iterdir(), key=lambda path: path.stat().st_size)


def blobs(count: int) -> str:
    """The words for so many."""
    return f"{count} blob{'s'[: count - 1]}"


def judge(found: Found, count: int, rows: Mapping[str, Row], asked: Mapping[str, int], *, bound: str) -> None:
    """Measure what the `rows` of an image in `count` blobs say, and say how often each of them `asked` the registry.

    bound  the row that nothing could be faster than, if it is there
    """
    for name, number in asked.items():
        rows[name].more["requests"] = str(number)
    if others := [row.wall for name, row in rows.items() if name in ("crane", "skopeo")]:
        found.measured[f"wall {count}"] = rows["krust"].wall / min(others)
    if bound in rows:
        found.bound = rows["krust"].wall / rows[bound].wall


def memory(bench: Bench, found: Found, name: str, deed: Callable[[Path, str], Run]) -> None:
    """Of krust, while `deed` moves a layout to a registry or from it. What blobs hold is no matter: they are holes."""
    peaks = []
    for size in _SIZES:
        layout = inputs.image(bench.folder / "big", [size], sparse=True)
        with docker_registry(bench.folder / "registry") as host:
            peaks.append((size, deed(layout, host).peak))
        shutil.rmtree(bench.folder / "registry")
        shutil.rmtree(layout)
    found.memory(f"memory of krust {name}, by the size of the blob", peaks)
