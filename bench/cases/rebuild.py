"""rebuild: one line of a program has changed, and it has to be in the registry again."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import cargo, inputs
from bench.case import Bench, Case, Found, at_most
from bench.timing import Run, timed, turns
from tests.registry.debian import docker_registry
from tests.tools import KRUST

# Stands before a program, and writes down when that begins and ends. bash has the time without another process.
_WATCH = """\
#!/usr/bin/env bash
{others}
began=$EPOCHREALTIME
{program!r} "$@"
code=$?
echo {name} "$began" "$EPOCHREALTIME" >> {log!r}
exit $code
"""


def measure(bench: Bench, found: Found) -> None:
    web = inputs.example("web", bench.folder)
    change = _changing(web / "src" / "main.rs")
    linking = _watch_linker(bench.folder)
    watching = {**linking, "CARGO": _watch(bench.folder, "compile", cargo.program(), only="build")}
    phases: dict[str, list[Run]] = {}
    with docker_registry(bench.folder / "registry") as host:
        build = (KRUST, "build", "-q", "--image", f"{host}/web", "--store", web / ".krust", web)
        call = cargo.recorded(bench.folder / "recorder", *build, cwd=bench.folder, env=linking)

        def krust() -> Run:
            change()
            _log(bench.folder).unlink(missing_ok=True)
            run = timed(*build, env=watching)
            for name, seconds in _phases(bench.folder, run, web / ".krust"):
                phases.setdefault(name, []).append(Run(wall=seconds, cpu=0, peak=0))
            return run

        def alone() -> Run:
            change()
            return call.timed()

        rows = found.table("one line changed", turns(bench.rounds, {"krust build": krust, "cargo build alone": alone}))
    found.table("where the time of krust build goes", phases)
    krust_wall, cargo_wall = rows["krust build"].wall, rows["cargo build alone"].wall
    found.measured["share"] = (krust_wall - cargo_wall) / krust_wall * 100
    found.bound = krust_wall / cargo_wall


def _changing(file: Path) -> Callable[[], object]:
    """Each call makes another program of it, by one line."""
    text, numbers = file.read_text(), itertools.count()
    assert text.count('"stopped"') == 1
    return lambda: file.write_text(text.replace('"stopped"', f'"stopped {next(numbers)}"'))


def _watch_linker(folder: Path) -> dict[str, str]:
    """The variable that puts a watch before krust's linker. cargo compiles all anew when it changes, so all have it."""
    hello = inputs.example("hello-krust", folder)
    env = cargo.recorded(folder / "recorder", KRUST, "build", "--no-push", "-q", hello, cwd=folder).env
    name = next(name for name in env if re.fullmatch(r"CARGO_TARGET_\w+_LINKER", name))
    return {name: _watch(folder, "link", env[name])}


def _watch(folder: Path, name: str, program: str, *, only: str | None = None) -> str:
    """A program that runs `program`, and writes to `_log` when; not so with another first word than `only`."""
    script = folder / f"watch-{name}"
    others = f'[ "$1" = {only} ] || exec {program!r} "$@"' if only else ""
    script.write_text(_WATCH.format(others=others, program=program, name=name, log=str(_log(folder))))
    script.chmod(0o755)
    return str(script)


def _log(folder: Path) -> Path:
    return folder / "watched"


def _phases(folder: Path, run: Run, store: Path) -> Iterator[tuple[str, float]]:
    """All of it, and then the parts of a `run` that has just ended, each from the end of the one before, in seconds."""
    end = time.time()
    times = {}
    for line in _log(folder).read_text().splitlines():
        name, began, ended = line.split()
        times[name] = float(began), float(ended)
    written = max(blob.stat().st_mtime for blob in (store / "blobs" / "sha256").iterdir())
    yield "krust build", run.wall
    yield "start, and look at the project", times["compile"][0] - (end - run.wall)
    yield "compile", times["link"][0] - times["compile"][0]
    yield "link", times["link"][1] - times["link"][0]
    yield "layer, config, manifest", written - times["link"][1]
    yield "push, tags, end", end - written


CASE = Case(
    name="rebuild",
    title="One line changed",
    about="""
One line of examples/web changes (axum, rustls, SQLite), and `krust build` compiles it, writes the image and pushes it
to a docker-registry on loopback. In turns with it, after another change, cargo alone does what krust has it do. krust's
own share is all that is not cargo's: the wall time of `krust build`, less that of cargo alone, of the former; so the
registry's time is in it, too.

The phases are of the same runs: a script before cargo and one before the linker write down when they begin and end; an
image is written when the last of its blobs is.
""",
    goals={"share": at_most(5, "%", "one line changed: krust's own share, with the push")},
    bound="cargo, called as krust calls it",
    measure=measure,
    rounds=5,
    minutes=3,
    needs=("docker-registry",),
)
