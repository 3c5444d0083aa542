"""workspace: many services of one workspace at once, and one program for eight platforms at once."""

from __future__ import annotations

import shutil
from pathlib import Path

from bench import cargo, inputs, services
from bench.case import Bench, Case, Found, at_most
from bench.timing import Deed, Run, timed, turns
from tests.tools import KRUST, run

_SERVICES = 20
_NO_OPS = 10
_PLATFORMS = ("amd64", "arm64", "arm/v7", "arm/v6", "386", "ppc64le", "riscv64", "s390x")
_BUILD: tuple[str | Path, ...] = (KRUST, "build", "--no-push", "--offline")
_ONE_BY_ONE = 'for name in "$@"; do "$KRUST" build --no-push -q -p "$name" || exit; done'


def measure(bench: Bench, found: Found) -> None:
    _services(bench, found)
    _platforms(bench, found)


def _services(bench: Bench, found: Found) -> None:
    project = bench.folder / "workspace"
    names = services.make(project, _SERVICES)
    together = (*_BUILD, "--workspace")
    call = cargo.recorded(bench.folder / "recorder", *together, cwd=project)
    deeds: dict[str, Deed] = {
        "krust build --workspace": lambda: timed(*together, cwd=project),
        "cargo build alone": call.timed,
        f"krust, {_SERVICES} builds": lambda: timed(
            "sh", "-c", _ONE_BY_ONE, "-", *names, cwd=project, env={"KRUST": str(KRUST)}
        ),
    }
    cold = {name: _cold(project, deed) for name, deed in deeds.items()}
    whole, alone, each = found.table(f"{_SERVICES} services, cold", turns(bench.rounds, cold)).values()
    found.measured["one by one"] = whole.wall / each.wall
    found.measured["cargo"] = found.bound = whole.wall / alone.wall
    deeds["krust build --workspace"]()
    again = {name: deeds[name] for name in ("krust build --workspace", "cargo build alone")}
    found.measured["no-op"] = found.table("nothing changed", turns(_NO_OPS, again))["krust build --workspace"].wall
    compiled, written = _change(project, project / "services" / names[0] / "src" / "main.rs")
    found.measured["compiled"] = compiled
    found.notes.append(f"One of {_SERVICES} services changed: {compiled} compiled, {written} blobs written.")


def _cold(project: Path, deed: Deed) -> Deed:
    """Nothing is compiled, and the store has nothing."""

    def cold() -> Run:
        for place in ("target", ".krust"):
            shutil.rmtree(project / place, ignore_errors=True)
        return deed()

    return cold


def _change(project: Path, main: Path) -> tuple[int, int]:
    """Change one service; return how many were compiled, and how many blobs came to the store."""
    main.write_text(main.read_text().replace('"/healthz"', '"/health"'))
    blobs = project / ".krust" / "blobs" / "sha256"
    before = set(blobs.iterdir())
    said = run(*_BUILD, "--workspace", cwd=project).stderr.decode()
    return said.count(" Compiling "), len(set(blobs.iterdir()) - before)


def _platforms(bench: Bench, found: Found) -> None:
    project = inputs.example("hello-krust", bench.folder)
    build = (*_BUILD, *(f"--platform=linux/{platform}" for platform in _PLATFORMS), project)
    call = cargo.recorded(bench.folder / "recorder", *build, cwd=project)  # and std is built where there is none
    deeds: dict[str, Deed] = {"krust build": lambda: timed(*build), "cargo build alone": call.timed}
    cold = {name: _cold(project, deed) for name, deed in deeds.items()}
    found.table(f"{len(_PLATFORMS)} platforms at once, cold", turns(bench.rounds, cold))


CASE = Case(
    name="workspace",
    title="Many services, many platforms",
    about="""
20 small services that share a library ([services.py](services.py)), and examples/hello-krust for 8 platforms. Cold is
without a target directory and without a store; the standard libraries and zig's runtime were made before. The 20 builds
one after another have one target directory, so that the library is compiled once. A no-op is at once after that.
""",
    goals={
        "one by one": at_most(0.5, "", "20 services: wall time, of 20 builds one after another"),
        "cargo": at_most(1.3, "", "20 services: wall time, of cargo alone"),
        "no-op": at_most(0.3, "s", "20 services: wall time when nothing has changed"),
        "compiled": at_most(1, "", "20 services: compiled when one has changed"),
    },
    bound="cargo, called as krust calls it",
    measure=measure,
    rounds=2,
    minutes=2,
)
