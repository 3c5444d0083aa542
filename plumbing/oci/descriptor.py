"""Descriptor: a typed, sized pointer to a blob. image-spec 1.1, descriptor.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from plumbing.errors import Malformed
from plumbing.oci import document, mediatype
from plumbing.oci.digest import Digest
from plumbing.oci.document import Fields
from plumbing.oci.platform import Platform

_KNOWN = frozenset({"mediaType", "digest", "size", "annotations", "platform", "artifactType"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """`size` is in bytes. `rest` holds the fields that krust does not read (urls, data, …), to be written back."""

    media_type: str
    digest: Digest
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)
    platform: Platform | None = None
    artifact_type: str | None = None
    rest: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        mediatype.check(self.media_type, where="mediaType")
        if type(self.size) is not int or not 0 <= self.size < 1 << 63:
            raise Malformed("descriptor", self.size, expected="an integer from 0 to 2^63-1", where="size")

    @classmethod
    def of(cls, raw: bytes, media_type: str) -> Self:
        """What points to the blob `raw`."""
        return cls(media_type=media_type, digest=Digest.of(raw), size=len(raw))

    @classmethod
    def parse(cls, text: str) -> Self:
        """From the JSON text that `str()` gives."""
        return cls.from_json(Fields(document.load(text.encode(errors="surrogatepass"), "descriptor"), "descriptor"))

    @classmethod
    def from_json(cls, fields: Fields) -> Self:
        """Raises Malformed, naming the place. Embedded `data` must be what the digest and the size say."""
        media_type = mediatype.check(fields.text("mediaType"), where=fields.at("mediaType"))
        digest, size = fields.digest("digest"), fields.size("size")
        if len(fields.value) == 3:  # as nearly all are
            return cls(media_type=media_type, digest=digest, size=size)
        descriptor = cls(
            media_type=media_type,
            digest=digest,
            size=size,
            annotations=fields.text_map("annotations"),
            platform=Platform.from_json(fields.object("platform")) if fields.has("platform") else None,
            artifact_type=fields.optional_text("artifactType"),
            rest=fields.rest(_KNOWN),
        )
        if fields.has("data"):
            descriptor._check_data(fields)
        return descriptor

    @property
    def bare(self) -> Descriptor:
        """Type, digest and size alone: what the blob is, without what a ref or an index says of it."""
        return Descriptor(media_type=self.media_type, digest=self.digest, size=self.size)

    def to_json(self) -> dict[str, Any]:
        """As a JSON object, keys in the specification's order, nothing null."""
        value: dict[str, Any] = {"mediaType": self.media_type, "digest": str(self.digest), "size": self.size}
        if self.annotations:
            value["annotations"] = dict(self.annotations)
        if self.platform is not None:
            value["platform"] = self.platform.to_json()
        if self.artifact_type is not None:
            value["artifactType"] = self.artifact_type
        return {**value, **self.rest}

    def _check_data(self, fields: Fields) -> None:
        try:
            from base64 import b64decode  # here: hardly any descriptor has data

            data = b64decode(fields.text("data"), validate=True)
        except ValueError:
            fields.wrong("data", "base64")
        hasher = self.digest.hasher()
        hasher.update(data)
        if len(data) != self.size or Digest.ending(hasher) != self.digest:
            fields.wrong("data", f"the bytes of {self.digest}")

    def __str__(self) -> str:
        return document.dump(self.to_json()).decode()
