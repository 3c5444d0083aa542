"""docs/store.md shows what skopeo and umoci do with a store: run as it stands there, where they are installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.blocks import follow, not_run
from tests.docs.test_documents import scratch
from tests.tools import ROOT, require_tool

__all__ = ["scratch"]


@pytest.mark.slow
def test_other_tools_use_a_store_as_the_document_shows(scratch: Path) -> None:
    for tool in ("cargo", "skopeo", "umoci"):
        require_tool(tool)
    text = (ROOT / "docs" / "store.md").read_text()
    document = scratch / "store.md"
    for block, reason in not_run(ROOT / "docs" / "store.md"):
        if "test_other_tools.py" in reason:
            text = text.replace(f"```{block.info}\n", "```sh\n", 1)
    document.write_text(text)
    wrong = follow(document, scratch)
    assert not wrong, wrong
