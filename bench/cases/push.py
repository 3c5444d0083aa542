"""push: from a layout to a registry."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from bench import requests, transfer
from bench.case import Bench, Case, Found
from bench.timing import Deed, Run, timed, turns
from tests.registry.debian import docker_registry
from tests.tools import KRUST, run

_CURL = "curl -T, the blob alone"


def measure(bench: Bench, found: Found) -> None:
    for count in transfer.COUNTS:
        _push(bench, found, count)
    transfer.memory(bench, found, "push", _push_once)


def _push(bench: Bench, found: Found, count: int) -> None:
    big = transfer.image(bench.folder / "big", count)
    again: dict[str, list[Run]] = defaultdict(list)
    asked: dict[str, int] = {}

    def pushing(name: str, argv: list[str | Path], target: str) -> Deed:
        def deed() -> Run:
            with docker_registry(bench.folder / "registry") as host:
                words = [*argv, target.format(host)]
                first = timed(*words)
                asked[name] = requests.count(bench.folder / "registry")
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
    blobs = transfer.blobs(count)
    rows = found.table(f"push of 1 GiB in {blobs}", turns(bench.rounds, deeds))
    transfer.judge(found, count, rows, asked, bound=_CURL)
    found.table(f"again, in {blobs} that are there", again)
    shutil.rmtree(big)


def _curl(folder: Path, big: Path) -> Deed:
    """One upload of the largest blob, and nothing else. distribution-spec 1.1, "POST then PUT"."""
    blob = transfer.largest_blob(big)

    def deed() -> Run:
        with docker_registry(folder / "registry") as host:
            answer = run("curl", "-siX", "POST", f"http://{host}/v2/app/blobs/uploads/").stdout.decode()
            place = next(line for line in answer.splitlines() if line.lower().startswith("location:"))
            url = f"{place.split()[1]}&digest=sha256:{blob.name}"
            taken = timed("curl", "-sSf", "-T", blob, url)
        shutil.rmtree(folder / "registry")
        return taken

    return deed


def _push_once(layout: Path, host: str) -> Run:
    return timed(KRUST, "push", "-q", layout, f"{host}/app:v1", quiet_disk=False)


CASE = Case(
    name="push",
    title="A push of 1 GiB",
    about="""
A layout of random bytes, in 1, 8 and 64 blobs, to an empty docker-registry on loopback, and then once more. Requests
are counted in the registry's log. Each registry is new, and each push begins when the disk has nothing left to do.
""",
    goals=transfer.goals("push"),
    bound="`curl -T` of the same blob to the same registry",
    measure=measure,
    rounds=4,
    minutes=3,
    peers=("crane", "skopeo", "curl"),
    needs=("docker-registry",),
)
