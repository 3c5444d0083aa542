"""Manifests and indexes: what both keep, and what could be read as the other."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbing.errors import Malformed
from plumbing.oci import mediatype
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.index import Index, parse_node, sniff
from plumbing.oci.manifest import Manifest
from tests.strategies import descriptors, documents, indexes, manifests, mutated, string_maps, unknown_fields

CONFIG = Descriptor.of(b"{}", mediatype.CONFIG)
LAYER = Descriptor.of(b"layer", mediatype.LAYER_GZIP)
MANIFEST = {"schemaVersion": 2, "config": CONFIG.to_json(), "layers": [LAYER.to_json()]}
INDEX = {"schemaVersion": 2, "manifests": [Descriptor.of(b"m", mediatype.MANIFEST).to_json()]}


def raw(value: dict[str, object]) -> bytes:
    return json.dumps(value).encode()


@given(manifests())
def test_a_manifest_parses_back_from_its_bytes(manifest: Manifest) -> None:
    assert Manifest.parse(manifest.raw) == manifest
    assert sniff(manifest.raw) == mediatype.MANIFEST


@given(indexes())
def test_an_index_parses_back_from_its_bytes(index: Index) -> None:
    assert Index.parse(index.raw) == index
    assert sniff(index.raw) == mediatype.INDEX


@given(descriptors(), st.lists(descriptors(), max_size=3), string_maps())
def test_what_a_manifest_is_made_of_is_what_it_says(
    config: Descriptor, layers: list[Descriptor], notes: dict[str, str]
) -> None:
    manifest = Manifest.of(config, layers, annotations=notes)
    assert (manifest.config, manifest.layers, manifest.annotations) == (config, tuple(layers), notes)
    assert manifest.children == (config, *layers)
    assert manifest.descriptor == Descriptor.of(manifest.raw, mediatype.MANIFEST)


@given(st.lists(descriptors(), max_size=3), string_maps())
def test_an_index_keeps_the_order_of_its_manifests(children: list[Descriptor], notes: dict[str, str]) -> None:
    index = Index.of(children, annotations=notes)
    assert (index.children, index.annotations) == (tuple(children), notes)
    assert index.descriptor == Descriptor.of(index.raw, mediatype.INDEX)


def test_golden_bytes() -> None:
    """The same arguments give the same bytes, in every version."""
    config, layer = CONFIG.to_json(), LAYER.to_json()
    subject = Descriptor.of(b"s", mediatype.MANIFEST)
    made = Manifest.of(CONFIG, [LAYER], annotations={"b": "é", "a": ""}, subject=subject, artifact_type="a/b")
    fields = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": "a/b",
        "config": config,
        "layers": [layer],
        "subject": subject.to_json(),
        "annotations": {"a": "", "b": "é"},
    }
    assert made.raw == json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()
    assert Manifest.of(CONFIG, []).raw == (
        b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":'
        b'"application/vnd.oci.image.config.v1+json","digest":'
        b'"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}'
    )
    assert (
        Index.of([]).raw == b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}'
    )


@given(unknown_fields())
def test_bytes_are_the_identity(unknown: dict[str, object]) -> None:
    spaced = json.dumps({**unknown, **MANIFEST}, indent=3).encode()
    manifest = Manifest.parse(spaced)
    assert manifest.raw == spaced
    assert manifest.descriptor.digest == Descriptor.of(spaced, mediatype.MANIFEST).digest


@pytest.mark.parametrize("media_type", sorted(mediatype.MANIFESTS | mediatype.INDEXES))
def test_dockers_types_are_taken(media_type: str) -> None:
    value = MANIFEST if media_type in mediatype.MANIFESTS else INDEX
    for document in (value, {**value, "mediaType": media_type}):
        node = parse_node(raw(document), media_type)
        assert node.media_type == node.descriptor.media_type == media_type
    assert sniff(raw({**value, "mediaType": media_type})) == media_type


HOSTILE_MANIFESTS = {
    "an index at once": {**MANIFEST, **INDEX},
    "an index by its type": {**MANIFEST, "mediaType": mediatype.INDEX},
    "docker's by its type": {**MANIFEST, "mediaType": mediatype.DOCKER_MANIFEST},
    "a type that is no text": {**MANIFEST, "mediaType": 5},
    "the first version": {**MANIFEST, "schemaVersion": 1},
    "no version": {"config": MANIFEST["config"], "layers": []},
    "a version as text": {**MANIFEST, "schemaVersion": "2"},
    "no config": {"schemaVersion": 2, "layers": []},
    "a null config": {**MANIFEST, "config": None},
    "layers that are no array": {**MANIFEST, "layers": {}},
    "a layer that is null": {**MANIFEST, "layers": [None]},
    "a layer without size": {**MANIFEST, "layers": [{k: v for k, v in LAYER.to_json().items() if k != "size"}]},
    "a digest that is a path": {**MANIFEST, "config": {**CONFIG.to_json(), "digest": "sha256:../../x"}},
    "a subject that is none": {**MANIFEST, "subject": {}},
    "annotations that are no texts": {**MANIFEST, "annotations": {"a": {}}},
    "an artifact type that is no text": {**MANIFEST, "artifactType": ["a/b"]},
    "docker's schema 1": {"schemaVersion": 1, "fsLayers": [], "history": []},
}
HOSTILE_INDEXES = {
    "a manifest at once": {**MANIFEST, **INDEX},
    "layers": {**INDEX, "layers": []},
    "a config": {**INDEX, "config": {}},
    "a manifest by its type": {**INDEX, "mediaType": mediatype.MANIFEST},
    "docker's by its type": {**INDEX, "mediaType": mediatype.DOCKER_INDEX},
    "no version": {"manifests": []},
    "manifests that are no array": {**INDEX, "manifests": "x"},
    "a manifest that is a number": {**INDEX, "manifests": [1]},
    "a manifest with a negative size": {**INDEX, "manifests": [{**LAYER.to_json(), "size": -1}]},
    "a platform without its words": {**INDEX, "manifests": [{**LAYER.to_json(), "platform": {}}]},
}


@pytest.mark.parametrize("value", HOSTILE_MANIFESTS.values(), ids=HOSTILE_MANIFESTS)
def test_what_is_no_manifest_is_refused(value: dict[str, object]) -> None:
    with pytest.raises(Malformed):
        Manifest.parse(raw(value))


@pytest.mark.parametrize("value", HOSTILE_INDEXES.values(), ids=HOSTILE_INDEXES)
def test_what_is_no_index_is_refused(value: dict[str, object]) -> None:
    with pytest.raises(Malformed):
        Index.parse(raw(value))


def test_a_document_that_was_called_something_else_is_refused() -> None:
    """CVE-2021-41190: what a registry's Content-Type says must be what the document says."""
    for value, called in ((MANIFEST, mediatype.INDEX), (INDEX, mediatype.MANIFEST), (MANIFEST, mediatype.CONFIG)):
        with pytest.raises(Malformed):
            parse_node(raw(value), called)


@pytest.mark.parametrize(
    "value",
    [{}, {"schemaVersion": 2}, {"mediaType": mediatype.CONFIG}, {"config": {}}, {"layers": [], "mediaType": "x/y"}],
)
def test_what_is_neither_is_not_taken_for_one(value: dict[str, object]) -> None:
    with pytest.raises(Malformed):
        sniff(raw(value))


@given(st.binary() | mutated(documents()), st.sampled_from(sorted(mediatype.MANIFESTS | mediatype.INDEXES)))
def test_any_bytes_are_a_node_or_malformed(data: bytes, media_type: str) -> None:
    try:
        node = parse_node(data, media_type)
    except Malformed:
        return
    assert node.raw == data


@given(st.binary() | mutated(documents()))
def test_any_bytes_can_be_sniffed_at(data: bytes) -> None:
    try:
        assert sniff(data) in mediatype.MANIFESTS | mediatype.INDEXES
    except Malformed:
        return
