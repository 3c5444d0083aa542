"""Editing in place: the reference stays beside its image, and is found again."""

from __future__ import annotations

import time
from collections import defaultdict

import pytest
from hypothesis import assume, given

from krust.errors import KubeError
from krust.kube.keep import find_kept, splice_kept
from krust.kube.text import Text
from tests.krust.kube.strategies import Planted, awkward
from tests.krust.kube.whole import find

ONE, TWO = ("registry.example:5000/team/app@sha256:" + each * 64 for each in "12")


def kept(characters: str, image: str = ONE, *, substrings: bool = False) -> str:
    text = Text(file="f.yaml", characters=characters)
    images: defaultdict[str, str] = defaultdict(lambda: image)
    return splice_kept(text, find_kept(text, substrings=substrings), images).characters


def references(characters: str) -> list[str]:
    return [each.occurrence.reference for each in find_kept(Text(file="f.yaml", characters=characters))]


PLACED = [
    ("a: krust://x\n", "a: IMAGE # krust://x\n"),
    ("a: krust://x#b", "a: IMAGE # krust://x#b"),
    ("a: krust://x\r\nb: 1\r\n", "a: IMAGE # krust://x\r\nb: 1\r\n"),
    ("a: krust://x  \nb: 'krust://y'\t\n", "a: IMAGE # krust://x  \nb: 'IMAGE' # krust://y\t\n"),
    ('a: "krust://x"  # the web "server" \n', 'a: "IMAGE"  # the web "server" # krust://x \n'),
    ("a: krust://x # krust://y is what it was\n", "a: IMAGE # krust://x is what it was\n"),
    ("a: krust://x #krust://y\n", "a: IMAGE #krust://y # krust://x\n"),
    ("a: !t &b krust://x\nc: *b\n", "a: !t &b IMAGE # krust://x\nc: *b\n"),
    ("a: !t # tag\n  krust://x\n", "a: !t # tag\n  IMAGE # krust://x\n"),
    ("a: {b: krust://x, c: [krust://y]}\n", "a: {b: IMAGE, c: [IMAGE]} # krust://x # krust://y\n"),
    ("a: [krust://x, # one\n  'krust://y'\n ]\n", "a: [IMAGE, # one # krust://x\n  'IMAGE' # krust://y\n ]\n"),
    ("a: {b: krust://x, c: *d, e: !f &g }\n", "a: {b: IMAGE, c: *d, e: !f &g } # krust://x\n"),
    ("a: |\n  krust://x\nb: 1\n", "a: | # krust://x\n  IMAGE\nb: 1\n"),
    ("a: &b >2- # c\n  krust://x", "a: &b >2- # c # krust://x\n  IMAGE"),
    ("a: 'krust://x\n\n  '\n", "a: 'IMAGE' # krust://x\n"),
    ("? krust://k\n: krust://x\n", "? krust://k\n: IMAGE # krust://x\n"),
    ("--- krust://x\n--- krust://y", "--- IMAGE # krust://x\n--- IMAGE # krust://y"),
    ("a: 'x # krust://y'\nb: krust://x\n", "a: 'x # krust://y'\nb: IMAGE # krust://x\n"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after"), PLACED)
def test_the_reference_is_kept_and_found_again(before: str, after: str) -> None:
    once = kept(before)
    assert once == after.replace("IMAGE", ONE)
    assert find(Text(file="f.yaml", characters=once)) == []
    assert references(once) == references(before)
    assert kept(once) == once
    assert kept(once, TWO) == after.replace("IMAGE", TWO)


def test_substrings_are_kept_too_and_found_without_the_flag() -> None:
    before = "a: ['--image=krust://x,', krust://y]\nb: |\n  run krust://x\n  and krust://z.\n"
    after = "a: ['--image=IMAGE,', IMAGE] # krust://x # krust://y\n"
    after += "b: | # krust://x # krust://z\n  run IMAGE\n  and IMAGE.\n"
    once = kept(before, substrings=True)
    assert once == after.replace("IMAGE", ONE)
    assert kept(once, TWO) == kept(once, TWO, substrings=True) == after.replace("IMAGE", TWO)


@pytest.mark.parametrize(
    "characters",
    [
        "",
        f"a: {ONE}\n",
        "a: nginx:1 # krust://x\n",
        "# krust://x\na: |\n  b # krust://x\n",
        f"a: {ONE} # image: krust://x\n",
        f"# krust://x\na: {ONE}\n",
        f"a: {ONE}0 # krust://x\n",
        f'{{"a": "{ONE}"}}',
        f"a: |\n  {ONE} # krust://x\n",
        f'a: "x\\n{ONE}"\nb: x # krust://x\n',
    ],
)
def test_what_is_no_kept_reference_is_left_alone(characters: str) -> None:
    assert kept(characters, TWO) == characters


@pytest.mark.parametrize(
    ("characters", "said"),
    [
        ('{"a": "krust://x"}', "'f.yaml:1:8': JSON has no comments"),
        ("a: [krust://x, 'b\n  c']\n", "'f.yaml:1:5': its line ends within a string"),
        ("a: [krust://x, b\n  c]\n", "its line ends within a string"),
        ("a: krust://my app\n", "a reference with spaces"),
        (f"a: [krust://x, {ONE}]\n", "cannot tell which image of 'f.yaml:1:5'.*2 images and 0 comments"),
        (f"a: [{ONE}, {ONE}] # krust://x\n", "2 images and 1 comments"),
        (f"a: {ONE} # krust://x # krust://y\n", "1 images and 2 comments"),
        ("a: krust://x # krust://y # krust://z\n", "1 images and 2 comments"),
    ],
)
def test_where_no_comment_can_be_it_is_refused(characters: str, said: str) -> None:
    with pytest.raises(KubeError, match=said):
        kept(characters)


def test_an_image_that_runs_into_the_text_before_it_is_refused() -> None:
    with pytest.raises(KubeError, match="could not be told from the text around it"):
        kept("a: x:krust://x\n", substrings=True)


def test_a_line_of_many_images_is_searched_for_its_end_once() -> None:
    begun = time.process_time()
    once = kept(f"a: [{', '.join(['krust://x'] * 2000)}]\n")
    assert once.count(ONE) == once.count("# krust://x") == 2000
    assert time.process_time() - begun < 2  # five seconds where each event looks for it


@given(planted=awkward())
def test_whatever_is_edited_is_edited_again_the_same_way(planted: Planted) -> None:
    """It says what `splice` would have made it say, and each reference is found again."""
    try:
        once = kept(planted.text)
    except KubeError:
        assume(False)
    assert references(once) == planted.references
    assert kept(once) == once
    assert kept(once, TWO) == once.replace(ONE, TWO)
    assert once.count(ONE) == len(planted.references)
