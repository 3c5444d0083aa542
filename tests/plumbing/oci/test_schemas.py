"""What krust writes is what the image specification's own JSON schemas say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema import Draft4Validator, ValidationError
from referencing import Registry
from referencing.jsonschema import DRAFT4

from plumbing.oci import mediatype
from plumbing.oci.config import Config
from plumbing.oci.index import Index
from plumbing.oci.manifest import Manifest
from plumbing.store import Store
from tests.plumbing.store.images import put_images
from tests.strategies import configs, indexes, manifests
from tests.tools import require, require_tool, run

_MODULE = "github.com/opencontainers/image-spec@v1.1.1"
Check = Callable[[str, bytes], None]


@pytest.fixture(scope="module")
def check(tmp_path_factory: pytest.TempPathFactory) -> Check:
    """`check(kind, raw)` raises ValidationError where `raw` is not as the schema of `kind` has it."""
    go = require_tool("go")
    try:
        said = run(go, "mod", "download", "-json", _MODULE, cwd=tmp_path_factory.mktemp("go")).stdout
    except pytest.fail.Exception as error:
        require(False, f"no module '{_MODULE}': {error}")
        raise
    folder = Path(json.loads(said)["Dir"]) / "schema"
    schemas = {path.name: json.loads(path.read_bytes()) for path in folder.glob("*.json")}
    for schema in schemas.values():
        _forget_ids(schema)
    resources = [(name, DRAFT4.create_resource(schema)) for name, schema in schemas.items()]
    registry: Registry = Registry().with_resources(resources)
    files = {
        "manifest": "image-manifest-schema.json",
        "index": "image-index-schema.json",
        "config": "config-schema.json",
        "layout": "image-layout-schema.json",
    }

    validators = {kind: Draft4Validator({"$ref": file}, registry=registry) for kind, file in files.items()}

    def validate(kind: str, raw: bytes) -> None:
        validators[kind].validate(json.loads(raw))

    return validate


def _forget_ids(schema: Any) -> None:
    """The files refer to each other by name, and not by the ids that they give themselves and their parts."""
    if isinstance(schema, dict):
        if isinstance(schema.get("id"), str):
            del schema["id"]
        for part in schema.values():
            _forget_ids(part)


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
    check("layout", (store.path / "oci-layout").read_bytes())
    check("index", (store.path / "index.json").read_bytes())
    for blob in store.walk(root):
        kind = {mediatype.INDEX: "index", mediatype.MANIFEST: "manifest", mediatype.CONFIG: "config"}
        if blob.media_type in kind:
            check(kind[blob.media_type], store.read(blob))


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
