"""Index: several manifests under one name. image-spec 1.1, image-index.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from plumbing.errors import Malformed
from plumbing.oci import document, mediatype
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.document import Fields
from plumbing.oci.manifest import Manifest, check_kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """A view of `raw`, whose bytes are its identity. `media_type` may be docker's (a manifest list)."""

    raw: bytes
    media_type: str
    manifests: tuple[Descriptor, ...]
    subject: Descriptor | None
    artifact_type: str | None
    annotations: Mapping[str, str]

    @classmethod
    def parse(cls, raw: bytes, media_type: str = mediatype.INDEX) -> Self:
        """Raises Malformed. A document without `mediaType` is legal: `media_type` is what pointed to it."""
        fields = Fields(document.load(raw, "index"), "index")
        check_kind(fields, media_type, others=("config", "layers"))
        if fields.value.get("schemaVersion") != 2:
            fields.wrong("schemaVersion", "2")
        return cls(
            raw=raw,
            media_type=media_type,
            manifests=tuple(Descriptor.from_json(manifest) for manifest in fields.objects("manifests")),
            subject=Descriptor.from_json(fields.object("subject")) if fields.has("subject") else None,
            artifact_type=fields.optional_text("artifactType"),
            annotations=fields.text_map("annotations"),
        )

    @classmethod
    def of(cls, manifests: Sequence[Descriptor], *, annotations: Mapping[str, str] | None = None) -> Self:
        """A new OCI index of `manifests`, in their order. Annotations are sorted by key."""
        value: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": mediatype.INDEX,
            "manifests": [manifest.to_json() for manifest in manifests],
        }
        if annotations:
            value["annotations"] = dict(sorted(annotations.items()))
        return cls.parse(document.dump(value))

    @property
    def descriptor(self) -> Descriptor:
        return Descriptor.of(self.raw, self.media_type)

    @property
    def children(self) -> tuple[Descriptor, ...]:
        return self.manifests


def is_node(media_type: str) -> bool:
    """Whether a blob of this type points to others."""
    return media_type in mediatype.MANIFESTS or media_type in mediatype.INDEXES


def parse_node(raw: bytes, media_type: str) -> Manifest | Index:
    """The manifest or index in `raw`. Raises Malformed where `media_type` is neither's, too."""
    if media_type in mediatype.INDEXES:
        return Index.parse(raw, media_type)
    if media_type in mediatype.MANIFESTS:
        return Manifest.parse(raw, media_type)
    raise Malformed("media type", media_type, expected="a manifest's or an index's")


def sniff(raw: bytes) -> str:
    """The media type of a manifest or index of unknown descriptor: what it says, else what its fields tell.

    Raises Malformed for anything else.
    """
    fields = Fields(document.load(raw, "manifest"), "manifest")
    said = fields.optional_text("mediaType")
    if said is not None and is_node(said):
        return said
    if said is None and fields.has("manifests"):
        return mediatype.INDEX
    if said is None and fields.has("config") and fields.has("layers"):
        return mediatype.MANIFEST
    raise Malformed("manifest", said, expected="a manifest's or an index's media type", where="mediaType")
