"""make fuzz: python -m tests.fuzz [SECONDS [TARGET...]], a minute of each target if nothing else is said.

A TARGET may be the start of several: `oci` is all of oci's. As many run at once as there are processors. What is new is
kept in build/fuzz/, and the next run goes on from there. The exit code is 1 if anything was found.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz import targets
from tests.tools import ROOT

FOLDER = ROOT / "build" / "fuzz"
_SHOWN = 1000
"""Bytes of an input that are printed; longer ones are in their files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run came to. `faults` are words for people, each with its input; `peak` is MiB, `slowest` seconds."""

    target: str
    executions: int
    coverage: int
    kept: int
    slowest: float
    peak: int
    faults: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"{self.target:28} {self.executions:11,} inputs {self.coverage:6,} branches {self.kept:5,} kept "
            f"{self.slowest:6.2f} s {self.peak:4} MiB {len(self.faults):3} found"
        )


def fuzz(name: str, folder: Path, *options: str) -> Outcome:
    """Fuzz the target `name` in a process of its own; `options` are libFuzzer's."""
    shutil.rmtree(folder / "found", ignore_errors=True)
    for each in folder.glob("slowest*"):
        each.unlink()
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.one", name, str(folder), *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "0"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
    )
    said = done.stderr.decode(errors="replace")
    stats = dict(re.findall(r"^stat::(\w+): +(\d+)$", said, re.MULTILINE))
    coverage = re.findall(r" cov: (\d+) ", said)
    faults = [*_faults(folder / "found")]
    if done.returncode and not faults:
        faults.append(f"exit {done.returncode}\n{said[-4000:]}")
    slowest = folder / "slowest.txt"
    return Outcome(
        target=name,
        executions=int(stats.get("number_of_executed_units", 0)),
        coverage=int(coverage[-1]) if coverage else 0,
        kept=int(stats.get("new_units_added", 0)),
        slowest=float(slowest.read_text()) if slowest.exists() else 0.0,
        peak=int(stats.get("peak_rss_mb", 0)),
        faults=tuple(faults),
    )


def _faults(found: Path) -> Iterable[str]:
    for path in sorted(found.iterdir()) if found.is_dir() else ():
        if path.suffix != ".txt":
            words = path.with_name(f"{path.name}.txt")
            data = path.read_bytes()
            cut = f"  # the first of {len(data)} bytes" if len(data) > _SHOWN else ""
            yield f"{path}\n{data[:_SHOWN]!r}{cut}\n{words.read_text() if words.exists() else ''}"


def main() -> None:
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    wanted = tuple(sys.argv[2:]) or ("",)
    names = [name for name in targets.names() if name.startswith(wanted)]
    if not names:
        raise SystemExit(f"fuzz: no target '{' '.join(wanted)}'; there are {', '.join(targets.names())}")

    def run(name: str) -> Outcome:
        outcome = fuzz(name, FOLDER / name, f"-max_total_time={seconds}")
        sys.stdout.write(f"{outcome}\n" + "".join(f"\n{outcome.target}: {fault}\n" for fault in outcome.faults))
        sys.stdout.flush()
        return outcome

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        outcomes = list(pool.map(run, names))
    found = [outcome for outcome in outcomes if outcome.faults]
    slowest = max(outcomes, key=lambda outcome: outcome.slowest)
    largest = max(outcomes, key=lambda outcome: outcome.peak)
    sys.stdout.write(
        f"\n{len(outcomes)} targets, {sum(outcome.executions for outcome in outcomes):,} inputs, "
        f"{sum(outcome.kept for outcome in outcomes):,} of them new; the slowest took {slowest.slowest:.2f} s "
        f"({slowest.target}), the largest {largest.peak} MiB ({largest.target}); "
        f"{sum(len(outcome.faults) for outcome in outcomes)} faults in {len(found)} targets"
        f"{''.join(f' {outcome.target}' for outcome in found)}\n"
    )
    raise SystemExit(bool(found))


if __name__ == "__main__":
    main()
