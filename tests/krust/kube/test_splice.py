"""Images in, and every other byte as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from krust.errors import KubeError
from krust.kube.splice import splice
from krust.kube.text import Text
from tests.krust.kube.strategies import IMAGE, Planted, awkward, dumped
from tests.krust.kube.whole import find

# What the strategies plant as keys, which stay.
_KEYS = ("krust://key", "krust://merged")
STYLES = sorted((Path(__file__).parent / "styles").iterdir())
IPV6 = "[::1]:5000/app@sha256:" + "0" * 64


def spliced(raw: bytes, image: str = IMAGE, *, substrings: bool = False) -> bytes:
    text = Text.decode(raw, "file.yaml")
    return splice(text, [(each, image) for each in find(text, substrings=substrings)]).encode()


def says(text: str) -> list[tuple[object, ...]]:
    """By PyYAML's own parser, which shares no code with the one that krust uses."""
    fields = ("value", "anchor", "tag", "implicit")
    events = yaml.parse(text, Loader=yaml.SafeLoader)
    return [(type(event), *(getattr(event, field, None) for field in fields)) for event in events]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a: krust://x", "a: IMAGE"),
        ("a:\tkrust://x # krust://x\n", "a:\tIMAGE # krust://x\n"),
        ("a: 'krust://x'\n", "a: 'IMAGE'\n"),
        ('a: "krust://x"\r\nb: 0644\r\n', 'a: "IMAGE"\r\nb: 0644\r\n'),
        (r'{"a":"krust:\/\/x"}', '{"a":"IMAGE"}'),
        (r'{"😀": "\ud83d\ude00", "a": "\u006brust://x"}', r'{"😀": "\ud83d\ude00", "a": "IMAGE"}'),
        ("[krust://x,'krust://x', {a: krust://x}, ]", "[IMAGE,'IMAGE', {a: IMAGE}, ]"),
        ("- &a krust://x\n- *a\n- !t krust://x\n", "- &a IMAGE\n- *a\n- !t IMAGE\n"),
        ("- !!str &a # c\n\n  # d\n  krust://x\n", "- !!str &a # c\n\n  # d\n  IMAGE\n"),
        ("- |\n  krust://x\n\n", "- |\n  IMAGE\n\n"),
        ("- |+ # c\n   krust://x \n\n- b", "- |+ # c\n   IMAGE \n\n- b"),
        ("- >2-\n  krust://x", "- >2-\n  IMAGE"),
        ("- 'krust://x\n\n  '\n", "- 'IMAGE'\n"),
        ('- "krust:\\\n   //x" # c\n', '- "IMAGE" # c\n'),
        ("- krust://x\n  y # c\n", "- IMAGE # c\n"),
        ("? krust://key\n: krust://x\n", "? krust://key\n: IMAGE\n"),
        ("? [krust://key]\n: krust://x\n", "? [krust://key]\n: IMAGE\n"),
        ("krust://key: krust://x\n", "krust://key: IMAGE\n"),
        ("base: &b {i: krust://x}\nit: {<<: *b}\n", "base: &b {i: IMAGE}\nit: {<<: *b}\n"),
        ("--- krust://x\n--- krust://x\n...\n", "--- IMAGE\n--- IMAGE\n...\n"),
        ("%TAG !e! tag:e.com,2000:\n---\n!e!x krust://x", "%TAG !e! tag:e.com,2000:\n---\n!e!x IMAGE"),
        ("\ufeffa: 😀\nb: krust://x\n", "\ufeffa: 😀\nb: IMAGE\n"),
        ("&a x: &a y\n&a z: krust://x\n", "&a x: &a y\n&a z: IMAGE\n"),
        ("a: see krust://x\n", "a: see krust://x\n"),
    ],
)  # fmt: skip
def test_only_the_scalar_changes(before: str, after: str) -> None:
    assert spliced(before.encode()).decode() == after.replace("IMAGE", IMAGE)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_two_bytes_a_character_stay_so(encoding: str) -> None:
    before = "\ufeffa: 😀é\r\nb: krust://x\r\n"
    assert spliced(before.encode(encoding)) == before.replace("krust://x", IMAGE).encode(encoding)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a: --image=krust://x,krust://y#b!\n", "a: --image=IMAGE,IMAGE!\n"),
        ("a: [--image=krust://x]\n", "a: [--image=IMAGE]\n"),
        ("a: |\n  run krust://../x.\n   and (krust://y)\n", "a: |\n  run IMAGE.\n   and (IMAGE)\n"),
        ("a: 'it''s krust://x'\n", "a: 'it''s IMAGE'\n"),
        ('a: "x\\tkrust://x\\n"\n', 'a: "x\\tIMAGE\\n"\n'),
        ('a: "krust:\\/\\/x"\n', 'a: "IMAGE"\n'),
        ("a: see\n  krust://x\n", "a: see\n  IMAGE\n"),
        ("a: krust://. # krust://x\n", "a: IMAGE # krust://x\n"),
    ],
)
def test_substrings_change_alone(before: str, after: str) -> None:
    assert spliced(before.encode(), substrings=True).decode() == after.replace("IMAGE", IMAGE)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a: krust://x\n", 'a: "IMAGE"\n'),
        ("a: [krust://x]\n", 'a: ["IMAGE"]\n'),
        ("a: 'krust://x'\n", "a: 'IMAGE'\n"),
        ("a: |\n  krust://x\n", "a: |\n  IMAGE\n"),
        ("a: --b=krust://x\n", "a: --b=IMAGE\n"),
        ("a: [--b=krust://x]\n", 'a: ["--b=IMAGE"]\n'),
    ],
)
def test_an_image_that_is_no_plain_scalar_gets_quotes(before: str, after: str) -> None:
    assert spliced(before.encode(), IPV6, substrings=True).decode() == after.replace("IMAGE", IPV6)


