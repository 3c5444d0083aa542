"""update-ref and delete-ref: compare-and-swap from a shell."""

from __future__ import annotations

import pytest

from plumbing.oci.descriptor import Descriptor
from plumbing.store import Store
from tests.plumbing.commands.conftest import Plumbing
from tests.plumbing.store.images import put_image


@pytest.fixture
def one(store: Store) -> Descriptor:
    return put_image(store, "one")


@pytest.fixture
def two(store: Store) -> Descriptor:
    return put_image(store, "two")


def refs(store: Store) -> dict[str | None, str]:
    return {ref.name: str(ref.descriptor.digest) for ref in store.refs}


def test_a_ref_from_nothing_to_nothing(store: Store, plumbing: Plumbing, one: Descriptor, two: Descriptor) -> None:
    plumbing("update-ref", "hello", one.digest, "")
    assert refs(store) == {"hello:latest": str(one.digest)}
    plumbing("update-ref", "hello", two.digest, "", code=1)
    plumbing("update-ref", "hello", two.digest, one.digest)
    plumbing("update-ref", "hello", two.digest, one.digest, code=1)
    plumbing("update-ref", "hello", one.digest)
    plumbing("delete-ref", "hello", two.digest, code=1)
    assert refs(store) == {"hello:latest": str(one.digest)}
    plumbing("delete-ref", "hello", one.digest)
    assert refs(store) == {}


def test_it_prints_nothing(store: Store, plumbing: Plumbing, one: Descriptor) -> None:
    for words in (["update-ref", "hello", one.digest], ["delete-ref", "hello"]):
        ran = plumbing(*words)
        assert (ran.raw, ran.err) == (b"", "")


@pytest.mark.parametrize(
    ("name", "full"),
    [("hello", "hello:latest"), ("hello:v1", "hello:v1"), ("a/b", "a/b:latest"), ("host:5000/a", "host:5000/a:latest")],
)
def test_a_name_without_a_tag_is_latest(
    name: str, full: str, store: Store, plumbing: Plumbing, one: Descriptor
) -> None:
    plumbing("update-ref", name, one.digest)
    assert list(refs(store)) == [full]
    plumbing("delete-ref", name)
    assert refs(store) == {}


@pytest.mark.parametrize(("options", "end"), [([], "\n"), (["-z"], "\0")])
def test_a_batch(
    options: list[str], end: str, store: Store, plumbing: Plumbing, one: Descriptor, two: Descriptor
) -> None:
    lines = [f"a {one.digest}", f"b {two.digest} ", "", f"c {one.digest.hex[:9]}"]
    plumbing("update-ref", "d", two.digest, *options, "--batch", "-", stdin=end.join(lines).encode())
    assert refs(store) == {
        "d:latest": str(two.digest),
        "a:latest": str(one.digest),
        "b:latest": str(two.digest),
        "c:latest": str(one.digest),
    }


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("c {one} {two}", "cannot update ref 'c:latest': expected {two}, found no such ref; look at it again"),
        ("a {two} ", "cannot update ref 'a:latest': expected no such ref, found {one}; look"),
        ("c nope", "cannot find 'nope': no ref"),
        ("c", "malformed record 'c': expected NAME NEW [OLD], with one space between"),
        ("c {one} {one} {one}", "malformed record 'c {one} "),
        ("b:latest {one}", "malformed batch 'b:latest': expected each name once"),
        ("c\0 {one}", r"malformed record 'c\x00 {one}"),
        ("-c {one}", "malformed ref '-c:latest': expected parts of letters"),
    ],
)
def test_a_batch_is_all_or_none(
    line: str, said: str, store: Store, plumbing: Plumbing, one: Descriptor, two: Descriptor
) -> None:
    store.update_ref("a:latest", one)
    names = {"one": one.digest, "two": two.digest}
    batch = f"b {one.digest}\n{line.format(**names)}\n"
    ran = plumbing("update-ref", "--batch", "-", stdin=batch.encode(), code=1)
    assert ran.err.startswith(f"plumbing: {said.format(**names)}")
    assert refs(store) == {"a:latest": str(one.digest)}


def test_a_batch_that_is_not_utf_8_is_refused(store: Store, plumbing: Plumbing) -> None:
    ran = plumbing("update-ref", "--batch", "-", stdin=b"\xff x\n", code=1)
    assert ran.err.endswith("expected UTF-8\n")
