"""Refs: names for descriptors, in the layout's `index.json`. image-spec 1.1, image-layout.md "index.json file"."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any, Final

from plumbing.errors import Malformed, NotFound, RefConflict, StoreError
from plumbing.oci import document, mediatype
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.oci.document import Fields
from plumbing.store import files, lock

ANNOTATION = "org.opencontainers.image.ref.name"
NAME = "index.json"
_LIMIT = 1 << 30
"""Bytes of an index.json: with 10^5 refs it has tens of megabytes. The limit of 4 MiB is for what a registry takes."""

# wider than the specification's grammar, which has no room for every legal reference: [::1]:5000/a__b:v1_
_PART = r"[A-Za-z0-9\[][A-Za-z0-9\[\]._:@+-]*"
_FORM = rf"{_PART}(?:/{_PART})*"  # compiled when a name is checked: most runs write none
_LONGEST = 512


class _Any(Enum):
    ANY = 0


ANY: Final = _Any.ANY
"""Whatever the ref is now, absent or not."""

Expected = Digest | None | _Any
"""What a ref must be before it is changed: a digest, None for no such ref, or ANY."""


@dataclass(frozen=True, slots=True)
class Ref:
    """A name, or None for a root that has none, and what it stands for."""

    name: str | None
    descriptor: Descriptor


class Refs:
    """The refs of the layout at `root`. Reading needs no lock: the file is only ever replaced whole."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._path = root / NAME

    def __iter__(self) -> Iterator[Ref]:
        """Every root, in the file's order. A foreign layout may have roots without a name, or a name twice."""
        value = self._load()
        with self._malformed():
            descriptors = [Descriptor.from_json(entry) for entry in Fields(value, "index").objects("manifests")]
        return (Ref(descriptor.annotations.get(ANNOTATION), descriptor) for descriptor in descriptors)

    def get(self, name: str) -> Descriptor | None:
        """What `name` stands for, or None. In a foreign layout that has it twice, the last entry: it was added last."""
        found = [entry for entry in Fields(self._load(), "index").array("manifests") if _name(entry) == name]
        with self._malformed():
            return Descriptor.from_json(Fields(found[-1], "descriptor", f"ref {name}")) if found else None

    def update(
        self, changes: Mapping[str, tuple[Descriptor, Expected]], check: Callable[[Sequence[Descriptor]], None]
    ) -> None:
        """Point each name to its descriptor, all or none. A name that is so already is not written again.

        check   called under the lock with the new descriptors; raises if one may not be a ref
        raises  RefConflict where a ref is not as expected, Malformed for a name that no layout may have
        """
        for name in changes:
            check_name(name)

        def change(entries: list[Any]) -> list[Any]:
            for name, (descriptor, expected) in changes.items():
                current = _digest(entries, name)
                if expected is not ANY and current != (str(expected) if expected else None):
                    raise RefConflict(name, expected=expected, found=current)
                entries = _with(entries, name, descriptor)
            check([descriptor for descriptor, _ in changes.values()])
            return entries

        self._change(change)

    def delete(self, name: str, expected: Expected = ANY) -> None:
        """Remove `name`. Raises NotFound, or RefConflict where it is not as expected."""

        def change(entries: list[Any]) -> list[Any]:
            current = _digest(entries, name)
            if expected is not ANY and current != (str(expected) if expected else None):
                raise RefConflict(name, expected=expected, found=current)
            if current is None:
                raise NotFound.ref(name, self._root)
            return [entry for entry in entries if _name(entry) != name]

        self._change(change)

    def adopt(self, raw: bytes) -> None:
        """Make `raw`, another layout's index, the whole of this one's. Raises Malformed; nothing has changed then."""
        for fields in Fields(document.load(raw, "index", limit=_LIMIT), "index").objects("manifests"):
            Descriptor.from_json(fields)
        with lock.exclusive(self._root):
            staging = self._root / "tmp"
            with files.failing_as("write", self._path):
                staging.mkdir(exist_ok=True)
                files.replace(self._path, raw, staging=staging)

    def _change(self, change: Callable[[list[Any]], list[Any]]) -> None:
        with lock.exclusive(self._root):
            value = self._load()
            before = value.get("manifests") or []
            after = change(before)
            if after == before and "manifests" in value:
                files.sync_folder(self._root)  # who wrote it may have been killed before it did so
                return
            staging = self._root / "tmp"
            with files.failing_as("write", self._path):
                staging.mkdir(exist_ok=True)
                files.replace(self._path, document.dump({**value, "manifests": after}), staging=staging)

    def _load(self) -> dict[str, Any]:
        with files.failing_as("read", self._path):
            try:
                with files.open_regular(self._path) as file:
                    size = os.fstat(file.fileno()).st_size  # or each reader would ask for a GiB of memory
                    raw = file.read(min(size, _LIMIT) + 1)
            except FileNotFoundError:
                raise StoreError(
                    f"cannot read '{self._path}': no such file; put it back, or move the store away and build again"
                ) from None
        with self._malformed():
            value = document.load(raw, "index", limit=_LIMIT)
            Fields(value, "index").array("manifests")
        return value

    @contextmanager
    def _malformed(self) -> Iterator[None]:
        try:
            yield
        except Malformed as error:
            raise StoreError(f"cannot read '{self._path}': {error}; put back a good copy, or build again") from error


def initial() -> bytes:
    """The `index.json` of a layout without refs."""
    return json.dumps(
        {"schemaVersion": 2, "mediaType": mediatype.INDEX, "manifests": []}, separators=(",", ":")
    ).encode()


def check_name(name: str) -> str:
    """`name` itself. Raises Malformed unless a layout may hold it. image-spec 1.1, annotations.md, "ref.name"."""
    if not re.fullmatch(_FORM, name) or len(name) > _LONGEST:
        raise Malformed("ref", name, expected="parts of letters, digits and '-._:@+[]', joined by '/'")
    return name


def _name(entry: Any) -> object:
    annotations = entry.get("annotations") if isinstance(entry, dict) else None
    return annotations.get(ANNOTATION) if isinstance(annotations, dict) else None


def _digest(entries: list[Any], name: str) -> str | None:
    return next((str(entry.get("digest")) for entry in reversed(entries) if _name(entry) == name), None)


def _with(entries: list[Any], name: str, descriptor: Descriptor) -> list[Any]:
    """`entries` with `name` for `descriptor`, once, where it first stood; every other entry as it was."""
    annotations = {**descriptor.annotations, ANNOTATION: name}
    new = replace(descriptor, annotations=annotations).to_json()
    kept: list[Any] = []
    placed = False
    for entry in entries:
        if _name(entry) != name:
            kept.append(entry)
        elif not placed:
            kept.append(new)
            placed = True
    return kept if placed else [*kept, new]
