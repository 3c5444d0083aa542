from __future__ import annotations

import dataclasses
import json

import pytest

from bench.case import Case, Curves, Found, Goal, at_least, at_most
from bench.cases import CASES
from bench.results import Results, render
from bench.timing import Run


def runs(*walls: float) -> list[Run]:
    return [Run(wall=wall, cpu=wall / 2, peak=30 << 20) for wall in walls]


def case(name: str, goals: dict[str, Goal]) -> Case:
    return Case(
        name=name, title=f"The {name}", about="It.", goals=goals, bound="light", measure=print, rounds=1, minutes=1
    )


@pytest.fixture
def results() -> Results:
    found = Found(measured={"wall": 0.8, "rate": 4.0}, bound=1.5, notes=["it rained"])
    found.table("a push", {"krust": runs(2, 1, 4), "other|one": runs(5)})["krust"].more["requests"] = "3"
    found.curves.append(Curves("growth", "blobs", "seconds", {"ls": [(10, 1.0), (100, 2.0)]}))
    broken = Found(fault="it needs a registry")
    return Results(True, {"kernel": "Linux"}, {"krust": "0"}, {"ko": "no Go"}, {"first": found, "second": broken})


_CASES = {
    "first": case("first", {"wall": at_most(1, "", "wall of the other"), "rate": at_least(5, "", "rate")}),
    "second": case("second", {"memory": at_most(48, "MiB", "memory")}),
}


def test_what_is_kept_is_rendered_as_what_was_measured(results: Results) -> None:
    again = Results.from_json(results.to_json())
    assert again == results
    assert render(again, _CASES) == render(results, _CASES)
    assert json.loads(results.to_json())["own_rounds"]


def test_each_goal_is_met_or_not_or_was_not_measured(results: Results) -> None:
    page = render(results, _CASES)
    assert "1 of 3 goals are met." in page
    assert "| 1 | wall of the other | at most 1.00 | 0.80 | yes |" in page
    assert "| 1 | rate | at least 5.00 | 4.00 | **no** |" in page
    assert "| 2 | memory | at most 48.0 MiB |  | not measured |" in page


def test_a_table_has_medians_and_ratios_to_the_first(results: Results) -> None:
    page = render(results, _CASES)
    assert "| krust | 2.00 s | 1.00 s – 4.00 s | 1.00 | 1.00 s | 30 MiB | 3 |" in page
    assert "| other\\|one | 5.00 s | 5.00 s – 5.00 s | 2.50 | 2.50 s | 30 MiB |  |" in page


def test_what_went_wrong_and_what_is_missing_is_said(results: Results) -> None:
    page = render(results, _CASES)
    assert "**It did not come to its end:** it needs a registry" in page
    assert "| ko | no Go |" in page


@pytest.mark.parametrize("each", CASES.values(), ids=lambda each: each.name)
def test_every_case_says_what_it_is(each: Case) -> None:
    assert all(getattr(each, field.name) or field.name in ("peers", "needs") for field in dataclasses.fields(each))
