"""fetch: from a registry to a layout."""

from __future__ import annotations

import shutil
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
_CURL = "curl, the blob alone"
_SYNCED = "crane, and what it wrote is synced"


def measure(bench: Bench, found: Found) -> None:
    for count in _COUNTS:
        _fetch(bench, found, count)
    _memory(bench, found)


def _fetch(bench: Bench, found: Found, count: int) -> None:
    big, registry, place = (bench.folder / name for name in ("big", "registry", "fetched"))
    inputs.image(big, [_TOTAL // count] * count)
    blob = max((big / "blobs" / "sha256").iterdir(), key=lambda path: path.stat().st_size).name
    asked: dict[str, str] = {}

    def fetching(name: str, argv: list[str | Path], cwd: Path | None = None) -> Deed:
        def deed() -> Run:
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            before = requests.count(registry)
            taken = timed(*argv, cwd=cwd)
            asked[name] = str(requests.count(registry) - before)
            return taken

        return deed

    with docker_registry(registry) as host:
        run(KRUST, "push", "-q", big, f"{host}/app:v1")
        programs: Mapping[str, list[str | Path]] = {
            "krust": [KRUST, "fetch", "-q", "--store", place / "store", f"{host}/app:v1"],
            "crane": ["crane", "pull", "--insecure", "--format=oci", f"{host}/app:v1", place / "layout"],
            "skopeo": ["skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{host}/app:v1", f"oci:{place}:v1"],
        }
        deeds = {name: fetching(name, words) for name, words in programs.items() if name in {"krust"} | bench.peers}
        if count == 1 and "crane" in bench.peers:
            script = ["sh", "-c", '"$@" && sync -f .', "-", *programs["crane"]]
            deeds[_SYNCED] = fetching(_SYNCED, script, cwd=bench.folder)
        if count == 1 and "curl" in bench.peers:
            url = f"http://{host}/v2/app/blobs/sha256:{blob}"
            deeds[_CURL] = fetching(_CURL, ["curl", "-sSf", "-o", place / "blob", url])
        rows = found.table(f"fetch of 1 GiB in {count} blob{'s'[: count - 1]}", turns(bench.rounds, deeds))
        for name, number in asked.items():
            rows[name].more["requests"] = number
        deeds["krust"]()
        run(KRUST, "verify", "--store", place / "store")
    if others := [row.wall for name, row in rows.items() if name in ("crane", "skopeo")]:
        found.measured[f"wall {count}"] = rows["krust"].wall / min(others)
    if curl := rows.get(_CURL):
        found.bound = rows["krust"].wall / curl.wall
    for folder in (big, registry, place):
        shutil.rmtree(folder)


def _memory(bench: Bench, found: Found) -> None:
    peaks = []
    for size in inputs.MEMORY_SIZES:
        big, registry, store = (bench.folder / name for name in ("big", "registry", "store"))
        inputs.image(big, [size], sparse=True)
        with docker_registry(registry) as host:
            run(KRUST, "push", "-q", big, f"{host}/app:v1")
            words = ("fetch", "-q", "--store", store, f"{host}/app:v1")
            peaks.append((size, timed(KRUST, *words, quiet_disk=False).peak))
        for folder in (big, registry, store):
            shutil.rmtree(folder)
    found.memory("memory of krust fetch, by the size of the blob", peaks)


CASE = Case(
    name="fetch",
    title="A fetch of 1 GiB",
    about="""
The images of the case before, from docker-registry into an empty place. krust hashes each byte as it comes, and has
synced each blob to the disk before it ends, as skopeo does. crane does not: so there is a row of crane and `sync -f`,
which counts for no goal. Afterwards, not counted, `krust verify` reads all of it again.
""",
    goals={
        **{
            f"wall {count}": at_most(1, "", f"fetch of 1 GiB in {count}: wall time, of the better of crane and skopeo")
            for count in _COUNTS
        },
        "memory": at_most(48, "MiB", "fetch: memory, up to 4 GiB"),
        "flat": at_most(4, "MiB", "fetch: memory for 4 GiB, more than for 1 MiB"),
    },
    bound="`curl` of the same blob from the same registry",
    measure=measure,
    rounds=4,
    minutes=4,
    peers=("crane", "skopeo", "curl"),
    needs=("docker-registry",),
)
