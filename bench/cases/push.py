"""push: from a layout to a registry."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from bench import inputs, requests
from bench.case import Bench, Case, Found, at_most
from bench.inputs import MIB
from bench.timing import Deed, Run, timed, turns
from tests.registry.debian import docker_registry
from tests.tools import KRUST, run

_COUNTS = (1, 8, 64)
_TOTAL = 1024 * MIB
_CURL = "curl -T, the blob alone"


def measure(bench: Bench, found: Found) -> None:
    for count in _COUNTS:
        _push(bench, found, count)
    _memory(bench, found)


def _push(bench: Bench, found: Found, count: int) -> None:
    big = inputs.image(bench.folder / "big", [_TOTAL // count] * count)
    again: dict[str, list[Run]] = defaultdict(list)
    asked: dict[str, str] = {}

    def pushing(name: str, argv: list[str | Path], target: str) -> Deed:
        def deed() -> Run:
            with docker_registry(bench.folder / "registry") as host:
                words = [*argv, target.format(host)]
                first = timed(*words)
                asked[name] = str(requests.count(bench.folder / "registry"))
                again[name].append(timed(*words, quiet_disk=False))  # nothing is written
            shutil.rmtree(bench.folder / "registry")
            return first

        return deed

    programs: Mapping[str, tuple[list[str | Path], str]] = {
        "krust": ([KRUST, "push", "-q", big], "{}/app:v1"),
        "crane": (["crane", "push", "--insecure", big], "{}/app:v1"),
        "skopeo": (["skopeo", "copy", "-q", "--dest-tls-verify=false", f"oci:{big}"], "docker://{}/app:v1"),
    }
    there = {name: words for name, words in programs.items() if name in {"krust"} | bench.peers}
    deeds = {name: pushing(name, *words) for name, words in there.items()}
    if count == 1 and "curl" in bench.peers:
        deeds[_CURL] = _curl(bench.folder, big)
    blobs = f"{count} blob{'s'[: count - 1]}"
    rows = found.table(f"push of 1 GiB in {blobs}", turns(bench.rounds, deeds))
    for name, number in asked.items():
        rows[name].more["requests"] = number
    if others := [row.wall for name, row in rows.items() if name in ("crane", "skopeo")]:
        found.measured[f"wall {count}"] = rows["krust"].wall / min(others)
    if curl := rows.get(_CURL):
        found.bound = rows["krust"].wall / curl.wall
    found.table(f"again, in {blobs} that are there", again)
    shutil.rmtree(big)


def _curl(folder: Path, big: Path) -> Deed:
    """One upload of the largest blob, and nothing else. distribution-spec 1.1, "POST then PUT"."""
    blob = max((big / "blobs" / "sha256").iterdir(), key=lambda path: path.stat().st_size)

    def deed() -> Run:
        with docker_registry(folder / "registry") as host:
            answer = run("curl", "-siX", "POST", f"http://{host}/v2/app/blobs/uploads/").stdout.decode()
            place = next(line for line in answer.splitlines() if line.lower().startswith("location:"))
            url = f"{place.split()[1]}&digest=sha256:{blob.name}"
            taken = timed("curl", "-sSf", "-T", blob, url)
        shutil.rmtree(folder / "registry")
        return taken

    return deed


def _memory(bench: Bench, found: Found) -> None:
    """Of krust, for blobs of several sizes; what they hold does not matter, so they are holes."""
    peaks = []
    for size in inputs.MEMORY_SIZES:
        big = inputs.image(bench.folder / "big", [size], sparse=True)
        with docker_registry(bench.folder / "registry") as host:
            words = ("push", "-q", big, f"{host}/app:v1")
            peaks.append((size, timed(KRUST, *words, quiet_disk=False).peak))
        shutil.rmtree(bench.folder / "registry")
        shutil.rmtree(big)
    found.memory("memory of krust push, by the size of the blob", peaks)


CASE = Case(
    name="push",
    title="A push of 1 GiB",
    about="""
A layout of random bytes, in 1, 8 and 64 blobs, to an empty docker-registry on loopback, and then once more. Requests
are counted in the registry's log. Each registry is new, and each push begins when the disk has nothing left to do.
""",
    goals={
        **{
            f"wall {count}": at_most(1, "", f"push of 1 GiB in {count}: wall time, of the better of crane and skopeo")
            for count in _COUNTS
        },
        "memory": at_most(48, "MiB", "push: memory, up to 4 GiB"),
        "flat": at_most(4, "MiB", "push: memory for 4 GiB, more than for 1 MiB"),
    },
    bound="`curl -T` of the same blob to the same registry",
    measure=measure,
    rounds=4,
    minutes=3,
    peers=("crane", "skopeo", "curl"),
    needs=("docker-registry",),
)
