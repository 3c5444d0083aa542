"""The image specification's own JSON schemas."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator
from referencing import Registry
from referencing.jsonschema import DRAFT4

from plumbing.oci import mediatype
from plumbing.oci.descriptor import Descriptor
from plumbing.store import Store
from tests.tools import require, require_tool, run

_MODULE = "github.com/opencontainers/image-spec@v1.1.1"
Check = Callable[[str, bytes], None]


def checker(folder: Path) -> Check:
    """`check(kind, raw)` raises ValidationError where `raw` is not as the schema of `kind` has it.

    folder  an empty one, for Go to work in
    """
    go = require_tool("go")
    try:
        said = run(go, "mod", "download", "-json", _MODULE, cwd=folder).stdout
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


def check_layout(check: Check, store: Store, root: Descriptor) -> None:
    """Every document of a layout: its marker, its index, and all that `root` is made of."""
    check("layout", (store.path / "oci-layout").read_bytes())
    check("index", (store.path / "index.json").read_bytes())
    kinds = {mediatype.INDEX: "index", mediatype.MANIFEST: "manifest", mediatype.CONFIG: "config"}
    for blob in store.walk(root):
        if blob.media_type in kinds:
            check(kinds[blob.media_type], store.read(blob))
