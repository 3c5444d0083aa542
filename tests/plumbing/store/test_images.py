from __future__ import annotations

from dataclasses import replace

import pytest

from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.oci.exchange import Stream
from plumbing.oci.platform import Platform
from plumbing.store import Store
from plumbing.store.images import choose, config_of, manifest_of
from tests.plumbing.store.images import AMD64, ARM64, put_image, put_index


class Counting:
    """A source that notes what is read of it, as a registry sees each reading as a request."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.read_: list[Digest] = []

    def read(self, descriptor: Descriptor) -> bytes:
        self.read_.append(descriptor.digest)
        return self.store.read(descriptor)

    def open_blob(self, descriptor: Descriptor) -> Stream:
        return self.store.open_blob(descriptor)

    open_unverified = open_blob


@pytest.mark.parametrize("platform", [AMD64, ARM64], ids=str)
def test_what_is_read_to_choose_an_image_is_read_once(platform: Platform, store: Store) -> None:
    images = [replace(put_image(store, str(each), platform=each), platform=each) for each in (AMD64, ARM64)]
    root = put_index(store, *images)
    chosen = images[platform is ARM64]
    manifest = manifest_of(store, chosen)
    for ask, answer in (
        (choose, chosen),
        (manifest_of, manifest),
        (config_of, config_of(store, manifest.config)),
    ):
        source = Counting(store)
        assert ask(source, root, platform) == answer
        assert source.read_ == [root.digest, chosen.digest, manifest.config.digest], ask.__name__
