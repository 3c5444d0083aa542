from __future__ import annotations

import json

from plumbing.oci import mediatype
from plumbing.oci.digest import Digest
from plumbing.oci.index import Index
from plumbing.oci.manifest import Manifest
from plumbing.store import Store
from tests.plumbing.commands.conftest import Plumbing
from tests.plumbing.store.images import ARM64, put_image


def written(store: Store, digest: str) -> Index:
    index = store.manifest(store.describe(Digest.parse(digest)))
    assert isinstance(index, Index)
    return index


def test_each_manifest_with_the_platform_of_its_config_in_the_order_given(store: Store, plumbing: Plumbing) -> None:
    arm64, amd64 = put_image(store, "one", platform=ARM64), put_image(store, "one")
    index = written(store, plumbing("write-index", arm64.digest, amd64.digest, "--annotation", "a=b").out.strip())
    assert [(entry.digest, str(entry.platform)) for entry in index.manifests] == [
        (arm64.digest, "linux/arm64"),
        (amd64.digest, "linux/amd64"),
    ]
    assert index.annotations == {"a": "b"}
    assert (
        plumbing("write-index", amd64.digest, arm64.digest).out
        != plumbing("write-index", arm64.digest, amd64.digest).out
    )


def test_refs_do_not_change_its_bytes(store: Store, plumbing: Plumbing) -> None:
    image = put_image(store, "one")
    artifact = Manifest.of(store.put(b"{}", mediatype.EMPTY), [], artifact_type="application/vnd.example")
    named = store.put(artifact.raw, mediatype.MANIFEST)
    before = plumbing("write-index", image.digest, named.digest).out
    notes = {"annotations": {"org.opencontainers.image.ref.name": "x:1"}, "x": 1, "artifactType": "a/b"}
    platform = {"platform": {"os": "plan9", "architecture": "amd64"}}
    entries = [{**image.to_json(), **notes, **platform}, {**named.to_json(), **notes, **platform}]
    (store.path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))
    assert plumbing("write-index", "x:1", named.digest).code == 0
    assert plumbing("write-index", image.digest, named.digest).out == before
    [first, second] = written(store, before.strip()).manifests
    assert (first.annotations, first.artifact_type, first.rest) == ({}, None, {})
    assert (second.platform, second.artifact_type) == (None, "application/vnd.example")


def test_indexes_may_be_in_an_index(store: Store, plumbing: Plumbing) -> None:
    inner = plumbing("write-index", put_image(store, "one").digest).out.strip()
    index = written(store, plumbing("write-index", inner).out.strip())
    assert [(entry.media_type, entry.platform) for entry in index.manifests] == [(mediatype.INDEX, None)]
