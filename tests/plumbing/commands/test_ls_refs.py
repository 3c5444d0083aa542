from __future__ import annotations

import json

import pytest

from plumbing.oci.descriptor import Descriptor
from plumbing.store import Store
from tests.plumbing.commands.conftest import Plumbing
from tests.plumbing.store.images import put_image


@pytest.fixture
def image(store: Store) -> Descriptor:
    image = put_image(store, "one")
    for name in ("b:1", "a:latest", "ghcr.io/me/a:v1"):
        store.update_ref(name, image)
    return image


def test_digest_tab_name_sorted_by_name(image: Descriptor, plumbing: Plumbing) -> None:
    names = ["a:latest", "b:1", "ghcr.io/me/a:v1"]
    assert plumbing("ls-refs").out == "".join(f"{image.digest}\t{name}\n" for name in names)
    assert plumbing("ls-refs", "-z").out == "".join(f"{image.digest}\t{name}\0" for name in names)


@pytest.mark.parametrize(
    ("pattern", "count"), [("a:*", 1), ("*", 3), ("*:v1", 1), ("ghcr.io/*", 1), ("A:*", 0), ("[ab]:*", 2)]
)
def test_a_glob(pattern: str, count: int, image: Descriptor, plumbing: Plumbing) -> None:
    assert len(plumbing("ls-refs", pattern).lines) == count


def test_json_is_a_descriptor_a_line(image: Descriptor, plumbing: Plumbing) -> None:
    [line] = plumbing("ls-refs", "b:*", "--json").lines
    assert Descriptor.parse(line).digest == image.digest
    assert json.loads(line)["annotations"] == {"org.opencontainers.image.ref.name": "b:1"}


def test_names_that_others_wrote_cannot_forge_a_line(image: Descriptor, store: Store, plumbing: Plumbing) -> None:
    """A newline, or what a terminal obeys, is shown escaped; with -z a name is what it is."""
    hostile = "x\n\x1b[2J\tgood:1"
    entries = [image.to_json(), {**image.to_json(), "annotations": {"org.opencontainers.image.ref.name": hostile}}]
    (store.path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))
    assert plumbing("ls-refs").out == f"{image.digest}\tx\\n\\x1b[2J\\tgood:1\n"
    assert plumbing("ls-refs", "-z").out == f"{image.digest}\t{hostile}\0"
