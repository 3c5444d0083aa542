from __future__ import annotations

import json

from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.store import Store
from tests.plumbing.commands.conftest import Plumbing
from tests.plumbing.store.images import put_image, put_images


def test_each_blob_below_what_names_it(store: Store, plumbing: Plumbing) -> None:
    one, two = store.manifest(put_images(store)).children
    index = plumbing("write-index", one.digest, two.digest).out.strip()
    size = store.blobs.size(Digest.parse(index))
    config, shared, layer = store.manifest(one).children
    lines = plumbing("ls-tree", index).lines
    assert lines[:5] == [
        f"index {index} {size}",
        f"  manifest {one.digest} {one.size} linux/amd64",
        f"    config {config.digest} {config.size}",
        f"    layer {shared.digest} {shared.size}",
        f"    layer {layer.digest} {layer.size}",
    ]
    assert lines[5] == f"  manifest {two.digest} {two.size} linux/arm64"
    assert len(lines) == 9
    assert plumbing("ls-tree", index, "-z").out == "".join(f"{line}\0" for line in lines)


def test_what_is_missing_is_said(store: Store, plumbing: Plumbing) -> None:
    image = put_image(store, "one")
    store.blobs.path(Digest.of(b"one")).unlink()
    assert plumbing("ls-tree", image.digest).lines[2] == f"  layer {Digest.of(b'one')} 3 missing"
    node = json.loads(plumbing("ls-tree", image.digest, "--json").lines[2])
    assert (node["depth"], node["kind"], node["present"]) == (1, "layer", False)
    assert Descriptor.parse(json.dumps(node["descriptor"])).digest == Digest.of(b"one")
