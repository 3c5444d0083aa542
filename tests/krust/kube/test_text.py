"""Characters and bytes, and the places that people look for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krust.errors import KubeError
from krust.kube.text import Text


@given(
    characters=st.text(st.characters(exclude_categories=["Cs"])),
    form=st.sampled_from([("", "utf-8"), ("\ufeff", "utf-8"), ("\ufeff", "utf-16-le"), ("\ufeff", "utf-16-be")]),
)
def test_the_same_bytes_come_back(characters: str, form: tuple[str, str]) -> None:
    mark, encoding = form
    raw = (mark + characters).encode(encoding)
    assert Text.decode(raw, "f").encode() == raw


@pytest.mark.parametrize(
    ("before", "place"),
    [("", "f:1:1"), ("a", "f:1:2"), ("a\n", "f:2:1"), ("a\r\n😀é", "f:2:3"), ("\n\n", "f:3:1")],
)
def test_a_place_counts_lines_and_characters_from_one(before: str, place: str) -> None:
    assert str(Text(file="f", characters=before + "x\ny").place(len(before))) == place


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"a: 1\nb: \xff\n", "'f:2:4': not UTF-8"),
        (b"\xef\xbb\xbf\xc3", "'f:1:1': not UTF-8"),
        (b"\xff\xfea\0\n\0\0\xd8", "'f:2:1': not UTF-16-LE"),
    ],
)
def test_bytes_that_are_no_text_are_an_error_with_their_place(raw: bytes, said: str) -> None:
    with pytest.raises(KubeError, match=said):
        Text.decode(raw, "f")


@pytest.mark.parametrize(
    ("characters", "is_json"),
    [('{"a": 1}', True), ('\n [1]\n{"b": 2}', True), ("{a: 1}", False), ("a: 1", False), ("[" * 9999, False)],
)
def test_json_is_told_from_flow_style(characters: str, is_json: bool) -> None:
    assert Text(file="f", characters=characters).is_json is is_json
