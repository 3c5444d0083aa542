"""Small images for tests: real documents, layers of a few bytes."""

from __future__ import annotations

from plumbing.oci import mediatype
from plumbing.oci.config import Config
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.oci.index import Index
from plumbing.oci.manifest import Manifest
from plumbing.oci.platform import Platform
from plumbing.store import Store

AMD64, ARM64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")


def put_image(
    store: Store, *contents: str, platform: Platform = AMD64, subject: Descriptor | None = None
) -> Descriptor:
    """An image with a layer for each of `contents`; return its manifest's descriptor."""
    layers = [store.put(text.encode(), mediatype.LAYER) for text in contents]
    config = Config.of(platform, [Digest.of(text.encode()) for text in contents])
    store.put(config.raw, mediatype.CONFIG)
    manifest = Manifest.of(config.descriptor, layers, subject=subject)
    return store.put(manifest.raw, mediatype.MANIFEST)


def put_index(store: Store, *children: Descriptor) -> Descriptor:
    return store.put(Index.of(children).raw, mediatype.INDEX)


def put_images(store: Store) -> Descriptor:
    """An index of two images that share a layer."""
    return put_index(store, put_image(store, "shared", "amd64"), put_image(store, "shared", "arm64", platform=ARM64))
