from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path

import pytest

from tests.tools import free_port, listens, require, require_tool, running, says


@pytest.mark.parametrize(("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_a_missing_tool_skips_and_fails_in_ci(
    ci: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="no program 'no-such-tool'; the package 'no-such-tool' has it"):
        require_tool("no-such-tool")


def test_what_is_there_is_required_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    require(["something"], "never said")
    assert Path(require_tool("sh")).is_file()


def test_a_server_ends_with_its_block_and_takes_its_children_along(tmp_path: Path) -> None:
    port = free_port()
    script = f"sleep 60 & echo child $!; exec {sys.executable} -m http.server --bind 127.0.0.1 {port}"
    with running(["sh", "-c", script], ready=listens(port), log=tmp_path / "log") as server:
        child = int(server.said().split()[1])
        os.kill(child, 0)
    assert not listens(port)(server)
    assert _is_gone(child)


def test_a_server_that_is_never_ready_says_why(tmp_path: Path) -> None:
    wrong = [sys.executable, "-c", "print('no such port')"]
    with pytest.raises(AssertionError, match="no such port"), running(wrong, ready=says("never"), log=tmp_path / "log"):
        pass


def _is_gone(pid: int) -> bool:
    """Nobody may be there to reap an orphan at once, so a zombie counts as gone."""
    for _ in range(200):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 0)
            stat = Path(f"/proc/{pid}/stat")
            if not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z"):
                time.sleep(0.01)
                continue
        return True
    return False
