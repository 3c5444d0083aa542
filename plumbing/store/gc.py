"""Delete what no ref needs. Marks from every ref through indexes, manifests and subjects; sweeps what is old enough."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.oci.index import is_node
from plumbing.store import layers, lock
from plumbing.store.files import failing_as
from plumbing.store.store import Store

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
        needed = _mark(store)
        garbage = sorted(_garbage(store, needed, now - grace), key=lambda item: item.digest)
        if not dry_run:
            with failing_as("delete from", store.path):
                for item in garbage:
                    store.blobs.path(item.digest).unlink(missing_ok=True)
            layers.prune(store.blobs)
            _clear_staging(store, now - grace)
    return garbage


def _mark(store: Store) -> set[Digest]:
    seen: set[Digest] = set()
    todo = [ref.descriptor for ref in store.refs]
    while todo:
        for descriptor in store.walk(todo.pop(), seen=seen):
            subject = _subject(store, descriptor)
            if subject is not None and store.has(subject):  # it need not exist: manifest.md, "subject"
                todo.append(subject)
    return seen


def _subject(store: Store, descriptor: Descriptor) -> Descriptor | None:
    return store.manifest(descriptor).subject if is_node(descriptor.media_type) else None


def _garbage(store: Store, needed: set[Digest], before: float) -> Iterator[Garbage]:
    for digest in store.blobs:
        if digest in needed:
            continue
        with suppress(FileNotFoundError):
            status = os.stat(store.blobs.path(digest), follow_symlinks=False)
            # the change time, which nobody can set back: `freshen` makes it now, and a copy with old times is new
            if status.st_ctime <= before:
                yield Garbage(digest, status.st_size)


def _clear_staging(store: Store, before: float) -> None:
    """Remove what killed processes left. A writer that lives has written to its file within the grace period."""
    staging: Path = store.path / "tmp"
    with suppress(FileNotFoundError):
        for entry in os.scandir(staging):
            with suppress(OSError):
                if entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_ctime <= before:
                    os.unlink(entry.path)
