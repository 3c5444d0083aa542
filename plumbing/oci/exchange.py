"""What can be copied from and to: a store on disk, a repository of a registry. The seam between them and sync.py."""

from __future__ import annotations

from typing import Protocol, Self

from plumbing.oci.descriptor import Descriptor


class Stream(Protocol):
    """Bytes that are verified while they are read: `read` gives b"" at the end only if all before was right."""

    def read(self, size: int = -1, /) -> bytes: ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...


class Source(Protocol):
    """Where blobs come from."""

    def read(self, descriptor: Descriptor) -> bytes:
        """A manifest, index or config, whole and verified. Raises NotFound, DigestMismatch."""

    def open_blob(self, descriptor: Descriptor) -> Stream:
        """A blob from its first byte; the caller closes it. Called again where it must be sent again."""

    def open_unverified(self, descriptor: Descriptor) -> Stream:
        """As `open_blob`, but its end need prove nothing: for a sink that checks the digest itself, as a registry."""


class Sink(Protocol):
    """Where blobs go."""

    def complete(self, node: Descriptor) -> bool:
        """Whether a manifest or index is there, and all below it."""

    def take(self, blob: Descriptor, source: Source) -> None:
        """Make a blob be there: by nothing if it is, by a mount where that can be, else by reading it from `source`."""

    def take_node(self, node: Descriptor, raw: bytes) -> None:
        """Make a manifest or index be there, whose children are."""


class Progress(Protocol):
    """Who is told how far a copy is. Called from several threads."""

    def plan(self, blobs: list[Descriptor]) -> None:
        """What may have to be moved, before the first of it is."""

    def advance(self, blob: Descriptor, count: int) -> None:
        """`count` more bytes of `blob` were read; negative where it starts again."""

    def done(self, blob: Descriptor) -> None:
        """`blob` is there, by whatever way."""
