from __future__ import annotations

import json

import pytest

from plumbing.errors import DigestMismatch, Malformed, NotFound
from plumbing.oci import mediatype
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.oci.index import Index
from plumbing.oci.manifest import Manifest
from plumbing.store import Store
from plumbing.store.walk import DEEPEST, Seen, walk
from tests.plumbing.store.images import put_image, put_images, put_index


def test_children_come_before_what_names_them_each_once(store: Store) -> None:
    root = put_images(store)
    walked = list(store.walk(root))
    assert walked[-1] == root
    assert len({blob.digest for blob in walked}) == len(walked) == 8
    for position, blob in enumerate(walked):
        if blob.media_type in mediatype.MANIFESTS | mediatype.INDEXES:
            assert set(store.manifest(blob).children) <= set(walked[:position])


def test_shared_images_are_read_once(store: Store) -> None:
    image = put_image(store, "one")
    inner = put_index(store, image)
    root = put_index(store, inner, image, inner)
    read: list[Digest] = []

    def reading(node: Descriptor) -> Manifest | Index:
        read.append(node.digest)
        return store.manifest(node)

    assert [blob.digest for blob in walk(root, reading)][-3:] == [image.digest, inner.digest, root.digest]
    assert len(read) == 3
    assert set(read) == {image.digest, inner.digest, root.digest}


def test_what_the_caller_has_seen_is_passed_over(store: Store) -> None:
    one, two = put_image(store, "shared", "one"), put_image(store, "shared", "two")
    seen: Seen = set()
    first = {blob.digest for blob in store.walk(one, seen=seen)}
    second = {blob.digest for blob in store.walk(two, seen=seen)}
    assert Digest.of(b"shared") in first - second
    assert len(second) == 3


def test_a_blob_that_was_met_as_a_layer_is_still_followed_as_a_manifest(store: Store) -> None:
    """Else a foreign layout that calls a manifest something else would hide what is below it, and gc delete it."""
    image = put_image(store, "one")
    called = Descriptor(media_type="application/octet-stream", digest=image.digest, size=image.size)
    for root in (put_index(store, called, image), put_index(store, image, called)):
        assert Digest.of(b"one") in {blob.digest for blob in store.walk(root)}


def test_leaves_may_be_missing_nodes_not(store: Store) -> None:
    image = put_image(store, "one")
    store.blobs.path(Digest.of(b"one")).unlink()
    assert Digest.of(b"one") in {blob.digest for blob in store.walk(image)}
    store.blobs.path(image.digest).unlink()
    with pytest.raises(NotFound):
        list(store.walk(image))


def test_indexes_within_each_other_have_an_end(store: Store) -> None:
    root = put_image(store, "one")
    for _ in range(DEEPEST - 1):
        root = put_index(store, root)
    assert len(list(store.walk(root))) == DEEPEST + 2
    with pytest.raises(
        Malformed, match=f"^malformed index '.*': expected at most {DEEPEST} indexes within each other$"
    ):
        list(store.walk(put_index(store, root)))


def test_a_node_that_is_another_document_is_refused(store: Store) -> None:
    raw = store.read(put_image(store, "one"))
    with pytest.raises(Malformed):
        list(store.walk(store.put(raw, mediatype.INDEX)))
    both = json.dumps({**json.loads(raw), "manifests": []}).encode()
    with pytest.raises(Malformed):
        list(store.walk(store.put(both, mediatype.MANIFEST)))


def test_a_node_with_another_size_is_refused(store: Store) -> None:
    image = put_image(store, "one")
    wrong = Descriptor(media_type=image.media_type, digest=image.digest, size=image.size + 1)
    with pytest.raises(DigestMismatch):
        list(store.walk(wrong))
