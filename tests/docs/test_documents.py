"""Every command that README.md and docs/*.md show is run as it stands there, and prints what they say it prints."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.docs.blocks import Block, follow, not_run
from tests.tools import EXAMPLES, ROOT, require_tool, run

DOCUMENTS = [*ROOT.glob("README.md"), *sorted((ROOT / "docs").glob("*.md"))]
_NOT_RUN = [(document, block, reason) for document in DOCUMENTS for block, reason in not_run(document)]

# Names that Markdown knows for what CONTRIBUTING.md calls `sh`: under these a block would be shown and never run.
_SHELLS = r"(?m)^ *```+ *(bash|console|shell|shell-session|zsh)\b"


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """A folder with a copy of examples/ and nothing built, in which a document's commands run."""
    shutil.copytree(EXAMPLES, tmp_path / "examples", ignore=shutil.ignore_patterns("target", ".krust"))
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_a_document_runs_as_written(document: Path, scratch: Path) -> None:
    require_tool("cargo")
    wrong = follow(document, scratch)
    assert not wrong, wrong


@pytest.mark.parametrize(
    ("document", "block", "reason"), _NOT_RUN, ids=[f"{document.name}:{block.line}" for document, block, _ in _NOT_RUN]
)
def test_a_block_that_cannot_run_is_shell_and_says_why(document: Path, block: Block, reason: str) -> None:
    assert reason, "write the reason: ```sh no-run: REASON"
    run("bash", "-n", stdin=block.text.encode())
    pytest.skip(f"not run: {reason}")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_commands_stand_in_blocks_that_run(document: Path) -> None:
    assert not re.findall(_SHELLS, document.read_text()), "write ```sh, or ```sh no-run: REASON"


@pytest.mark.parametrize("document", [*DOCUMENTS, ROOT / "CONTRIBUTING.md"], ids=lambda document: document.name)
def test_links_lead_to_files(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []
