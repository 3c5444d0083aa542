"""program: from an executable that is there to an image in a registry."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from bench import inputs
from bench.case import Bench, Case, Found, at_least
from bench.inputs import MIB
from bench.timing import Deed, Run, timed, turns
from tests.krust.commands.engine import Engine, docker_engine
from tests.registry.debian import docker_registry
from tests.tools import KRUST, run

_SHA256 = "one sha256 pass"


def measure(bench: Bench, found: Found) -> None:
    file = inputs.big_binary(bench.folder, 512 * MIB)
    ours = {"krust image": _krust(bench.folder, file), _SHA256: inputs.sha256(file)}
    if {"docker", "dockerd", "ip"} <= bench.peers:
        place = bench.folder / "engine"
        place.mkdir()
        with docker_engine(place) as engine:
            runs = turns(bench.rounds, {**ours, "docker build, docker push": _docker(bench.folder, file, engine)})
    else:
        runs = turns(bench.rounds, ours)
    rows = found.table("a program of 512 MiB to a registry", runs)
    found.bound = rows["krust image"].wall / rows[_SHA256].wall
    if docker := rows.get("docker build, docker push"):
        found.measured["wall"] = docker.wall / rows["krust image"].wall


def _krust(folder: Path, file: Path) -> Deed:
    def deed() -> Run:
        with docker_registry(folder / "registry") as host:
            words = ("--base", "scratch", "--image", f"{host}/app", "--store", folder / "store")
            taken = timed(KRUST, "image", "-q", *words, file)
        shutil.rmtree(folder / "registry")
        shutil.rmtree(folder / "store")
        return taken

    return deed


def _docker(folder: Path, file: Path, engine: Engine) -> Deed:
    context = folder / "context"
    context.mkdir()
    os.link(file, context / "app")
    (context / "Dockerfile").write_text('FROM scratch\nCOPY app /app\nENTRYPOINT ["/app"]\n')
    script = 'docker build -q --no-cache -t "$1" "$2" && docker push -q "$1"'

    def deed() -> Run:
        with docker_registry(folder / "registry") as host:
            name = f"{host}/app"
            taken = timed("sh", "-c", script, "-", name, context, env={"DOCKER_HOST": engine.host})
        run("docker", "rmi", "-f", name, env={"DOCKER_HOST": engine.host})
        shutil.rmtree(folder / "registry")
        return taken

    return deed


CASE = Case(
    name="program",
    title="From a program to the registry",
    about="""
The 512 MiB of the case before are a static program. `krust image` of it on `scratch`, pushed to an empty
docker-registry on loopback; `docker build` of `FROM scratch`, `COPY`, and `docker push` to another. What the docker
engine takes of processors and memory is not in the table, for it is no child of `docker`.
""",
    goals={"wall": at_least(8, "", "program to registry: times faster than `docker build` and `docker push`")},
    bound="one pass of sha256 over the program, in one thread",
    measure=measure,
    rounds=3,
    minutes=2,
    peers=("docker", "dockerd", "ip"),
    needs=("docker-registry",),
)
