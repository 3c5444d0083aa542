"""Refs: by compare-and-swap in `index.json`, which other tools write, too."""

from __future__ import annotations

import copy
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plumbing.errors import Malformed, NotFound, RefConflict, StoreError
from plumbing.oci import mediatype
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.oci.reference import Reference
from plumbing.store import Store, refs
from plumbing.store.refs import ANNOTATION, check_name
from tests.plumbing.store.images import put_image
from tests.strategies import names_of_refs, references, unknown_fields


def written(store: Store) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((store.path / "index.json").read_bytes())
    return value


def write(store: Store, value: object) -> None:
    (store.path / "index.json").write_text(json.dumps(value))


def entry(image: Descriptor, name: str | None = None, **more: object) -> dict[str, object]:
    annotations = {} if name is None else {"annotations": {ANNOTATION: name}}
    return {**image.to_json(), **annotations, **more}


@pytest.fixture
def image(store: Store) -> Descriptor:
    return put_image(store, "one")


@pytest.fixture
def other(store: Store) -> Descriptor:
    return put_image(store, "two")


def test_a_ref_is_a_descriptor_with_a_name(store: Store, image: Descriptor) -> None:
    store.update_ref("hello:latest", image)
    assert written(store) == {
        "schemaVersion": 2,
        "mediaType": mediatype.INDEX,
        "manifests": [{**image.to_json(), "annotations": {"org.opencontainers.image.ref.name": "hello:latest"}}],
    }
    assert store.refs.get("hello:latest") == Descriptor.parse(json.dumps(written(store)["manifests"][0]))
    assert store.refs.get("hello") is None


def test_a_small_index_takes_little_memory(store: Store, image: Descriptor) -> None:
    store.update_ref("image", image)
    tracemalloc.start()
    assert [ref.name for ref in store.refs] == ["image"]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20, "the size that it may have at most is not what is asked for"


def test_the_same_name_is_never_there_twice(store: Store, image: Descriptor, other: Descriptor) -> None:
    for descriptor in (image, other, image, image):
        store.update_ref("a:1", descriptor)
        store.update_ref("b:1", image)
    assert [(ref.name, ref.descriptor.digest) for ref in store.refs] == [("a:1", image.digest), ("b:1", image.digest)]


def test_what_is_so_already_is_not_written(store: Store, image: Descriptor) -> None:
    store.update_ref("a:1", image)
    before = (store.path / "index.json").stat()
    store.update_ref("a:1", image)
    assert (store.path / "index.json").stat().st_ino == before.st_ino


def test_compare_and_swap(store: Store, image: Descriptor, other: Descriptor) -> None:
    store.update_ref("a:1", image, None)
    store.update_ref("a:1", other, image.digest)
    for expected, said in ((None, "no such ref"), (image.digest, image.digest)):
        with pytest.raises(RefConflict) as caught:
            store.update_ref("a:1", image, expected)
        assert str(caught.value) == (
            f"cannot update ref 'a:1': expected {said}, found {other.digest}; look at it again with 'krust ls-refs'"
        )
    with pytest.raises(RefConflict, match=f"cannot update ref 'b:1': expected {image.digest}, found no such ref; look"):
        store.update_ref("b:1", image, image.digest)
    assert [(ref.name, ref.descriptor.digest) for ref in store.refs] == [("a:1", other.digest)]


def test_several_names_change_all_or_none(store: Store, image: Descriptor, other: Descriptor) -> None:
    store.update_ref("b:1", image)
    before = (store.path / "index.json").read_bytes()
    with pytest.raises(RefConflict):
        store.update_refs({"a:1": (other, None), "b:1": (other, None)})
    assert (store.path / "index.json").read_bytes() == before
    store.update_refs({"a:1": (other, None), "b:1": (other, image.digest)})
    assert {ref.name: ref.descriptor.digest for ref in store.refs} == {"a:1": other.digest, "b:1": other.digest}


