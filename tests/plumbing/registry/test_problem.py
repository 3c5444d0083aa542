from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbing.registry.problem import SHOWN, Problem, clean


@pytest.mark.parametrize(
    ("body", "codes", "text"),
    [
        ({"errors": [{"code": "DENIED", "message": "no", "detail": {}}]}, ("DENIED",), "no"),
        ({"errors": [{"code": "denied"}, {"code": "UNKNOWN", "message": "x"}]}, ("DENIED", "UNKNOWN"), "x"),
        ({"errors": [{"code": "not a code"}, 7, None]}, (), ""),
        ({"errors": {"code": "DENIED"}}, (), ""),
        ({"details": "incorrect username or password"}, (), "incorrect username or password"),
        ({"error": "invalid_grant", "error_description": "expired"}, (), "expired, invalid_grant"),
        ([1, 2], (), "[1, 2]"),
    ],
)
def test_errors_are_read_in_the_forms_in_use(body: Any, codes: tuple[str, ...], text: str) -> None:
    assert Problem.parse(json.dumps(body).encode()) == Problem(codes, text)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", ""),
        (b"You have reached your pull rate limit.\r\r\n", "You have reached your pull rate limit."),
        (b"\x1b[31mred\x1b[0m \x07\x00 \x1b]0;title\x07bell \xc2\x9b31m", "red bell 31m"),
        (b"<html><style>b{}</style><h1>413 Too\nLarge</h1></html>", "413 Too Large"),
        (b"\xff\xfe", "\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_text_is_shown_on_one_clean_line(body: bytes, text: str) -> None:
    assert Problem.parse(body).text == text


@given(st.binary())
def test_no_body_breaks_it_and_what_is_shown_can_be_printed(body: bytes) -> None:
    problem = Problem.parse(body)
    assert str(problem).isprintable()
    assert len(problem.text) <= SHOWN


def test_a_hostile_body_is_cut() -> None:
    assert len(Problem.parse(b"[" * 100_000).text) <= SHOWN
    assert len(Problem.parse(json.dumps({"error": "x" * 100_000}).encode()).text) <= SHOWN


@given(st.text())
def test_clean_is_clean_the_second_time_too(text: str) -> None:
    assert clean(clean(text)) == clean(text)
