"""Which references there are, where, and what is no YAML."""

from __future__ import annotations

import pytest

from krust.errors import KubeError
from krust.kube import events
from krust.kube.text import Text
from tests.krust.kube.whole import find


def found(characters: str, *, substrings: bool = False) -> list[tuple[str, str]]:
    text = Text(file="f", characters=characters)
    return [(each.reference, str(text.place(each.start))) for each in find(text, substrings=substrings)]


@pytest.mark.parametrize(
    ("characters", "references"),
    [
        ("a: krust://x\nb: 'krust://y#z'\n", [("krust://x", "f:1:4"), ("krust://y#z", "f:2:5")]),
        ("# 😀\n😀: !!str &e krust://x\n", [("krust://x", "f:2:13")]),
        ("a: >-\n\n  x\n---\r\nb: |\r\n   krust://x\r\n", [("krust://x", "f:6:4")]),
        ("a: krust://\n", [("krust://", "f:1:4")]),
        ("a: |\n  krust://x\n  krust://y\n", [("krust://x\nkrust://y", "f:2:3")]),
        ("a: ' krust://x'\nb: x krust://x\nc: KRUST://x\nd: krust:/x\n", []),
        ("krust://x: 1\n? {a: krust://x}\n: 2\n# krust://x\n", []),
    ],
)
def test_values_that_begin_with_the_prefix_are_found_where_they_stand(
    characters: str, references: list[tuple[str, str]]
) -> None:
    assert found(characters) == references


def test_substrings_end_where_a_path_ends() -> None:
    words = "krust://a/b.c, krust://..; (krust://../d)! krust://e#f-g. 'krust://h' krust://i|x $krust://j\\n"
    references = [reference for reference, _ in found(f"a: {words}\n", substrings=True)]
    assert references == [
        "krust://a/b.c", "krust://..", "krust://../d", "krust://e#f-g", "krust://h", "krust://i", "krust://j",
    ]  # fmt: skip


def test_a_substring_that_is_spelt_in_escapes_is_an_error() -> None:
    with pytest.raises(KubeError, match=r"in 'f:2:4': it is written in escapes"):
        found('a: 1\nb: "x krust:\\/\\/y"\n', substrings=True)


@pytest.mark.parametrize(
    ("characters", "said"),
    [
        ("a: krust://x\nb:\n{{- if .Values.x }}\n", "'f:4:1': not YAML: could not find expected ':'"),
        ("a: 1\n---\nb: c\n---\nd: [krust://x\n---\n", "'f:6:1': not YAML: did not find expected ',' or ']'"),
        ('a: 1\n---\n😀: "x\n', "'f:4:1': not YAML: found unexpected end of stream"),
        ("😀: 1\n---\na: \x07\n", "'f:3:4': not YAML: character U\\+0007 is not allowed"),
        ("%YAML 1.1\n---\na: krust://x\nb: : c\n", "'f:4:4': not YAML"),
    ],
)
def test_what_is_no_yaml_is_an_error_with_its_place(characters: str, said: str) -> None:
    text = Text(file="f", characters=characters)
    with pytest.raises(KubeError, match=said):
        find(text)


@pytest.mark.parametrize(
    ("characters", "parts"),
    [
        ("", [""]),
        ("a\n---\nb\n--- c\n---", ["a\n", "---\nb\n", "--- c\n", "---"]),
        ("--- |\n ---\n----\n---\n", ["--- |\n ---\n----\n", "---\n"]),
        ("a\r\n---\r\nb", ["a\r\n", "---\r\nb"]),
        ("%YAML 1.1\n---\na\n...\n%YAML 1.1\n---\nb\n", ["%YAML 1.1\n---\na\n...\n%YAML 1.1\n---\nb\n"]),
    ],
)
def test_documents_are_parsed_one_by_one(characters: str, parts: list[str]) -> None:
    assert [characters[start:end] for start, end in events.parts(characters)] == parts
