"""Measure krust beside others, and write RESULTS.md and its plots.

A run of all cases writes to bench/; one of some, or with other rounds, to build/bench/, for it is not the whole.
What was measured is kept in build/bench.json after each case, from which --render writes the same again.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

import pytest

from bench import environment, machine, peers
from bench.case import Bench, Case, Found
from bench.cases import CASES
from bench.results import Results, render
from bench.timing import Failed
from tests.tools import ROOT

KEPT = ROOT / "build" / "bench.json"


def _words() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; all if there is none")
    parser.add_argument("--rounds", type=int, help="how often each is measured, instead of what the case says")
    parser.add_argument("--render", action="store_true", help="measure nothing: write what was measured last again")
    words = parser.parse_args()
    if unknown := [name for name in words.cases if name not in CASES]:
        parser.error(f"no such case '{unknown[0]}'; there are {', '.join(CASES)}")
    return words


def main() -> None:
    words = _words()
    if words.render:
        _write(Results.from_json(KEPT.read_text()))
        return
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(130))  # all that was started is ended on the way out
    cases = [CASES[name] for name in words.cases or CASES]
    say(f"about {sum(case.minutes for case in cases):.0f} minutes on two quiet cores; leave the machine alone")
    KEPT.parent.mkdir(exist_ok=True)
    _write(run(cases, words.rounds))


def _write(results: Results) -> None:
    """RESULTS.md and plots/."""
    from bench.plots import draw  # matplotlib is slow to import, and only this needs it

    whole = results.own_rounds and results.cases.keys() == CASES.keys()
    folder = ROOT / "bench" if whole else ROOT / "build" / "bench"
    text = render(results, CASES)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "RESULTS.md").write_text(text)
    draw(results, CASES, folder / "plots")
    print(text)
    say(f"wrote {folder / 'RESULTS.md'}")


def run(cases: list[Case], rounds: int | None) -> Results:
    """Measure `cases`, one after another; `rounds` instead of their own."""
    peers.add_to_path()
    wanted = [*dict.fromkeys(name for case in cases for name in (*case.needs, *case.peers))]
    missing = peers.install(wanted)
    for name, why in missing.items():
        say(f"goes without {name}: {why}")
    there = [name for name in wanted if name not in missing]
    results = Results(rounds is None, machine.machine(), machine.versions(there), missing)
    with (
        tempfile.TemporaryDirectory(prefix="krust-bench-") as folder,
        environment.own(Path(folder) / "home", go="go" in there),
    ):
        for case in cases:
            say(f"{case.name}: {case.title} ({case.minutes:g} min)")
            place = Path(folder) / case.name
            place.mkdir()
            found = _measure(case, Bench(place, rounds or case.rounds, frozenset(there)))
            results.cases[case.name] = found
            KEPT.write_text(results.to_json())  # now, or an interrupt takes all of it along
            if found.fault:
                say(f"{case.name} did not come to its end: {found.fault}")
            shutil.rmtree(place)
    return results


def _measure(case: Case, bench: Bench) -> Found:
    found, began = Found(), time.monotonic()
    try:
        if lacking := [name for name in case.needs if name not in bench.peers]:
            raise Failed(f"it needs {' and '.join(lacking)}")
        case.measure(bench, found)
    except (Failed, pytest.skip.Exception, pytest.fail.Exception) as error:  # the latter are of tests.tools
        found.fault = str(error)
    except Exception as error:  # noqa: BLE001  (whatever it is, the other cases have nothing to do with it)
        traceback.print_exc()
        found.fault = f"{type(error).__name__}: {error}"
    found.seconds, found.load = time.monotonic() - began, os.getloadavg()[0]
    return found


def say(text: str) -> None:
    sys.stderr.write(f"bench: {text}\n")


if __name__ == "__main__":
    main()
