"""Refs: names for descriptors, in the layout's `index.json`. image-spec 1.1, image-layout.md "index.json file"."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any, Final

from plumbing.errors import Malformed, NotFound, RefConflict, StoreError
from plumbing.files import sync_folder
from plumbing.oci import document, mediatype
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.oci.document import Fields
from plumbing.store import facts, files, lines, lock
from plumbing.store.lines import ANNOTATION as ANNOTATION
from plumbing.store.lines import name_of as _name

NAME = "index.json"
_LIMIT = 1 << 30
"""Bytes of an index.json: with 10^5 refs it has tens of megabytes. The limit of 4 MiB is for what a registry takes."""

# wider than the specification's grammar, which has no room for every legal reference: [::1]:5000/a__b:v1_
_PART = r"[A-Za-z0-9\[][A-Za-z0-9\[\]._:@+-]*"
_FORM = rf"{_PART}(?:/{_PART})*"  # compiled when a name is checked: most runs write none
_LONGEST = 512


_LARGE = 1 << 16
"""Bytes of an index.json from which a search by lines is felt."""

_FEW = 16
"""Names that are searched for one after another in less time than all entries are read."""


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
        """What `name` stands for, or None."""
        ref = self.first(name)
        return ref.descriptor if ref else None

    def first(self, *names: str) -> Ref | None:
        """The first of `names` that is a ref. In a foreign layout that has it twice, the last entry: it was added last.

        The file is read once for all of them, and of its entries only the one that is wanted.
        """
        raw, by_lines = self._read()
        if by_lines:
            with suppress(lines.Unclear):
                found = ((name, lines.find(raw, name)) for name in names)
                return next((Ref(name, self._descriptor(at.entry, name)) for name, at in found if at), None)
        entries = self._parsed(raw).get("manifests") or []
        for name in names:
            for entry in reversed(entries):
                if _name(entry) == name:
                    return Ref(name, self._descriptor(entry, name))
        return None

    def of(self, digest: Digest) -> Descriptor | None:
        """What the first root of this digest says of it; None if no root is it."""
        text = str(digest)
        for entry in self._load().get("manifests") or []:
            if isinstance(entry, dict) and entry.get("digest") == text:
                return self._descriptor(entry, text)
        return None

    def update(
        self, changes: Mapping[str, tuple[Descriptor, Expected]], check: Callable[[Sequence[Descriptor]], None]
    ) -> None:
        """Point each name to its descriptor, all or none. A name that is so already is not written again.

        check   called under the lock with the new descriptors; raises if one may not be a ref
        raises  RefConflict where a ref is not as expected, Malformed for a name that no layout may have
        """
        for name in changes:
            check_name(name)

        new = {name: _entry(name, descriptor) for name, (descriptor, _) in changes.items()}

        def allow(now: Mapping[str, str]) -> None:
            for name, (_, expected) in changes.items():
                _expect(name, expected, now.get(name))
            check([descriptor for descriptor, _ in changes.values()])

        def change(entries: list[Any]) -> list[Any]:
            allow(_digests(entries, changes))
            return _with(entries, new)

        def splice(raw: bytes) -> bytes:
            places = {name: lines.find(raw, name) for name in changes}
            allow({name: str(at.entry.get("digest")) for name, at in places.items() if at})
            return lines.splice(raw, [(places[name], entry) for name, entry in new.items()])

        self._change(change, splice if len(changes) <= _FEW else None)

    def delete(self, name: str, expected: Expected = ANY) -> None:
        """Remove `name`. Raises NotFound, or RefConflict where it is not as expected."""

        def change(entries: list[Any]) -> list[Any]:
            current = _digests(entries, [name]).get(name)
            _expect(name, expected, current)
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

    def _change(self, change: Callable[[list[Any]], list[Any]], splice: Callable[[bytes], bytes] | None = None) -> None:
        """Write what `change` makes of the entries; `splice` does the same to a file by lines, in less time."""
        with lock.exclusive(self._root):
            raw, by_lines = self._read()
            after = None
            if by_lines and splice is not None:
                with suppress(lines.Unclear):
                    after = splice(raw)
            if after is None:
                value = self._parsed(raw)
                before = value.get("manifests") or []
                entries = change(before)
                after = raw if entries == before and "manifests" in value else lines.dump(value, entries)
            if after == raw:
                sync_folder(self._root)  # who wrote it may have been killed before it did so
                return
            staging = self._root / "tmp"
            with files.failing_as("write", self._path):
                staging.mkdir(exist_ok=True)
                files.replace(self._path, after, staging=staging, noting=facts.LINES)

    def _load(self) -> dict[str, Any]:
        return self._parsed(self._read()[0])

    def _read(self) -> tuple[bytes, bool]:
        """The file, and whether it is a large one that is known to have a line for each entry: see lines.py."""
        with files.failing_as("read", self._path):
            try:
                with files.open_regular(self._path) as file:
                    size = os.fstat(file.fileno()).st_size  # or each reader would ask for a GiB of memory
                    raw = file.read(min(size, _LIMIT) + 1)
                    return raw, size >= _LARGE and _is_by_lines(file.fileno())
            except FileNotFoundError:
                raise StoreError(
                    f"cannot read '{self._path}': no such file; put it back, or move the store away and build again"
                ) from None

    def _parsed(self, raw: bytes) -> dict[str, Any]:
        with self._malformed():
            value = document.load(raw, "index", limit=_LIMIT)
            Fields(value, "index").array("manifests")
        return value

    def _descriptor(self, entry: Any, subject: str) -> Descriptor:
        with self._malformed():
            return Descriptor.from_json(Fields(entry, "descriptor", f"ref {subject}"))

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


def _is_by_lines(descriptor: int) -> bool:
    return facts.noted(descriptor, facts.LINES) == facts.verified_as(os.fstat(descriptor))


def _expect(name: str, expected: Expected, current: str | None) -> None:
    if expected is not ANY and current != (str(expected) if expected else None):
        raise RefConflict(name, expected=expected, found=current)


def _entry(name: str, descriptor: Descriptor) -> dict[str, Any]:
    return replace(descriptor, annotations={**descriptor.annotations, ANNOTATION: name}).to_json()


def _digests(entries: list[Any], names: Collection[str]) -> dict[str, str]:
    """What those of `names` stand for that are there, each by its last entry."""
    named = ((_name(entry), entry) for entry in entries)
    return {name: str(entry.get("digest")) for name, entry in named if isinstance(name, str) and name in names}


def _with(entries: list[Any], changes: Mapping[str, dict[str, Any]]) -> list[Any]:
    """`entries` with the new entry of each name, once, where it first stood; every other entry as it was."""
    new = dict(changes)
    kept: list[Any] = []
    for entry in entries:
        name = _name(entry)
        if not isinstance(name, str) or name not in changes:
            kept.append(entry)
        elif name in new:
            kept.append(new.pop(name))
    return [*kept, *new.values()]
