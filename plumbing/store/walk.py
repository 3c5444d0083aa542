"""What an image is made of: from a root down to the last blob."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from plumbing.errors import Malformed
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.oci.index import Index, is_node, parse_node
from plumbing.oci.manifest import Manifest

DEEPEST = 8
"""Indexes within indexes that are followed: no image has more than two, and a hostile one could have no end."""

Read = Callable[[Descriptor], bytes]
"""The verified bytes of a manifest or index."""


def parse(descriptor: Descriptor, raw: bytes) -> Manifest | Index:
    return parse_node(raw, descriptor.media_type)


Seen = set[tuple[Digest, bool]]
"""The blobs that were met, and whether as a node: another's layout may call a manifest something else elsewhere."""


def walk(root: Descriptor, read: Read, *, seen: Seen | None = None) -> Iterator[Descriptor]:
    """Every blob that `root` needs, children before what names them, each once. Constant memory but for the digests.

    read    raises what is wrong with a node that cannot be read: NotFound, DigestMismatch
    seen    what the caller knows already: that and what is below it is passed over
    raises  Malformed for a node that is no manifest and no index, or is nested too deep
    """
    yield from _walk(root, read, set() if seen is None else seen, DEEPEST)


def _walk(descriptor: Descriptor, read: Read, seen: Seen, depth: int) -> Iterator[Descriptor]:
    met = (descriptor.digest, is_node(descriptor.media_type))
    if met in seen:
        return
    seen.add(met)
    if is_node(descriptor.media_type):
        if depth == 0:
            raise Malformed("index", descriptor.digest, expected=f"at most {DEEPEST} indexes within each other")
        for child in parse(descriptor, read(descriptor)).children:
            yield from _walk(child, read, seen, depth - 1)
    yield descriptor
