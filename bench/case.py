"""What a case is, and what it found."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.timing import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A limit for a figure: the most that it may be, or the least. `unit` is empty for a ratio."""

    what: str
    limit: float
    unit: str
    lower: bool

    def met(self, measured: float) -> bool:
        return measured >= self.limit if self.lower else measured <= self.limit


def at_most(limit: float, unit: str, what: str) -> Goal:
    return Goal(what=what, limit=limit, unit=unit, lower=False)


def at_least(limit: float, unit: str, what: str) -> Goal:
    return Goal(what=what, limit=limit, unit=unit, lower=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One question, and how it is answered.

    about    what is done, for the reader of RESULTS.md
    goals    by the name that `Found.measured` has them under
    bound    what nothing could be faster than; Found.bound is how many times as long krust takes
    peers    other people's programs that it uses; those that are missing are left out
    needs    those of them without which nothing can be measured
    minutes  about what it takes on two quiet cores
    """

    name: str
    title: str
    about: str
    goals: Mapping[str, Goal]
    bound: str
    measure: Callable[[Bench, Found], None]
    rounds: int
    minutes: float
    peers: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bench:
    """What a case works with: an empty folder, deleted afterwards; how many rounds; which peers are there."""

    folder: Path
    rounds: int
    peers: frozenset[str]


@dataclass(frozen=True, slots=True)
class Row:
    """The runs of one thing; `more` has further columns, by their headings."""

    runs: list[Run]
    more: dict[str, str] = field(default_factory=dict)

    @property
    def wall(self) -> float:
        """The median, in seconds."""
        return statistics.median(run.wall for run in self.runs)

    @property
    def cpu(self) -> float:
        return statistics.median(run.cpu for run in self.runs)

    @property
    def least(self) -> float:
        return min(run.wall for run in self.runs)

    @property
    def most(self) -> float:
        return max(run.wall for run in self.runs)

    @property
    def peak(self) -> int:
        return max(run.peak for run in self.runs)


@dataclass(frozen=True, slots=True)
class Table:
    """Things that took turns, or the parts of one. They are compared with the first."""

    title: str
    rows: dict[str, Row]


@dataclass(frozen=True, slots=True)
class Curves:
    """Figures that depend on another: points (x, y) by what they are of."""

    title: str
    x: str
    y: str
    lines: dict[str, list[tuple[float, float]]]


@dataclass(slots=True)
class Found:
    """What a case has found so far, so that what came before a fault is not lost.

    measured  by the name of the goal
    bound     krust's time by that of the case's bound
    fault     why it did not come to its end
    """

    measured: dict[str, float] = field(default_factory=dict)
    bound: float | None = None
    tables: list[Table] = field(default_factory=list)
    curves: list[Curves] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    fault: str | None = None
    seconds: float = 0.0
    load: float = 0.0

    def memory(self, title: str, peaks: list[tuple[int, int]]) -> None:
        """Draw how memory depends on a size, both in bytes, and measure the goals `memory` and `flat`, in MiB."""
        points = [(size / 2**20, peak / 2**20) for size, peak in peaks]
        self.curves.append(Curves(title, "size (MiB)", "memory (MiB)", {"krust": points}))
        most = max(peak for _, peak in points)
        self.measured |= {"memory": most, "flat": points[-1][1] - points[0][1]}

    def table(self, title: str, runs: Mapping[str, list[Run]]) -> dict[str, Row]:
        """Add a table of `runs`; return its rows, to which columns may be added."""
        rows = {name: Row(taken) for name, taken in runs.items()}
        self.tables.append(Table(title, rows))
        return rows
