"""Where layers may be mounted from. tests/krust/commands/test_push.py runs the command."""

from __future__ import annotations

from pathlib import Path

import pytest

from plumbing.commands.push import base_mounts
from plumbing.oci import mediatype
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.oci.index import Index
from plumbing.oci.manifest import BASE_NAME, Manifest
from plumbing.oci.reference import Reference
from plumbing.store import Store

TARGET = Reference.parse("registry.example/team/app")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store")


def on(store: Store, base: str, *layers: Descriptor) -> Descriptor:
    """An image that says to be on `base`."""
    config = store.put(b"{}", mediatype.CONFIG)
    return store.put(Manifest.of(config, layers, annotations={BASE_NAME: base}).raw, mediatype.MANIFEST)


def layer(store: Store, raw: bytes) -> Descriptor:
    return store.put(raw, mediatype.LAYER)


@pytest.mark.parametrize(
    ("name", "repository"),
    [
        ("registry.example/team/base:v1", "team/base"),
        ("registry.example/team/app", None),
        ("elsewhere.example/team/base", None),
        ("registry.example/../app", None),
        ("alpine", None),
        ("", None),
    ],
)
def test_layers_may_be_where_the_base_is_that_the_manifest_names(
    store: Store, name: str, repository: str | None
) -> None:
    one = layer(store, b"one")
    assert base_mounts(store, on(store, name, one), TARGET) == ({one.digest: repository} if repository else {})


def test_each_platform_has_its_own_base(store: Store) -> None:
    one, two = layer(store, b"one"), layer(store, b"two")
    manifests = [on(store, "registry.example/a", one), on(store, "registry.example/b", two)]
    root = store.put(Index.of(manifests).raw, mediatype.INDEX)
    assert base_mounts(store, root, TARGET) == {one.digest: "a", two.digest: "b"}


def test_a_layer_that_is_not_whole_here_is_mounted_from_nowhere(store: Store) -> None:
    """Or whoever knows no more than its digest could have it mounted where they may read it."""
    absent = Descriptor(media_type=mediatype.LAYER, digest=Digest.of(b"absent"), size=6)
    other = layer(store, b"other")
    path = store.blobs.path(other.digest)
    path.unlink()
    path.write_bytes(b"wrong")
    whole = layer(store, b"whole")
    root = on(store, "registry.example/private", absent, other, whole)
    assert base_mounts(store, root, TARGET) == {whole.digest: "private"}


def test_an_image_that_cannot_be_read_names_none(store: Store) -> None:
    missing = Descriptor(media_type=mediatype.MANIFEST, digest=Digest.of(b"missing"), size=7)
    one = layer(store, b"one")
    root = store.put(Index.of([on(store, "registry.example/a", one), missing]).raw, mediatype.INDEX)
    assert base_mounts(store, root, TARGET) == {one.digest: "a"}