def test_delete(store: Store, image: Descriptor, other: Descriptor) -> None:
    store.update_refs({"a:1": (image, None), "b:1": (other, None)})
    with pytest.raises(RefConflict):
        store.delete_ref("a:1", other.digest)
    store.delete_ref("a:1", image.digest)
    assert [ref.name for ref in store.refs] == ["b:1"]
    with pytest.raises(
        NotFound, match=r"^cannot find ref 'a:1' in '.*'; 'krust ls-refs' lists the refs that are there$"
    ):
        store.delete_ref("a:1")


@pytest.mark.parametrize("what", ["config", "layer", "manifest"])
def test_a_ref_to_an_image_that_is_not_whole_is_refused(what: str, store: Store, image: Descriptor) -> None:
    manifest = store.manifest(image)
    missing = dict(zip(["config", "layer"], manifest.children, strict=True)).get(what, image)
    store.blobs.path(missing.digest).unlink()
    with pytest.raises(NotFound, match=f"^cannot read '{missing.digest}': no such blob in"):
        store.update_ref("a:1", image)
    assert written(store)["manifests"] == []


FOREIGN: dict[str, Any] = {
    "x-first": [1.5, None, {"deep": "é"}],
    "schemaVersion": 2,
    "manifests": [
        {"mediaType": "application/xml", "digest": f"sha256:{'5' * 64}", "size": 7143, "x": {"y": None}, "urls": None},
        {"mediaType": mediatype.INDEX, "digest": f"sha256:{'6' * 64}", "size": 1, "annotations": None},
        {"mediaType": mediatype.INDEX, "digest": f"sha256:{'7' * 64}", "size": 1, "annotations": {ANNOTATION: "other"}},
    ],
    "annotations": {"com.example.index.revision": "r124356"},
    "subject": None,
}


@settings(max_examples=30)
@given(unknown_fields())
def test_what_others_wrote_is_kept(tmp_path_factory: pytest.TempPathFactory, unknown: dict[str, object]) -> None:
    """Every field of every other entry, in its order; no mediaType is made up."""
    store = Store.create(tmp_path_factory.mktemp("foreign"))
    image = put_image(store, "one")
    foreign = {**copy.deepcopy(FOREIGN), **unknown}
    write(store, foreign)
    store.update_ref("a:1", image)
    expected = {**foreign, "manifests": [*foreign["manifests"], entry(image, "a:1")]}
    assert list(written(store).items()) == list(expected.items())
    store.delete_ref("a:1")
    assert json.dumps(written(store)) == json.dumps(foreign)


def test_a_foreign_index_without_manifests_gets_some(store: Store, image: Descriptor) -> None:
    for empty in ({"schemaVersion": 2}, {"schemaVersion": 2, "manifests": None}):
        write(store, empty)
        assert list(store.refs) == []
        store.update_ref("a:1", image)
        assert written(store) == {"schemaVersion": 2, "manifests": [entry(image, "a:1")]}


def test_a_name_that_others_wrote_twice(store: Store, image: Descriptor, other: Descriptor) -> None:
    """The last entry counts; a change leaves one, where the first was; a deletion none."""
    twice = {"schemaVersion": 2, "manifests": [entry(image, "a:1"), entry(other), entry(other, "a:1")]}
    write(store, twice)
    assert store.refs.get("a:1") == Descriptor.parse(json.dumps(entry(other, "a:1")))
    with pytest.raises(RefConflict):
        store.update_ref("a:1", image, image.digest)
    store.update_ref("a:1", image, other.digest)
    assert written(store)["manifests"] == [entry(image, "a:1"), entry(other)]
    write(store, twice)
    store.delete_ref("a:1")
    assert written(store)["manifests"] == [entry(other)]


DAMAGED = {
    "no JSON": "{",
    "nothing": "",
    "no object": "[]",
    "a key twice": '{"manifests":[],"manifests":[]}',
    "manifests that are an object": '{"manifests":{"a":1}}',
    "manifests that are a text": '{"manifests":"ab"}',
    "manifests that are false": '{"manifests":false}',
}


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_index_is_named_and_left_alone(text: str, store: Store, image: Descriptor) -> None:
    path = store.path / "index.json"
    path.write_text(text)
    for deed in (
        lambda: list(store.refs),
        lambda: store.refs.get("a:1"),
        lambda: store.update_ref("a:1", image),
        lambda: store.delete_ref("a:1"),
    ):
        with pytest.raises(StoreError, match=f"^cannot read '{path}': malformed index"):
            deed()
    assert path.read_text() == text


