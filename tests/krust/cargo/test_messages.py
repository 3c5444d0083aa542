from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krust.cargo.messages import Artifact
from krust.errors import CargoError

_ARTIFACT = {
    "reason": "compiler-artifact",
    "package_id": "path+file:///p#0.1.0",
    "target": {"kind": ["bin"], "name": "p"},
    "filenames": ["/p/target/release/p"],
    "executable": "/p/target/release/p",
    "profile": {"opt_level": "3", "test": False},
}


def test_an_artifact_is_read() -> None:
    assert Artifact.parse(json.dumps(_ARTIFACT)) == Artifact(
        package_id="path+file:///p#0.1.0",
        name="p",
        kinds=("bin",),
        files=(Path("/p/target/release/p"),),
        executable=Path("/p/target/release/p"),
        test=False,
    )


@pytest.mark.parametrize("line", ["", "[1/2] building\n", '{"reason": "build-finished"}', "{", "[]", "{" * 100_000])
def test_other_lines_are_none(line: str) -> None:
    assert Artifact.parse(line) is None


@pytest.mark.parametrize("name", [name for name in _ARTIFACT if name not in ("reason", "executable", "filenames")])
def test_one_that_lacks_a_field_is_an_error(name: str) -> None:
    with pytest.raises(CargoError, match=f"cannot understand cargo: .*{name}"):
        Artifact.parse(json.dumps({key: value for key, value in _ARTIFACT.items() if key != name}))


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(_ARTIFACT, _json)))
def test_whatever_cargo_says_is_an_artifact_or_none_or_an_error(message: dict[str, object]) -> None:
    try:
        Artifact.parse(json.dumps({**message, "reason": "compiler-artifact"}))
    except CargoError:
        return
