"""What a program takes: wall time, the processors' time, memory; and how several take turns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.tools import end

_SPAWN = Path(__file__).with_name("spawn.py")


class Failed(Exception):
    """A program that was to be measured did not end well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Of a program and of all that it started and waited for.

    wall  seconds
    cpu   seconds, of all processors
    peak  bytes: the most that any one of these processes had in memory
    """

    wall: float
    cpu: float
    peak: int


Deed = Callable[[], Run]
"""Prepares what it needs, and then has one thing measured."""


def timed(
    *argv: str | Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    out: Path | None = None,
    quiet_disk: bool = True,
) -> Run:
    """Run a program to its good end.

    env     added to the environment
    out     a file for its standard output
    quiet_disk
            wait first until the disk has nothing left to write, of what others wrote before
    raises  Failed, with what it said
    """
    if quiet_disk:
        os.sync()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [sys.executable, "-IS", _SPAWN, out or os.devnull, *argv],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdout=subprocess.PIPE,
            stderr=said,
            start_new_session=True,  # so that all that it starts can be ended with it
        )
        try:
            printed, _ = process.communicate()
        except BaseException:
            end(process)
            raise
        said.seek(0)
        words = said.read().decode(errors="replace").strip()
    wall, cpu, kib, code = json.loads(printed or "[0, 0, 0, 1]")
    if code != 0:
        raise Failed(f"{' '.join(map(str, argv))}: exit {code}\n{words[-2000:]}")
    return Run(wall=wall, cpu=cpu, peak=kib * 1024)


def turns(rounds: int, deeds: Mapping[str, Deed]) -> dict[str, list[Run]]:
    """Each deed `rounds` times, in turns; another begins each time, so that none always follows the same."""
    names = [*deeds]
    runs: dict[str, list[Run]] = {name: [] for name in names}
    for turn in range(rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            runs[name].append(deeds[name]())
    return runs