@pytest.mark.parametrize("image", ["a b", "a\nb", "a: b", "", "'", "#"])
def test_what_is_no_image_is_refused(image: str) -> None:
    with pytest.raises(KubeError, match=r"cannot replace 'krust://x' in 'file.yaml:1:4'"):
        spliced(b"a: krust://x\n", image)


def test_a_reference_that_is_not_where_it_was_is_refused() -> None:
    """As when the file has changed between looking and writing."""
    found = find(Text(file="f", characters="a: krust://x\n"))
    with pytest.raises(KubeError, match="not where"):
        splice(Text(file="f", characters="a: 'something else'\n"), [(each, IMAGE) for each in found])
    block = find(Text(file="f", characters="a: |\n  krust://x\n"))
    with pytest.raises(KubeError, match="cannot replace"):
        splice(Text(file="f", characters="a: 'something else'\n"), [(each, IMAGE) for each in block])


def test_what_is_cut_out_takes_its_references_along() -> None:
    text = Text(file="f", characters="a: krust://x\n---\nb: krust://y\n---\nc: krust://z\n")
    done = splice(text, [(each, IMAGE) for each in find(text)], without=[(13, 30)])
    assert done.characters == f"a: {IMAGE}\n---\nc: {IMAGE}\n"


@pytest.mark.parametrize("path", STYLES, ids=lambda path: path.name)
def test_a_file_of_each_kind_comes_out_as_it_went_in(path: Path) -> None:
    raw = path.read_bytes()
    assert spliced(raw) == raw
    assert spliced(raw, substrings=True) == raw
    # The comment alone makes krust look at each value.
    text = Text.decode(raw, path.name)
    assert find(text.saying(text.characters + "\n# krust://comment"), substrings=True) == []


@given(
    planted=awkward() | dumped(),
    form=st.sampled_from([("", "utf-8"), ("\ufeff", "utf-8"), ("\ufeff", "utf-16-le"), ("\ufeff", "utf-16-be")]),
)
def test_exactly_the_references_are_replaced(planted: Planted, form: tuple[str, str]) -> None:
    mark, encoding = form
    text = Text.decode((mark + planted.text).encode(encoding), "f")
    found = find(text)
    assert [each.reference for each in found] == planted.references
    done = splice(text, [(each, IMAGE) for each in found]).encode()
    assert done == (mark + planted.expected()).encode(encoding)


@given(planted=awkward() | dumped())
def test_the_trees_are_equal_but_for_the_references(planted: Planted) -> None:
    text = Text(file="f", characters=planted.text)
    done = splice(text, [(each, IMAGE) for each in find(text)])

    def replaced(event: tuple[object, ...]) -> tuple[object, ...]:
        kind, value, *rest = event
        if not isinstance(value, str) or not value.startswith("krust://") or value.startswith(_KEYS):
            return event
        return kind, IMAGE + value[len(value.rstrip()) :], *rest

    assert says(done.characters) == [replaced(event) for event in says(planted.text)]


@given(planted=awkward(), data=st.data())
def test_a_broken_file_is_an_error_with_its_place_or_stays_sound(planted: Planted, data: st.DataObject) -> None:
    """Whatever is torn out of it: nothing but KubeError is raised, and nothing but references changes."""
    start, end = sorted(data.draw(st.integers(0, len(planted.text))) for _ in range(2))
    text = Text(file="f.yaml", characters=planted.text[:start] + planted.text[end:])
    for substrings in (False, True):
        try:
            found = find(text, substrings=substrings)
            done = splice(text, [(each, IMAGE) for each in found])
        except KubeError as error:
            assert "'f.yaml:" in str(error)  # noqa: PT017 (most examples raise nothing)
            continue
        assert done.characters.count(IMAGE) == len(found)
        assert len(find(done)) == 0
