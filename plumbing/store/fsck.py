"""Is the store what it says: every blob what its name says, every ref complete?"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from plumbing.errors import Malformed, PlumbingError
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.oci.mediatype import NONDISTRIBUTABLE
from plumbing.store.store import Store
from plumbing.store.walk import Seen


@dataclass(frozen=True, slots=True)
class Report:
    """`problems` are lines for people, none if the store is clean; `blobs` and `size` (bytes) are what was read."""

    problems: tuple[str, ...]
    blobs: int
    size: int


def fsck(store: Store, roots: list[Descriptor] | None = None, *, trust: bool = False) -> Report:
    """Read every blob, or those of `roots`, and follow every ref to its last blob.

    trust  believe what was noted when a blob of the same size and time was last read
    """
    problems: list[str] = []
    if roots is None:
        roots = [ref.descriptor for ref in store.refs]
        problems.extend(_strangers(store))
        digests = dict.fromkeys(store.blobs)
    else:
        digests = {}
    seen: Seen = set()
    sizes: dict[Digest, int] = {}
    for root in roots:
        try:
            for descriptor in store.walk(root, seen=seen):
                if descriptor.media_type in NONDISTRIBUTABLE and not store.has(descriptor):
                    continue
                digests[descriptor.digest] = None
                sizes[descriptor.digest] = descriptor.size
        except PlumbingError as error:
            problems.append(str(error))
    total = 0
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for result in pool.map(lambda digest: _verify(store, digest, sizes.get(digest), trust), digests):
            if isinstance(result, str):
                problems.append(result)
            else:
                total += result
    return Report(tuple(dict.fromkeys(problems)), len(digests), total)


def _verify(store: Store, digest: Digest, size: int | None, trust: bool) -> int | str:
    try:
        return store.blobs.verify(digest, size, trust=trust)
    except PlumbingError as error:
        return str(error)


def _strangers(store: Store) -> Iterator[str]:
    """What lies among the blobs and is none: other tools may delete it, and a blob could not take its place."""
    for algorithm in sorted(Path(store.blobs.folder).iterdir()):
        if algorithm.is_symlink() or not algorithm.is_dir():
            yield f"stranger '{algorithm}': no folder of blobs; remove it"
            continue
        for entry in os.scandir(algorithm):
            try:
                Digest(algorithm.name, entry.name)
            except Malformed:
                yield f"stranger '{entry.path}': not named as a digest; remove it"
            else:
                if not stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
                    yield f"stranger '{entry.path}': not a regular file; remove it"