@pytest.mark.parametrize("kind", ["missing", "a link", "a folder"])
def test_an_index_that_is_no_file_is_named(kind: str, store: Store, image: Descriptor, tmp_path: Path) -> None:
    path = store.path / "index.json"
    path.rename(tmp_path / "elsewhere")
    if kind == "a link":
        path.symlink_to(tmp_path / "elsewhere")
    elif kind == "a folder":
        path.mkdir()
    with pytest.raises(StoreError, match=f"^cannot read '{path}': "):
        store.update_ref("a:1", image)
    assert json.loads((tmp_path / "elsewhere").read_text())["manifests"] == []


@pytest.mark.parametrize("wrong", [None, 5, {}, {"digest": "sha256:../x"}], ids=str)
def test_an_entry_that_is_none_hides_no_other(wrong: object, store: Store, image: Descriptor) -> None:
    """It is an error to those who must know all, such as gc, and kept by those who need not."""
    write(store, {"schemaVersion": 2, "manifests": [wrong, entry(image, "a:1")]})
    assert store.refs.get("a:1") is not None
    store.update_ref("b:1", image)
    assert written(store)["manifests"] == [wrong, entry(image, "a:1"), entry(image, "b:1")]
    with pytest.raises(StoreError, match=r"^cannot read '.*index.json': malformed index .* in 'manifests\[0\]"):
        list(store.refs)


GOOD = [
    "a",
    "hello:latest",
    "ghcr.io/me/app:v1",
    "localhost:5000/a/b:t",
    "[::1]:5000/a__b:v1_",
    f"a@sha256:{'0' * 64}",
    "v1+build",
]
BAD = ["", "-a", "a b", "a\n", "a\0", "é", "../a", "a/../b", "/a", "a/", "a,b", "a" * 513, "a\udcff"]


@pytest.mark.parametrize("name", GOOD)
def test_names_that_a_layout_may_hold(name: str, store: Store, image: Descriptor) -> None:
    store.update_ref(name, image)
    assert store.refs.get(name) is not None


@pytest.mark.parametrize("name", BAD)
def test_names_that_no_layout_may_hold(name: str, store: Store, image: Descriptor) -> None:
    with pytest.raises(Malformed, match=r"^malformed ref '"):
        store.update_ref(name, image)
    assert written(store)["manifests"] == []


@given(references())
def test_every_reference_is_a_name(reference: Reference) -> None:
    """What was fetched is named by its reference."""
    assert check_name(str(reference)) == str(reference)


@given(st.text())
def test_any_text_is_a_name_or_malformed(text: str) -> None:
    try:
        assert check_name(text) == text
    except Malformed:
        return


@pytest.mark.parametrize("large", [refs._LARGE, 0], ids=["parsed", "by lines"])
@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(names_of_refs(), st.integers(0, 2), st.sampled_from(["any", "right", "absent", "wrong"])), max_size=12
    )
)
def test_refs_are_a_dictionary_with_compare_and_swap(
    tmp_path_factory: pytest.TempPathFactory, large: int, steps: list[tuple[str, int, str]]
) -> None:
    """Against a model: whatever the order of changes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refs, "_LARGE", large)
        _play(tmp_path_factory, steps)


def _play(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, str]]) -> None:
    from plumbing.store.store import ANY, Expected

    store = Store.create(tmp_path_factory.mktemp("model"))
    images = [put_image(store, str(number)) for number in range(3)]
    model: dict[str, Digest] = {}
    for name, number, how in steps:
        expected: Expected = {"any": ANY, "absent": None, "wrong": Digest.of(b"wrong")}.get(how, model.get(name))
        if expected is ANY or expected == model.get(name):
            store.update_ref(name, images[number], expected)
            model[name] = images[number].digest
        else:
            with pytest.raises(RefConflict):
                store.update_ref(name, images[number], expected)
        assert {ref.name: ref.descriptor.digest for ref in store.refs} == model
        found = store.refs.get(name)
        assert (found and found.digest) == model.get(name)
