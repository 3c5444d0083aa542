from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from plumbing.oci import mediatype
from plumbing.oci.config import Config
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.oci.manifest import Manifest
from plumbing.oci.platform import Platform
from plumbing.store import Store
from tests.plumbing.commands.conftest import Plumbing
from tests.plumbing.store.images import put_image


def written(store: Store, digest: str) -> Manifest:
    manifest = store.manifest(store.describe(Digest.parse(digest)))
    assert isinstance(manifest, Manifest)
    return manifest


def test_a_manifest_by_hand(store: Store, plumbing: Plumbing) -> None:
    Path("hello").write_text("hello")
    layer = plumbing("write-layer", "hello=/hello").out.strip()
    config = plumbing("write-config", "--platform", "linux/amd64", "--layer", layer).out.strip()
    words = ["write-manifest", "--config", config, "--layer", layer, "--annotation", "b=2", "--annotation", "a=x=y"]
    manifest = written(store, plumbing(*words).out.strip())
    assert (str(manifest.config.digest), [str(blob.digest) for blob in manifest.layers]) == (config, [layer])
    assert manifest.config.media_type == mediatype.CONFIG
    assert manifest.layers[0].media_type == mediatype.LAYER_GZIP
    assert list(manifest.annotations.items()) == [("a", "x=y"), ("b", "2")]
    assert plumbing(*words, "--json").out.strip() == str(manifest.descriptor)


def test_refs_do_not_change_its_bytes(store: Store, plumbing: Plumbing) -> None:
    """What a ref, or another's index.json, says of a blob is not what the blob is."""
    image = put_image(store, "one")
    config, layer = store.manifest(image).children
    words = ["write-manifest", "--config", config.digest, "--layer", layer.digest, "--subject", image.digest]
    before = plumbing(*words).out
    store.update_ref("named:latest", image)
    entries = [
        replace(blob, annotations={"org.opencontainers.image.ref.name": "x"}, rest={"x": 1}).to_json()
        for blob in (image, config, replace(layer, media_type=mediatype.LAYER))
    ]
    (store.path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))
    assert plumbing(*words).out == before
    assert written(store, before.strip()).subject == image


def test_docker_types_of_a_base_become_ocis(store: Store, plumbing: Plumbing) -> None:
    below = store.put(b"below", mediatype.DOCKER_LAYER)
    config = Config.of(Platform.parse("linux/amd64"), [Digest.of(b"below")])
    store.put(config.raw, mediatype.DOCKER_CONFIG)
    docker = {
        "schemaVersion": 2,
        "mediaType": mediatype.DOCKER_MANIFEST,
        "config": replace(config.descriptor, media_type=mediatype.DOCKER_CONFIG).to_json(),
        "layers": [replace(below, rest={"urls": ["https://example.com/below"]}).to_json()],
    }
    base = store.put(json.dumps(docker).encode(), mediatype.DOCKER_MANIFEST)
    layer = store.put(b"above", mediatype.LAYER)
    mine = plumbing("write-config", "--platform", "linux/amd64", "--base", base.digest, "--layer", layer.digest)
    words = ["--config", mine.out.strip(), "--base", base.digest, "--layer", layer.digest]
    manifest = written(store, plumbing("write-manifest", *words).out.strip())
    assert manifest.media_type == mediatype.MANIFEST
    assert [blob.media_type for blob in manifest.children] == [mediatype.CONFIG, mediatype.LAYER, mediatype.LAYER]
    assert manifest.layers[0].rest == {"urls": ["https://example.com/below"]}
    assert [blob.digest for blob in manifest.layers] == [below.digest, layer.digest]


def test_a_layer_that_is_not_stored_is_said(store: Store, plumbing: Plumbing) -> None:
    other = Store.create(Path("other"))
    elsewhere = put_image(other, "one")
    config, layer = other.manifest(elsewhere).children
    store.put(other.read(config), mediatype.CONFIG)
    ran = plumbing("write-manifest", "--config", config.digest, "--layer", f"other@{layer.digest}", code=1)
    assert ran.err == f"plumbing: cannot read '{layer.digest}': no such blob in '.krust'\n"


def test_json_is_a_descriptor(store: Store, plumbing: Plumbing) -> None:
    config = plumbing("write-config", "--platform", "linux/amd64").out.strip()
    assert (
        Descriptor.parse(plumbing("write-manifest", "--config", config, "--json").out).media_type == mediatype.MANIFEST
    )
