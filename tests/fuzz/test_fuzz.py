"""The corpus in every run of the tests; and a little fuzzing, where there is atheris, from a seed that is always the
same. `make fuzz` is the long run.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests.fuzz import targets
from tests.fuzz.__main__ import fuzz
from tests.fuzz.target import TARGETS
from tests.tools import require

_INPUTS = 1000


@pytest.mark.parametrize("name", targets.names())
def test_what_was_found_stays_mended(name: str) -> None:
    files = sorted(TARGETS[name].corpus.iterdir())
    assert files
    for path in files:
        data = path.read_bytes()
        try:
            TARGETS[name].check(data)
        except Exception as error:  # noqa: BLE001 (whatever it is, it is told with its input)
            pytest.fail(f"{path}: {error!r} of {data!r}")


@pytest.mark.slow
@pytest.mark.parametrize("name", targets.names())
def test_nothing_is_found_by_fuzzing_a_little(name: str, tmp_path: Path) -> None:
    require(importlib.util.find_spec("atheris"), "no atheris; it has wheels for Linux on x86-64 alone")
    outcome = fuzz(name, tmp_path, "-seed=1", f"-runs={_INPUTS}", "-max_total_time=2")
    assert not outcome.faults, "\n".join(outcome.faults)
    assert outcome.executions
    assert outcome.coverage
