"""cat-manifest and cat-config: documents byte for byte."""

from __future__ import annotations

import json

import pytest

from plumbing.oci import mediatype
from plumbing.oci.config import Config
from plumbing.oci.descriptor import Descriptor
from plumbing.store import Store
from tests.plumbing.commands.conftest import Plumbing
from tests.plumbing.store.images import ARM64, put_image, put_images, put_index


@pytest.fixture
def index(store: Store) -> Descriptor:
    index = put_images(store)
    store.update_ref("multi:latest", index)
    return index


def test_the_documents_own_bytes(store: Store, plumbing: Plumbing) -> None:
    image = put_image(store, "one")
    spaced = json.dumps(json.loads(store.read(image)), indent=4).encode() + b"\n\n"
    digest = store.put(spaced, mediatype.MANIFEST).digest
    assert plumbing("cat-manifest", digest).raw == spaced
    assert plumbing("cat-config", digest).raw == store.read(store.manifest(image).children[0])


def test_a_platform_of_an_index(index: Descriptor, store: Store, plumbing: Plumbing) -> None:
    """Its entries here have no platform: what a config says of itself decides."""
    assert plumbing("cat-manifest", "multi").raw == store.read(index)
    entries = plumbing("write-index", *(entry.digest for entry in store.manifest(index).children)).out.strip()
    arm64 = store.manifest(index).children[1]
    assert plumbing("cat-manifest", entries, "--platform", "linux/arm64").raw == store.read(arm64)
    config = Config.parse(plumbing("cat-config", entries, "--platform", "linux/arm64/v8").raw)
    assert config.platform == ARM64
    ran = plumbing("cat-config", entries, code=1)
    assert ran.err == (
        f"plumbing: cannot choose from '{entries}': an index of linux/amd64, linux/arm64; name one with '--platform'\n"
    )
    ran = plumbing("cat-manifest", entries, "--platform", "linux/s390x", code=1)
    assert ran.err == (
        f"plumbing: cannot find platform 'linux/s390x' in '{entries}': it has linux/amd64, linux/arm64\n"
    )


def test_attestations_are_no_images(store: Store, plumbing: Plumbing) -> None:
    image = put_image(store, "one")
    note = {"annotations": {"vnd.docker.reference.type": "attestation-manifest"}}
    unknown = {"platform": {"os": "unknown", "architecture": "unknown"}}
    attestation = Descriptor.parse(json.dumps({**put_image(store, "two").to_json(), **unknown, **note}))
    index = put_index(store, attestation, image)
    assert plumbing("cat-config", index.digest).raw == store.read(store.manifest(image).children[0])


def test_an_index_that_is_wrong_about_a_platform_is_found_out(store: Store, plumbing: Plumbing) -> None:
    lie = {**put_image(store, "one", platform=ARM64).to_json(), "platform": {"os": "linux", "architecture": "amd64"}}
    index = put_index(store, Descriptor.parse(json.dumps(lie)))
    ran = plumbing("cat-config", index.digest, "--platform", "linux/amd64", code=1)
    assert ran.err == f"plumbing: cannot find platform 'linux/amd64' in '{lie['digest']}': it is for linux/arm64\n"


def test_an_exact_entry_goes_before_one_without_a_platform(store: Store, plumbing: Plumbing) -> None:
    amd64, arm64 = put_image(store, "one"), put_image(store, "one", platform=ARM64)
    named = Descriptor.parse(json.dumps({**amd64.to_json(), "platform": {"os": "linux", "architecture": "amd64"}}))
    index = put_index(store, arm64, named)
    assert plumbing("cat-manifest", index.digest, "--platform", "linux/amd64").raw == store.read(amd64)
