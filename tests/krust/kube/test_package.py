"""`krust://PATH[#BINARY]`"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krust.kube.package import PackageReference
from plumbing.errors import Malformed


@pytest.mark.parametrize(
    ("text", "path", "binary"),
    [
        ("krust://hello", "hello", None),
        ("krust://./examples/web#worker-1", "./examples/web", "worker-1"),
        ("krust:///srv/my app", "/srv/my app", None),
        ("krust://.", ".", None),
        ("krust://é😀#ß", "é😀", "ß"),
    ],
)
def test_a_reference_has_a_path_and_perhaps_a_binary(text: str, path: str, binary: str | None) -> None:
    reference = PackageReference.parse(text)
    assert (reference.path, reference.binary) == (path, binary)
    assert str(reference) == text


@pytest.mark.parametrize(
    "text",
    ["", "hello", "krust:/x", "krust://", "krust://#b", "krust://x#", "krust://x#a#b", "krust://x#a/b", "krust://x#a b",
     "krust:// x", "krust://x ", "krust://x\ny", "krust://x\ty", "krust://x\0", "KRUST://x"],
)  # fmt: skip
def test_what_is_none_says_where_it_was(text: str) -> None:
    with pytest.raises(Malformed, match=r"in 'f:1:2': expected krust://PATH\[#BINARY\]"):
        PackageReference.parse(text, where="f:1:2")


@given(path=st.text(min_size=1), binary=st.none() | st.text())
def test_whatever_can_be_built_parses_back(path: str, binary: str | None) -> None:
    try:
        reference = PackageReference(path=path, binary=binary)
    except Malformed:
        return
    assert PackageReference.parse(str(reference)) == reference
