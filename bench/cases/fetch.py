"""fetch: from a registry to a layout."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from bench import requests, transfer
from bench.case import Bench, Case, Found
from bench.timing import Deed, Run, timed, turns
from tests.registry.debian import docker_registry
from tests.tools import KRUST, run

_CURL = "curl, the blob alone"
_SYNCED = "crane, and what it wrote is synced"
_DISK = "the disk alone: as many files, synced"
_WRITE = Path(__file__).parents[1] / "durable.py"


def measure(bench: Bench, found: Found) -> None:
    for count in transfer.COUNTS:
        _fetch(bench, found, count)
    transfer.memory(bench, found, "fetch", partial(_fetch_once, bench.folder / "store"))


def _fetch(bench: Bench, found: Found, count: int) -> None:
    big, registry, place = (bench.folder / name for name in ("big", "registry", "fetched"))
    transfer.image(big, count)
    asked: dict[str, int] = {}

    def fetching(name: str, argv: list[str | Path], cwd: Path | None = None) -> Deed:
        def deed() -> Run:
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            before = requests.count(registry)
            taken = timed(*argv, cwd=cwd)
            asked[name] = requests.count(registry) - before
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
        if "crane" in bench.peers:
            script: list[str | Path] = ["sh", "-c", '"$@" && sync -f .', "-", *programs["crane"]]
            deeds[_SYNCED] = fetching(_SYNCED, script, cwd=bench.folder)
        if count == 1 and "curl" in bench.peers:
            url = f"http://{host}/v2/app/blobs/sha256:{transfer.largest_blob(big).name}"
            deeds[_CURL] = fetching(_CURL, ["curl", "-sSf", "-o", place / "blob", url])
        size = str(transfer.largest_blob(big).stat().st_size)
        deeds[_DISK] = fetching(_DISK, [sys.executable, "-IS", _WRITE, place, str(count), size])
        rows = found.table(f"fetch of 1 GiB in {transfer.blobs(count)}", turns(bench.rounds, deeds))
        deeds["krust"]()
        run(KRUST, "verify", "--store", place / "store")
    transfer.judge(found, count, rows, asked, bound=_CURL)
    for folder in (big, registry, place):
        shutil.rmtree(folder)


def _fetch_once(store: Path, layout: Path, host: str) -> Run:
    run(KRUST, "push", "-q", layout, f"{host}/app:v1")
    taken = timed(KRUST, "fetch", "-q", "--store", store, f"{host}/app:v1", quiet_disk=False)
    shutil.rmtree(store)
    return taken


CASE = Case(
    name="fetch",
    title="A fetch of 1 GiB",
    about="""
The images of the case before, from docker-registry into an empty place. krust hashes each byte as it comes, and has
synced each blob to the disk before it ends, as skopeo does. crane does not: so there is a row of crane and `sync -f`,
and one of what the disk takes for as many files, from memory. These count for no goal. Afterwards, not counted, `krust
verify` reads all of it again.
""",
    goals=transfer.goals("fetch"),
    bound="`curl` of the same blob from the same registry",
    measure=measure,
    rounds=4,
    minutes=4,
    peers=("crane", "skopeo", "curl"),
    needs=("docker-registry",),
)
