"""copy: bring an image from where it is to where it should be. Children first, names last.

A store and a repository of a registry are each both: push is a copy from store to repository, fetch the other way.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Protocol, Self

from plumbing.oci.descriptor import Descriptor
from plumbing.oci.index import is_node


class Stream(Protocol):
    """Bytes that are verified while they are read: their end comes only if they were what the descriptor says."""

    def read(self, size: int = -1, /) -> bytes: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


class Source(Protocol):
    """Where blobs come from: a Store, or a Repository."""

    def read(self, descriptor: Descriptor) -> bytes:
        """A manifest or index, verified. Raises NotFound, DigestMismatch."""

    def open_blob(self, descriptor: Descriptor) -> Stream:
        """A blob from its first byte. Called again where it must be sent again."""


class Sink(Protocol):
    """Where blobs go: a Store, or a Repository."""

    def complete(self, node: Descriptor) -> bool:
        """Whether a manifest or index is there, and all below it."""

    def take(self, descriptor: Descriptor, source: Source) -> None:
        """Make a blob be there: nothing if it is, else mounted where that can be, else read from `source`."""

    def take_node(self, descriptor: Descriptor, raw: bytes) -> None:
        """Make a manifest or index be there, whose children are."""


def copy(source: Source, sink: Sink, root: Descriptor, *, jobs: int = 4) -> None:
    """Make `root` and all below it be in `sink`. Nothing is named: that is the caller's, after this. Safe to repeat.

    jobs    blobs at once, the largest first
    raises  what `source` and `sink` raise, the first of it; blobs that are there by then stay
    """
    nodes: dict[Descriptor, bytes] = {}
    blobs: dict[str, Descriptor] = {}
    _collect(source, sink, root, nodes, blobs)
    _each(lambda blob: sink.take(blob, source), sorted(blobs.values(), key=lambda blob: -blob.size), jobs)
    for node, raw in nodes.items():
        sink.take_node(node, raw)
