from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import pytest

from bench.timing import Failed, Run, timed, turns

MIB = 1 << 20
_PARENT = """\
import subprocess, sys
subprocess.run([sys.executable, "-c", "x = bytearray(200 << 20); [None for _ in range(3_000_000)]"], check=True)
"""


def test_what_a_child_takes_counts_and_what_this_process_has_does_not(tmp_path: Path) -> None:
    ours = bytearray(300 * MIB)
    small = timed(sys.executable, "-c", "print('here')", out=tmp_path / "out")
    large = timed(sys.executable, "-c", _PARENT)
    assert len(ours) > small.peak
    assert (tmp_path / "out").read_text() == "here\n"
    assert small.peak < 50 * MIB < 200 * MIB < large.peak
    assert 0 < small.cpu < large.cpu


def test_a_program_that_fails_is_an_error_with_its_words() -> None:
    with pytest.raises(Failed, match=r"(?s)exit 3.*no such thing"):
        timed("sh", "-c", "echo no such thing >&2; exit 3")


def test_another_begins_each_time() -> None:
    order: list[str] = []

    def deed(name: str) -> Run:
        order.append(name)
        return Run(wall=len(order), cpu=0, peak=0)

    runs = turns(3, {name: partial(deed, name) for name in "abc"})
    assert "".join(order) == "abcbcacab"
    assert [run.wall for run in runs["a"]] == [1, 6, 8]
