"""Delete what no ref needs. Marks from every ref through indexes, manifests and subjects; sweeps what is old enough."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from plumbing.errors import StoreError
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.oci.index import Index
from plumbing.oci.manifest import Manifest
from plumbing.store import hints, lock
from plumbing.store.files import failing_as
from plumbing.store.store import Store
from plumbing.store.walk import Seen, walk

GRACE = 3600
"""Seconds. A blob is written before the ref that names it: what is younger may be part of an image in the making."""


@dataclass(frozen=True, slots=True)
class Garbage:
    """A blob that no ref needs; `size` in bytes."""

    digest: Digest
    size: int


def gc(store: Store, *, now: float, grace: float = GRACE, dry_run: bool = False) -> list[Garbage]:
    """Delete the blobs that no ref needs and that have not been touched for `grace` seconds; return them, by digest.

    now     seconds since 1970-01-01 UTC
    raises  NotFound, DigestMismatch or Malformed for a node that cannot be read; nothing has been deleted then

    Under the store's lock: a ref that is written meanwhile waits, and then sees whether all of its blobs are there.
    """
    with lock.exclusive(store.path):
        garbage = list(_sweep(store, _mark(store), now - grace, dry_run=dry_run))
        if not dry_run:
            hints.prune(store.blobs)
            _clear_staging(store, now - grace)
    return garbage


def _mark(store: Store) -> set[Digest]:
    seen: Seen = set()
    todo = [ref.descriptor for ref in store.refs]

    def node(descriptor: Descriptor) -> Manifest | Index:
        document = store.manifest(descriptor)
        if document.subject is not None and store.has(document.subject):  # it need not exist: manifest.md, "subject"
            todo.append(document.subject)
        return document

    while todo:
        for _ in walk(todo.pop(), node, seen=seen):
            pass
    return {digest for digest, _ in seen}


def _sweep(store: Store, needed: set[Digest], before: float, *, dry_run: bool) -> Iterator[Garbage]:
    for digest in sorted((digest for digest in store.blobs if digest not in needed), key=str):
        path = store.blobs.path(digest)
        with failing_as("delete", path), suppress(FileNotFoundError):
            status = os.stat(path, follow_symlinks=False)
            # the change time, which nobody can set back: `freshen` makes it now, and a copy with old times is new
            if status.st_ctime > before:
                continue
            if not dry_run:
                os.unlink(path)  # at once after the look: whoever uses the blob meanwhile makes it young
            yield Garbage(digest, status.st_size)


def _clear_staging(store: Store, before: float) -> None:
    """Remove what killed processes left: a writer that lives holds its file."""
    staging: Path = store.path / "tmp"
    with suppress(FileNotFoundError):
        for entry in os.scandir(staging):
            with suppress(OSError, StoreError):
                if entry.stat(follow_symlinks=False).st_ctime <= before:
                    lock.delete_unless_held(Path(entry.path))
