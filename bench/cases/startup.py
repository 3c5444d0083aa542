"""startup: what each command takes before it does anything, and what small work takes."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

from bench import inputs
from bench.case import Bench, Case, Found, Row, at_most
from bench.timing import Deed, timed, turns
from krust import commands as porcelain
from plumbing import commands as plumbing
from tests.tools import KRUST, run

_PYTHON = (sys.executable, "-c", "pass")
_WORK = ("cat-manifest big", "cat-config big", "rev-parse big", "ls-tree big", "ls-refs", "verify big", "gc --dry-run")


def measure(bench: Bench, found: Found) -> None:
    layout = inputs.image(bench.folder / "layout", [1 << 10])
    work = _table(bench, found, "small work", _WORK, layout)
    names = sorted((*porcelain.NAMES, *plumbing.NAMES))
    _table(bench, found, "every command's help", tuple(f"{name} --help" for name in names), layout)
    found.bound = work["krust cat-manifest big"].wall / work["python -c pass"].wall
    found.measured["python"] = found.bound
    if "hyperfine" in bench.peers:
        found.notes.append(f"hyperfine measures {_hyperfine(bench.folder, layout):.2f} for the same ratio.")


def _table(bench: Bench, found: Found, title: str, commands: tuple[str, ...], layout: Path) -> dict[str, Row]:
    deeds: dict[str, Deed] = {"python -c pass": lambda: timed(*_PYTHON)}
    deeds |= {f"krust {words}": _krust(layout, *words.split()) for words in commands}
    return found.table(title, turns(bench.rounds, deeds))


def _krust(layout: Path, *words: str) -> Deed:
    return lambda: timed(KRUST, *words, env={"KRUST_STORE": str(layout)})


def _hyperfine(folder: Path, layout: Path) -> float:
    """`cat-manifest` by `python -c pass`, both medians: whether our own timing is right."""
    told = folder / "hyperfine.json"
    commands = (shlex.join((str(KRUST), "cat-manifest", "big")), shlex.join(_PYTHON))
    options = ("-N", "--warmup=2", "--runs=20", "--export-json", told)
    run("hyperfine", *options, *commands, env={"KRUST_STORE": str(layout)})
    krust, python = (float(result["median"]) for result in json.loads(told.read_text())["results"])
    return krust / python


CASE = Case(
    name="startup",
    title="Start-up",
    about="""
Each command's `--help`, and some that do small work in a store of one image. They begin after their modules have been
compiled, which pip does on installing.
""",
    goals={"python": at_most(5, "", "start-up: `cat-manifest`, of `python -c pass`")},
    bound="`python -c pass`",
    measure=measure,
    rounds=10,
    minutes=1,
    peers=("hyperfine",),
)
