"""The results, drawn: an SVG for each case, and one of all goals. The same results give the same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from bench.case import Case, Curves, Found, Goal, Table
from bench.results import Results, figure

_WIDTH = 8.0  # inches, as all lengths here
_BAR = 0.32
_CURVES = 4.0
_OURS, _OTHERS = "#b7410e", "#8a8f98"

mpl.rcParams.update(
    {
        "svg.fonttype": "none",  # text as text: small, to be searched, and in whatever font the reader has
        "svg.hashsalt": "krust",
        "font.family": "sans-serif",
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
)


def draw(results: Results, cases: Mapping[str, Case], folder: Path) -> None:
    """Write `folder`/NAME.svg for each case that has something to show, and goals.svg."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, found in results.cases.items():
        if found.tables or found.curves:
            _save(_case(found), folder / f"{name}.svg")
    goals = [
        (goal, found.measured[key])
        for name, found in results.cases.items()
        for key, goal in cases[name].goals.items()
        if found.measured.get(key, 0) > 0
    ]
    if goals:
        _save(_goals(goals), folder / "goals.svg")


def _case(found: Found) -> Figure:
    heights = [_BAR * (len(table.rows) + 2) for table in found.tables] + [_CURVES] * len(found.curves)
    drawing = Figure(figsize=(_WIDTH, sum(heights)), layout="constrained")
    places = drawing.subplots(len(heights), squeeze=False, height_ratios=heights)[:, 0]
    for table, axes in zip(found.tables, places, strict=False):
        _bars(table, axes)
    for curves, axes in zip(found.curves, places[len(found.tables) :], strict=True):
        _lines(curves, axes)
    return drawing


def _bars(table: Table, axes: Axes) -> None:
    """The medians, and from the least to the most."""
    rows = [*table.rows.values()]
    walls = [row.wall for row in rows]
    spread = [[row.wall - row.least for row in rows], [row.most - row.wall for row in rows]]
    colors = [_OURS if name.startswith("krust") else _OTHERS for name in table.rows]
    axes.barh([*table.rows], walls, xerr=spread, color=colors, height=0.7, error_kw={"elinewidth": 0.8, "capsize": 2})
    axes.invert_yaxis()
    axes.set_title(f"{table.title} (s)", loc="left", fontsize="medium")


def _lines(curves: Curves, axes: Axes) -> None:
    for name, points in curves.lines.items():
        axes.loglog(*zip(*points, strict=True), marker="o", markersize=3, label=name)
    axes.set(xlabel=curves.x, ylabel=curves.y)
    axes.set_title(curves.title, loc="left", fontsize="medium")
    axes.grid(which="major", linewidth=0.3)
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, high / 10), high * 1.1)  # a decade at least, or what is flat looks steep
    for axis in (axes.xaxis, axes.yaxis):
        _plain(axis)
    if len(curves.lines) > 1:
        axes.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=3)


def _goals(goals: list[tuple[Goal, float]]) -> Figure:
    """What was measured, by its limit; where the limit is the least that it may be, the limit by what was measured."""
    drawing = Figure(figsize=(_WIDTH, _BAR * (len(goals) + 3)), layout="constrained")
    axes = drawing.subplots()
    shares = [goal.limit / measured if goal.lower else measured / goal.limit for goal, measured in goals]
    places = range(len(goals))
    colors = [_OURS if share > 1 else _OTHERS for share in shares]
    axes.hlines(places, [1] * len(shares), shares, colors=colors)
    axes.scatter(shares, places, c=colors, zorder=2)
    names = [f"{goal.what}: {figure(measured, goal.unit)}".replace("`", "") for goal, measured in goals]
    axes.set_yticks(places, names, fontsize="small")
    axes.invert_yaxis()
    axes.set_xscale("log")
    _plain(axes.xaxis)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_title("share of each limit; right of the line it is not met", loc="left", fontsize="medium")
    return drawing


def _plain(axis: Axis) -> None:
    """1, 2, 5, 10: a logarithmic axis without powers."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda value, _: f"{value:g}")


def _save(drawing: Figure, path: Path) -> None:
    drawing.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
    path.write_text("".join(f"{line.rstrip()}\n" for line in path.read_text().splitlines()))  # as git likes it
