"""Every switch of registries.md 4.4 has a test of what krust shows it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.registry.faults import SWITCHES

TESTS = "\n".join(
    path.read_text() for path in Path(__file__).parent.glob("test_*.py") if path.name != Path(__file__).name
)


@pytest.mark.parametrize("switch", SWITCHES)
def test_a_switch_is_shown_something(switch: str) -> None:
    assert re.search(rf"\b{switch}\b(?=\"?\s*[=:\]])|\"{switch}\"", TESTS), f"no test turns on '{switch}'"
