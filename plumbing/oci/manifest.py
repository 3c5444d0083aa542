"""Manifest: a config and its layers. image-spec 1.1, manifest.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from plumbing.errors import Malformed
from plumbing.oci import document, mediatype
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.document import Fields

BASE_NAME, BASE_DIGEST = "org.opencontainers.image.base.name", "org.opencontainers.image.base.digest"
"""Annotations that say what an image is built on. image-spec 1.1, annotations.md."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A view of `raw`, whose bytes are its identity. `media_type` may be docker's."""

    raw: bytes
    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    subject: Descriptor | None
    artifact_type: str | None
    annotations: Mapping[str, str]

    @classmethod
    def parse(cls, raw: bytes, media_type: str = mediatype.MANIFEST) -> Self:
        """Raises Malformed. `media_type` is what its descriptor, or a registry, calls it: it may not contradict."""
        fields = Fields(document.load(raw, "manifest"), "manifest")
        check_kind(fields, media_type, others=("manifests",))
        if fields.value.get("schemaVersion") != 2:
            fields.wrong("schemaVersion", "2")
        return cls(
            raw=raw,
            media_type=media_type,
            config=Descriptor.from_json(fields.object("config")),
            layers=tuple(Descriptor.from_json(layer) for layer in fields.objects("layers")),
            subject=Descriptor.from_json(fields.object("subject")) if fields.has("subject") else None,
            artifact_type=fields.optional_text("artifactType"),
            annotations=fields.text_map("annotations"),
        )

    @classmethod
    def of(
        cls,
        config: Descriptor,
        layers: Sequence[Descriptor],
        *,
        annotations: Mapping[str, str] | None = None,
        subject: Descriptor | None = None,
        artifact_type: str | None = None,
    ) -> Self:
        """A new OCI manifest. The same arguments give the same bytes; annotations are sorted by key."""
        value: dict[str, Any] = {"schemaVersion": 2, "mediaType": mediatype.MANIFEST}
        if artifact_type is not None:
            value["artifactType"] = artifact_type
        value["config"] = config.to_json()
        value["layers"] = [layer.to_json() for layer in layers]
        if subject is not None:
            value["subject"] = subject.to_json()
        if annotations:
            value["annotations"] = dict(sorted(annotations.items()))
        return cls.parse(document.dump(value))

    @property
    def descriptor(self) -> Descriptor:
        return Descriptor.of(self.raw, self.media_type)

    @property
    def children(self) -> tuple[Descriptor, ...]:
        """What must exist before this can: the config, then the layers. A subject need not: manifest.md, "subject"."""
        return (self.config, *self.layers)


def check_kind(fields: Fields, media_type: str, *, others: tuple[str, ...]) -> None:
    """Raises Malformed for a document that could be read as another kind (CVE-2021-41190)."""
    said = fields.optional_text("mediaType")
    if said is not None and said != media_type:
        raise Malformed("document", said, expected=media_type, where=fields.at("mediaType"))
    for key in others:
        if fields.has(key):
            raise Malformed("document", key, expected=f"no such field in {media_type}", where=fields.at(key))
