"""The smallest of the real projects, built unchanged and run in their images. `make real` does it with all of them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.real.projects import PROJECTS, Project, build, fetch, run
from tests.tools import KRUST, require, require_tool


@pytest.mark.slow
@pytest.mark.parametrize("project", [each for each in PROJECTS if each.small], ids=str)
def test_a_real_project_builds_unchanged_and_runs_in_its_image(project: Project, tmp_path: Path) -> None:
    require_tool(os.environ.get("CARGO", "cargo"))
    umoci, runc = require_tool("umoci"), require_tool("runc")
    require(os.geteuid() == 0, "only root can unpack and run an image with all of its owners")
    source, layout = fetch(project, tmp_path), tmp_path / "store"
    built = build(KRUST, project, source, layout)
    assert len(built.references) == project.images
    for each in project.runs:
        assert re.match(each.prints, run(each, layout, source, tmp_path, umoci=umoci, runc=runc)), each


def test_what_each_printed_is_written_down() -> None:
    page = Path(__file__).with_name("README.md").read_text()
    for project in PROJECTS:
        assert f"| {project.name} {project.version}" in page, "run 'make real'"
        assert f"\n## {project.name}\n" in page
