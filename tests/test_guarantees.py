"""Pages that promise something name the tests that show it; these must be there."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest

from tests.tools import ROOT

PAGES = [ROOT / "docs" / "security.md", ROOT / "docs" / "guarantees.md"]
_NAMED = re.compile(r"`(tests/[\w/.-]+)(?:::(\w+))?`")


@functools.cache
def names_in(path: Path) -> frozenset[str]:
    """The names by which pytest collects the tests of a file."""
    if not path.is_file():
        return frozenset()
    body = ast.parse(path.read_text()).body
    return frozenset(item.name for item in body if isinstance(item, ast.FunctionDef) and item.name.startswith("test_"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_test_that_a_page_names_is_there(page: Path) -> None:
    named = _NAMED.findall(page.read_text())
    assert len(named) > 20
    assert [path for path, _ in named if not (ROOT / path).exists()] == []
    assert [f"{path}::{name}" for path, name in named if name and name not in names_in(ROOT / path)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_module_that_a_page_names_is_there(page: Path) -> None:
    named = re.findall(r"`((?:krust|plumbing)/[\w/]+\.\w+)`", page.read_text())
    assert [path for path in named if not (ROOT / path).exists()] == []
