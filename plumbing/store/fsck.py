"""Is the store what it says: every blob what its name says, every ref complete?"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from plumbing.errors import Malformed, NotFound, PlumbingError
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.oci.index import is_node
from plumbing.oci.mediatype import NONDISTRIBUTABLE
from plumbing.store.store import Store
from plumbing.store.walk import Seen

_LARGE = 256 * 1024
"""Bytes of a blob from which another thread is of use."""


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
    sizes: dict[Digest, int] = {}  # of leaves, as what names them has it
    nodes: dict[Digest, int] = {}  # which were read whole to follow them
    for root in roots:
        try:
            for descriptor in store.walk(root, seen=seen):
                if descriptor.media_type in NONDISTRIBUTABLE and not store.has(descriptor):
                    continue
                digests[descriptor.digest] = None
                known = nodes if is_node(descriptor.media_type) else sizes
                known[descriptor.digest] = descriptor.size
        except PlumbingError as error:
            problems.append(str(error))
    # those are right, unless something else has one of them as a leaf of another size
    read = {digest: size for digest, size in nodes.items() if sizes.get(digest, size) == size}
    found: dict[Digest, int | str] = {digest: read.get(digest, 0) for digest in digests}
    found.update(_verify_all(store, (digest for digest in digests if digest not in read), sizes, trust))
    problems += [result for result in found.values() if isinstance(result, str)]
    total = sum(result for result in found.values() if isinstance(result, int))
    return Report(tuple(dict.fromkeys(problems)), len(digests), total)


def _verify_all(
    store: Store, digests: Iterable[Digest], sizes: dict[Digest, int], trust: bool
) -> Iterator[tuple[Digest, int | str]]:
    """The size of each blob, or what is wrong with it. Large ones on every core, beside the small ones in this thread.

    To hash lets other threads run; to look at 10^5 files does not, and takes longer with every thread that wants to.
    """
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        large: list[tuple[Digest, Future[int | str]]] = []
        small: list[Digest] = []
        for digest in digests:
            size = sizes.get(digest) or store.blobs.size(digest) or 0
            if size < _LARGE:
                small.append(digest)
            else:
                large.append((digest, pool.submit(_verify, store, digest, sizes.get(digest), trust)))
        for digest in small:
            yield digest, _verify(store, digest, sizes.get(digest), trust)
        for digest, result in large:
            yield digest, result.result()


def _verify(store: Store, digest: Digest, size: int | None, trust: bool) -> int | str:
    try:
        return store.blobs.verify(digest, size, trust=trust)
    except NotFound as error:
        return 0 if size is None else str(error)  # a gc beside us has deleted what no ref needs
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
                with suppress(FileNotFoundError):  # gone since: a gc runs beside us
                    if not stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
                        yield f"stranger '{entry.path}': not a regular file; remove it"
