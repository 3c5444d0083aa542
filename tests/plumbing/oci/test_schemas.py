"""What krust writes is what the image specification's own JSON schemas say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema import ValidationError

from plumbing.oci.config import Config
from plumbing.oci.index import Index
from plumbing.oci.manifest import Manifest
from plumbing.store import Store
from tests.plumbing.store.images import put_images
from tests.schemas import Check, check_layout, checker
from tests.strategies import configs, indexes, manifests


@pytest.fixture(scope="module")
def check(tmp_path_factory: pytest.TempPathFactory) -> Check:
    return checker(tmp_path_factory.mktemp("go"))


@settings(max_examples=40)
@given(manifests().filter(lambda manifest: manifest.layers))  # without layers only the words allow it, not the schema
def test_manifests(check: Check, manifest: Manifest) -> None:
    check("manifest", manifest.raw)


@settings(max_examples=40)
@given(indexes())
def test_indexes(check: Check, index: Index) -> None:
    check("index", index.raw)


@settings(max_examples=40)
@given(configs())
def test_configs(check: Check, config: Config) -> None:
    check("config", config.raw)


def test_a_layout(check: Check, tmp_path: Path) -> None:
    store = Store.create(tmp_path / ".krust")
    check("index", (store.path / "index.json").read_bytes())
    root = put_images(store)
    store.update_ref("hello:latest", root)
    check_layout(check, store, root)


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("manifest", {"schemaVersion": 2, "layers": []}),
        ("manifest", {"schemaVersion": 2, "config": {"mediaType": "a/b", "digest": "x", "size": 1}, "layers": []}),
        ("index", {"schemaVersion": 2, "manifests": [{"size": -1}]}),
        ("config", {"architecture": "amd64", "os": "linux"}),
        ("layout", {}),
    ],
)
def test_the_schemas_refuse_what_is_wrong(check: Check, kind: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        check(kind, json.dumps(wrong).encode())
