"""docs/dependencies.md is in step with pyproject.toml, and with what the installed packages say of themselves."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.tools import ROOT

PAGE = (ROOT / "docs" / "dependencies.md").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

_OLD = {
    "MIT": "License :: OSI Approved :: MIT License",
    "MPL-2.0": "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)",
}
"""What a package without a licence expression says; packaging.python.org, "Core metadata", before 2.4."""


def rows(heading: str) -> dict[str, list[str]]:
    """The other cells of each row of the first table below `heading`, by the first."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    return {row[0].split(" ")[0]: row[1:] for row in table[2:]}


def required(words: list[str]) -> set[str]:
    """The packages that are wanted on this machine, without extras."""
    found = map(Requirement, words)
    return {canonicalize_name(one.name) for one in found if one.marker is None or one.marker.evaluate({"extra": ""})}


DIRECT = required(PROJECT["dependencies"])


def brought_along() -> dict[str, set[str]]:
    """What the dependencies depend on, and theirs; each with those that want it."""
    found: dict[str, set[str]] = {}
    todo = list(DIRECT)
    for name in todo:
        for other in required(metadata.requires(name) or []) - DIRECT:
            if other not in found:
                todo.append(other)
            found.setdefault(other, set()).add(name)
    return found


@pytest.mark.parametrize("heading", ["At run time", "Cost", "Upkeep"])
def test_each_dependency_is_on_the_page_and_no_other(heading: str) -> None:
    assert list(rows(heading)) == sorted(DIRECT)


def test_what_they_bring_along_is_on_the_page_with_who_wants_it() -> None:
    named = {name: set(cells[1].split(";")[0].split(", ")) for name, cells in rows("What these bring along").items()}
    assert named == brought_along()
    assert list(named) == sorted(named)


def test_those_for_development_are_on_the_page() -> None:
    wanted = {Requirement(word).name for words in PROJECT["optional-dependencies"].values() for word in words}
    assert list(rows("For development and measuring")) == sorted(wanted, key=str.lower)


@pytest.mark.parametrize(
    ("name", "licence"),
    [
        (name, cells[0])
        for heading in ("At run time", "What these bring along")
        for name, cells in rows(heading).items()
    ],
)
def test_a_licence_is_what_the_package_says(name: str, licence: str) -> None:
    said = metadata.metadata(name)
    expression = next(iter(said.get_all("License-Expression") or said.get_all("License") or []), None)
    classifiers = said.get_all("Classifier") or []
    if expression is not None and len(expression) < 40:
        assert expression == licence
    elif _OLD.get(licence) not in classifiers:
        texts = [str(path.read_text()) for path in metadata.files(name) or [] if re.search("LICEN[CS]E", path.name)]
        assert any(f"{licence} License" in text for text in texts), "nothing that it says has this name"
