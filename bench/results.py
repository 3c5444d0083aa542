"""What a whole run has found: as JSON, to be rendered again, and as RESULTS.md."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.case import Case, Curves, Found, Goal, Row, Table
from bench.timing import Run

_HEAD = """\
# Results

`make bench` wrote this; [docs/performance.md](../docs/performance.md) tells how to read it. Times are medians of all
rounds, beside the least and the most; what is compared has taken turns in the same run. Processors' time and memory
are of the program and all that it started; memory is the most that any one of these processes had. Ratios are of
medians.
"""


@dataclass(slots=True)
class Results:
    """
    own_rounds  each case had the rounds that it asks for
    missing     why each peer that is not there cannot be had
    """

    own_rounds: bool
    machine: dict[str, str]
    versions: dict[str, str]
    missing: dict[str, str]
    cases: dict[str, Found] = field(default_factory=dict)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> Results:
        value = json.loads(text)
        cases = {name: _found(each) for name, each in value.pop("cases").items()}
        return cls(**value, cases=cases)


def _found(value: dict[str, Any]) -> Found:
    tables = [
        Table(each["title"], {name: _row(row) for name, row in each["rows"].items()}) for each in value.pop("tables")
    ]
    curves = [
        Curves(**{**each, "lines": {name: [(x, y) for x, y in points] for name, points in each["lines"].items()}})
        for each in value.pop("curves")
    ]
    return Found(**value, tables=tables, curves=curves)


def _row(value: dict[str, Any]) -> Row:
    return Row([Run(**run) for run in value["runs"]], value["more"])


def render(results: Results, cases: Mapping[str, Case]) -> str:
    """RESULTS.md. `cases` has those that were run, and perhaps others."""
    numbers = {name: number for number, name in enumerate(cases, start=1)}
    ran = [cases[name] for name in results.cases]
    goals = [(goal, results.cases[case.name].measured.get(key)) for case in ran for key, goal in case.goals.items()]
    met = [_verdict(goal, measured) for goal, measured in goals]
    parts = [
        _HEAD,
        f"{met.count('yes')} of {len(met)} goals are met.\n",
        _markdown(["machine", ""], [[name, value] for name, value in results.machine.items()]),
        _markdown(["version", ""], [[name, f"`{value}`"] for name, value in results.versions.items()]),
    ]
    if results.missing:
        parts.append(_markdown(["not there", "why"], [[name, why] for name, why in results.missing.items()]))
    parts += ["## Goals\n", _goals(results, ran, numbers), "![each goal, and what was measured](plots/goals.svg)\n"]
    parts += ["## Bounds\n", _bounds(results, ran, numbers)]
    for case in ran:
        parts += _section(numbers[case.name], case, results.cases[case.name])
    return "\n".join(parts)


def seconds(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 0.9995 else f"{value:.2f} s"


def figure(value: float, unit: str) -> str:
    if unit == "s":
        return seconds(value)
    return f"{value:.2f}" if not unit else f"{value:.1f} {unit}"


def _verdict(goal: Goal, measured: float | None) -> str:
    if measured is None:
        return "not measured"
    return "yes" if goal.met(measured) else "**no**"


def _goals(results: Results, cases: list[Case], numbers: Mapping[str, int]) -> str:
    rows = []
    for case in cases:
        for key, goal in case.goals.items():
            measured = results.cases[case.name].measured.get(key)
            limit = f"{'at least' if goal.lower else 'at most'} {figure(goal.limit, goal.unit)}"
            shown = "" if measured is None else figure(measured, goal.unit)
            rows.append([str(numbers[case.name]), goal.what, limit, shown, _verdict(goal, measured)])
    return _markdown(["case", "goal", "limit", "measured", "met"], rows)


def _bounds(results: Results, cases: list[Case], numbers: Mapping[str, int]) -> str:
    rows = []
    for case in cases:
        bound = results.cases[case.name].bound
        rows.append([str(numbers[case.name]), case.bound, "not measured" if bound is None else f"{bound:.2f}"])
    return _markdown(["case", "bound: nothing could be faster than", "krust takes, times that"], rows)


def _section(number: int, case: Case, found: Found) -> list[str]:
    parts = [f"## {number}. {case.title}\n", f"{case.about.strip()}\n"]
    if found.fault:
        parts.append(f"**It did not come to its end:** {found.fault}\n")
    for table in found.tables:
        parts += [f"### {table.title}\n", _table(table)]
    if found.tables or found.curves:
        parts.append(f"![{case.title}](plots/{case.name}.svg)\n")
    parts += [f"* {note}" for note in found.notes]
    took = f"It took {found.seconds:.0f} s; the load was {found.load:.1f} at its end."
    return [*parts, "", took, ""] if found.notes else [*parts, took, ""]


def _table(table: Table) -> str:
    more = [*dict.fromkeys(heading for row in table.rows.values() for heading in row.more)]
    first = next(iter(table.rows.values()))
    rows = [
        [
            name,
            seconds(row.wall),
            f"{seconds(row.least)} – {seconds(row.most)}",
            f"{row.wall / first.wall:.2f}",
            seconds(row.cpu) if row.cpu else "",
            f"{row.peak / 2**20:.0f} MiB" if row.peak else "",
            *(row.more.get(heading, "") for heading in more),
        ]
        for name, row in table.rows.items()
    ]
    return _markdown(["", "wall", "least – most", "times the first", "processors", "memory", *more], rows)


def _markdown(headings: list[str], rows: list[list[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)
