"""`make demo`, which README starts with, less the set-up that this test runs in already."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.tools import EXAMPLES, ROOT, require_tool, run


@pytest.mark.slow
def test_the_demo_runs_what_it_built(tmp_path: Path) -> None:
    require_tool("cargo")
    shutil.copytree(EXAMPLES / "hello-krust", tmp_path / "examples" / "hello-krust")
    printed = run(ROOT / "scripts" / "demo", cwd=tmp_path).stdout.decode()
    assert "Hello" in printed.splitlines()[-1]
