"""Faults: a sample of each in every run of the tests, and all of them by `make faults`, which is `pytest --whole`.

A test takes as many rounds as `rounds(sample, whole)` gives it, and says by `count` how often it did what; all counts
stand at the end of the run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

_COUNTS = "counts"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--whole", action="store_true", help="all rounds of the faults, and not a sample")


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> Callable[[int, int], int]:
    """rounds(SAMPLE, WHOLE): how many of them this run is for."""
    whole = request.config.getoption("--whole", default=False)
    return lambda sample, all_of_them: all_of_them if whole else sample


@pytest.fixture
def count(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """count(kills=1, …): adds to what is printed for this test at the end of the run."""
    counted: dict[str, int] = {}
    record_property(_COUNTS, counted)  # a plain dictionary, because reports pass between the processes of xdist

    def add(**more: int) -> None:
        for name, number in more.items():
            counted[name] = counted.get(name, 0) + number

    return add


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counted: dict[str, Counter[str]] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport) and report.when == "call":
                for name, value in report.user_properties:
                    if name == _COUNTS and isinstance(value, dict):
                        counted.setdefault(report.nodeid, Counter()).update(value)
    if counted:
        terminalreporter.section("faults that were played")
        for test, counts in sorted(counted.items()):
            said = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in counts.items())
            terminalreporter.write_line(f"{test.removeprefix('tests/faults/')}: {said}")
