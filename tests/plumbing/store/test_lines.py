from __future__ import annotations

import json
import os
from typing import Any

import pytest

from plumbing.errors import RefConflict
from plumbing.oci.descriptor import Descriptor
from plumbing.store import Store, facts, refs
from tests.plumbing.store.images import put_image

NAMES = [f"app-{number}:latest" for number in range(5)]


@pytest.fixture
def image(store: Store) -> Descriptor:
    return put_image(store, "one")


@pytest.fixture
def named(store: Store, image: Descriptor, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store with some refs, whose index.json is searched by lines however small it is."""
    monkeypatch.setattr(refs, "_LARGE", 0)
    store.update_refs(dict.fromkeys(NAMES, (image, None)))
    path = store.path / "index.json"
    noted = facts.noted(path, facts.LINES)
    if noted is None:
        pytest.skip("no extended attributes here")
    assert noted == facts.verified_as(path.stat())
    return store


def text(store: Store) -> str:
    return (store.path / "index.json").read_text()


def value(store: Store) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(text(store))
    return loaded


def test_an_entry_has_a_line_however_it_came_there(named: Store, image: Descriptor) -> None:
    other = put_image(named, "two")
    named.update_ref(NAMES[1], other)
    named.update_ref("new:v1", other)
    named.delete_ref(NAMES[4])
    first, *lines, last = text(named).splitlines()
    assert (first[-1], last) == ("[", "]}")
    assert [json.loads(line.rstrip(",")) for line in lines] == value(named)["manifests"]
    found = {ref.name: ref.descriptor.digest for ref in named.refs}
    assert list(found.items()) == [
        *((name, other.digest if name == NAMES[1] else image.digest) for name in NAMES[:4]),
        ("new:v1", other.digest),
    ]


def test_a_name_is_found_without_a_look_at_the_others(named: Store, image: Descriptor) -> None:
    """The proof is that a fault elsewhere is not seen."""
    path = named.path / "index.json"
    raw = path.read_bytes().replace(b'"size"', b'"siez"', 1)
    status = path.stat()
    path.write_bytes(raw)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    found = named.refs.get(NAMES[3])
    assert found is not None
    assert found.digest == image.digest


def test_what_others_wrote_is_read_whole(named: Store, image: Descriptor) -> None:
    other = put_image(named, "two")
    path = named.path / "index.json"
    changed = value(named)
    changed["manifests"][0]["digest"], changed["manifests"][0]["size"] = str(other.digest), other.size
    path.write_text(json.dumps(changed, indent=1))
    found = named.refs.get(NAMES[0])
    assert found is not None
    assert found.digest == other.digest


@pytest.mark.parametrize("where", ["twice", "index", "nested", "last"])
def test_a_name_that_stands_elsewhere_too_is_not_mistaken(where: str, named: Store, image: Descriptor) -> None:
    """By others, before krust wrote the file again; what it does not know is kept."""
    name, other = "strange:v1", put_image(named, "two")
    mention = {"org.opencontainers.image.ref.name": name}
    changed = value(named)
    match where:
        case "twice":
            entry = changed["manifests"][0]
            changed["manifests"] += [{**entry, "annotations": mention}, {**other.to_json(), "annotations": mention}]
        case "index":
            changed = {"annotations": mention, **changed}
        case "last":
            changed["annotations"] = mention
        case "nested":
            changed["manifests"][0]["x"] = {**other.to_json(), "annotations": mention}
    (named.path / "index.json").write_text(json.dumps(changed))
    named.update_ref(NAMES[2], other)  # krust writes it again, by lines
    assert facts.noted(named.path / "index.json", facts.LINES)
    found = named.refs.get(name)
    assert (found and found.digest) == (other.digest if where == "twice" else None)
    with pytest.raises(RefConflict):
        named.update_ref(name, image, None if where == "twice" else image.digest)
    named.update_ref(name, image)
    assert [ref.descriptor.digest for ref in named.refs if ref.name == name] == [image.digest]


def test_the_first_of_a_file_without_any(named: Store, image: Descriptor) -> None:
    for name in NAMES:
        named.delete_ref(name)
    named.update_ref("again:v1", image)
    assert [ref.name for ref in named.refs] == ["again:v1"]
