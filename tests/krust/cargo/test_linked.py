from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krust.cargo import linked
from krust.cargo.linked import BuildScript
from krust.cargo.targets import Target


def message(package_id: str = "path+file:///x/foo-sys#0.3.0", **fields: Any) -> str:
    script = {"reason": "build-script-executed", "package_id": package_id, "linked_libs": ["dylib=foo"]}
    return json.dumps(script | fields)


@pytest.mark.parametrize(
    ("package_id", "package"),
    [
        ("path+file:///x/foo-sys#0.3.0", "foo-sys@0.3.0"),
        ("path+file:///x/elsewhere#foo-sys@0.3.0", "foo-sys@0.3.0"),
        ("registry+https://example.com/index#foo-sys@0.3.0", "foo-sys@0.3.0"),
        ("git+https://example.com/foo-sys?branch=a/b#0.3.0", "foo-sys@0.3.0"),
        ("foo-sys 0.3.0 (path+file:///x/y)", "foo-sys@0.3.0"),  # cargo 1.76
    ],
)
def test_a_package_is_named_as_cargo_takes_it(package_id: str, package: str) -> None:
    script = BuildScript.parse(message(package_id))
    assert script
    assert script.package == package


@pytest.mark.parametrize(
    ("entry", "library", "brought"),
    [
        ("foo", "libfoo.so", True),
        ("dylib=foo", "libfoo.so.1.2", True),
        ("dylib:+as-needed=foo", "libfoo.so.1", True),
        ("dylib=bar:foo", "libfoo.so.1", True),
        ("dylib=foo", "libfoot.so.1", False),
        ("static=foo", "libfoo.so.1", False),
        ("static:+whole-archive=foo", "libfoo.so.1", False),
    ],
)
def test_a_library_is_known_by_what_the_linker_was_told(entry: str, library: str, brought: bool) -> None:
    script = BuildScript.parse(message(linked_libs=[entry]))
    assert script
    assert script.brought(library) is brought


def test_what_is_not_known_is_not_said(host: Target) -> None:
    assert linked.told([message(), "words"], host, ["libc.so"]) is None
    said = linked.told([message("foo-sys 0.3.0 (x)"), message(linked_libs=[])], host, ["libc.so", "libfoo.so.1"])
    assert said
    assert said.startswith("foo-sys@0.3.0 has libfoo.so.1 linked, and 'cargo tree ")


_json = st.none() | st.integers() | st.text() | st.lists(st.text())


@given(st.fixed_dictionaries({}, optional={"package_id": _json, "linked_libs": _json}))
def test_whatever_cargo_says_is_a_script_or_none(fields: dict[str, object]) -> None:
    script = BuildScript.parse(json.dumps({"reason": "build-script-executed", **fields}))
    assert script is None or "package_id" in fields
