"""noop: a build that has nothing to do, which is what a person waits for most often."""

from __future__ import annotations

import shutil
from pathlib import Path

from bench import cargo, inputs
from bench.case import Bench, Case, Found, at_most
from bench.timing import Deed, Run, timed, turns
from tests.registry.debian import docker_registry
from tests.tools import KRUST, ROOT, run


def measure(bench: Bench, found: Found) -> None:
    hello = inputs.example("hello-krust", bench.folder)
    build = (KRUST, "build", "--no-push", "-q", "--store", bench.folder / "store", hello)
    call = cargo.recorded(bench.folder / "recorder", *build, cwd=bench.folder)
    with docker_registry(bench.folder / "registry") as host:
        deeds: dict[str, Deed] = {"krust build": lambda: timed(*build), "cargo build alone": call.timed}
        if "ko" in bench.peers:
            run(KRUST, "build", "-q", "--image", f"{host}/base", "--store", bench.folder / "store", hello)
            deeds["ko build"] = _ko(bench.folder, f"{host}/base")
            deeds["ko build"]()
        rows = found.table("a build with nothing to do", turns(bench.rounds, deeds))
    krust, alone = rows["krust build"], rows["cargo build alone"]
    found.measured["over cargo"] = krust.wall - alone.wall
    found.bound = krust.wall / alone.wall
    if ko := rows.get("ko build"):
        found.measured["wall"] = krust.wall / ko.wall
        found.measured["memory"] = krust.peak / ko.peak


def _ko(folder: Path, base: str) -> Deed:
    project, layout = folder / "hello-ko", folder / "ko-layout"
    shutil.copytree(ROOT / "bench" / "go" / "hello", project)

    def build() -> Run:
        words = ("--push=false", f"--oci-layout-path={layout}", ".")
        return timed("ko", "build", *words, cwd=project, env={"KO_DEFAULTBASEIMAGE": base, "KO_DOCKER_REPO": base})

    return build


CASE = Case(
    name="noop",
    title="A build with nothing to do",
    about="""
`krust build --no-push` of examples/hello-krust, and `ko build --push=false --oci-layout-path` of the same in Go, again
and again. ko asks the registry for its base each time, here a docker-registry on loopback; krust's is built in. cargo
alone is the very call that krust made.
""",
    goals={
        "wall": at_most(0.25, "", "no-op build: wall time, of ko's"),
        "memory": at_most(0.33, "", "no-op build: memory, of ko's"),
        "over cargo": at_most(0.15, "s", "no-op build: wall time over a no-op `cargo build`"),
    },
    bound="cargo, which has to look at all sources",
    measure=measure,
    rounds=15,
    minutes=0.5,
    peers=("go", "ko"),
    needs=("docker-registry",),
)
