from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from krust.config.keys import TABLE
from scripts.make_configuration_page import PAGE, page
from tests.docs.blocks import Block, blocks
from tests.krust.config.conftest import Case, setting

_EXAMPLES = [block for block in blocks(PAGE) if block.info == "toml"]


def test_the_configuration_page_is_current() -> None:
    assert PAGE.read_text() == page(), "run 'make docs'"


def test_every_key_has_a_section_with_its_example() -> None:
    text = PAGE.read_text()
    for key in TABLE:
        section = text.partition(f"\n### {key.name}\n")[2].partition("\n#")[0]
        assert f"```toml\n{key.example}\n```" in section, key.name
        assert f"Default: {key.default}." in section


@pytest.mark.parametrize("key", TABLE, ids=lambda key: key.name)
def test_the_example_of_a_key_is_one_and_counts(key, tmp_path: Path) -> None:
    found = Case(tmp_path).resolve(key.example, bins=["server"], target="server")
    _, origin = setting(found, key.name)
    origins = list(origin.values()) if isinstance(origin, dict) else [origin]
    assert f"{tmp_path}/Cargo.toml [package.metadata.krust]" in origins


@pytest.mark.parametrize("block", _EXAMPLES, ids=lambda block: str(block.line))
def test_each_table_of_the_page_is_understood(block: Block, tmp_path: Path) -> None:
    found = tomllib.loads(block.text)
    if not found.keys() <= {"package", "workspace"}:
        return  # of one key, which the test above reads
    case = Case(tmp_path)
    package = replace(case.package(bins=["server", "worker"]), metadata=_metadata(found, "package"))
    project = replace(case.project(package), metadata=_metadata(found, "workspace"))
    assert case.of(project, "worker").settings


def _metadata(manifest: dict[str, Any], table: str) -> dict[str, Any]:
    found: dict[str, Any] = manifest.get(table, {}).get("metadata", {})
    return found


def test_links_within_the_page_lead_somewhere() -> None:
    text = PAGE.read_text()
    titles = {title.lower().replace(" ", "-") for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= titles
