"""ReadOnce: a source that is asked for each document once, for whoever looks at an image before it is copied."""

from __future__ import annotations

from io import BytesIO

from plumbing.oci.descriptor import Descriptor
from plumbing.oci.exchange import Source, Stream


class ReadOnce:
    """`source`, which keeps the manifests, indexes and configs that were read: from a registry, each is a request.

    Raises what `source` does.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._raws: dict[tuple[str, str, int], bytes] = {}

    def read(self, descriptor: Descriptor) -> bytes:
        key = _key(descriptor)
        if key not in self._raws:
            self._raws[key] = self._source.read(descriptor)
        return self._raws[key]

    def open_blob(self, descriptor: Descriptor) -> Stream:
        raw = self._raws.get(_key(descriptor))
        return self._source.open_blob(descriptor) if raw is None else _Kept(raw)

    def open_unverified(self, descriptor: Descriptor) -> Stream:
        raw = self._raws.get(_key(descriptor))
        return self._source.open_unverified(descriptor) if raw is None else _Kept(raw)

    def __str__(self) -> str:
        return str(self._source)


class _Kept(BytesIO):
    """What was verified when it was read."""

    def __exit__(self, *exception: object) -> None:
        self.close()


def _key(descriptor: Descriptor) -> tuple[str, str, int]:
    """All that a source checks what it reads against."""
    return descriptor.media_type, str(descriptor.digest), descriptor.size
