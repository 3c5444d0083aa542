"""Digest: the name of a blob. image-spec 1.1, descriptor.md "Digests"."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from plumbing.errors import Malformed

if TYPE_CHECKING:
    from hashlib import _Hash as Hash  # what hashlib.new returns has no public name

_LENGTHS = {"sha256": 64, "sha512": 128}
_DIGITS = b"0123456789abcdef"
ALGORITHMS = tuple(_LENGTHS)
FORM = "sha256: and 64, or sha512: and 128, lower-case hex digits"


@dataclass(frozen=True, slots=True)
class Digest:
    """An algorithm and a hash in hex; always one that may be part of a path or URL."""

    algorithm: str
    hex: str

    def __post_init__(self) -> None:
        # every blob has one, so this is no regular expression, which takes long to compile, and the quickest that is
        others = self.hex.encode("utf-8", "surrogatepass").translate(None, _DIGITS)
        if others or len(self.hex) != _LENGTHS.get(self.algorithm):
            raise Malformed("digest", str(self), expected=FORM)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises Malformed for anything but `algorithm:hex` of a known algorithm and its exact length."""
        algorithm, colon, hexadecimal = text.partition(":")
        if not colon:
            raise Malformed("digest", text, expected=FORM)
        return cls(algorithm, hexadecimal)

    @classmethod
    def of(cls, data: bytes) -> Self:
        """The sha256 digest of `data`."""
        return cls("sha256", hashlib.sha256(data).hexdigest())

    @classmethod
    def ending(cls, hasher: Hash) -> Self:
        """The digest of all that `hasher` (of `hashlib`) was fed."""
        return cls(hasher.name, hasher.hexdigest())

    def hasher(self) -> Hash:
        """A fresh `hashlib` object of this digest's algorithm."""
        return hashlib.new(self.algorithm)

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"
