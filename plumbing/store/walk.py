"""What an image is made of: from a root down to the last blob."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from plumbing.errors import Malformed
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.oci.index import Index, is_node, parse_node
from plumbing.oci.manifest import Manifest

if TYPE_CHECKING:
    from plumbing.oci.exchange import Source

DEEPEST = 8
"""Indexes within indexes that are followed: no image has more than two, and a hostile one could have no end."""

MOST = 64 << 20
"""Bytes of manifests and indexes of one image. Who copies it has them in memory together; real ones have kilobytes."""

Open = Callable[[Descriptor], Manifest | Index]
"""From what points to a manifest or index to the document, verified."""


def parse(descriptor: Descriptor, raw: bytes) -> Manifest | Index:
    return parse_node(raw, descriptor.media_type)


def reading(source: Source, root: Descriptor) -> Open:
    """For one walk over the image `root` of `source`, maybe a stranger's. Raises Malformed where it has no end."""
    read = 0

    def node(descriptor: Descriptor) -> Manifest | Index:
        nonlocal read
        read += descriptor.size
        if read > MOST:
            raise Malformed("image", root.digest, expected=f"at most {MOST} bytes of manifests and indexes")
        return parse(descriptor, source.read(descriptor))

    return node


Seen = set[tuple[Digest, bool]]
"""The blobs that were met, and whether as a node: another's layout may call a manifest something else elsewhere."""


def walk(root: Descriptor, node: Open, *, seen: Seen | None = None) -> Iterator[Descriptor]:
    """Every blob that `root` needs, children before what names them, each once. Constant memory but for the digests.

    node    raises what is wrong with a node that cannot be read: NotFound, DigestMismatch, Malformed
    seen    what the caller knows already: that and what is below it is passed over
    raises  Malformed for a node that is no manifest and no index, or is nested too deep
    """
    yield from _walk(root, node, set() if seen is None else seen, DEEPEST)


def _walk(descriptor: Descriptor, node: Open, seen: Seen, depth: int) -> Iterator[Descriptor]:
    has_children = is_node(descriptor.media_type)
    met = (descriptor.digest, has_children)
    if met in seen:
        return
    seen.add(met)
    if has_children:
        if depth == 0:
            raise Malformed("index", descriptor.digest, expected=f"at most {DEEPEST} indexes within each other")
        for child in node(descriptor).children:
            if (child.digest, False) not in seen or is_node(child.media_type):  # most images share most of their blobs
                yield from _walk(child, node, seen, depth - 1)
    yield descriptor
