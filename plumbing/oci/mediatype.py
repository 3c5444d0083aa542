"""Media types, each in one place. image-spec 1.1, media-types.md; docker's image manifest v2, schema 2."""

from __future__ import annotations

import re
from functools import lru_cache
from types import MappingProxyType

from plumbing.errors import Malformed

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER_GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"
DOCKER_LAYER_FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"

MANIFESTS = frozenset({MANIFEST, DOCKER_MANIFEST})
INDEXES = frozenset({INDEX, DOCKER_INDEX})
CONFIGS = frozenset({CONFIG, DOCKER_CONFIG})

LAYERS = MappingProxyType(
    {
        LAYER: "none",
        LAYER_GZIP: "gzip",
        LAYER_ZSTD: "zstd",
        DOCKER_LAYER: "none",
        DOCKER_LAYER_GZIP: "gzip",
        DOCKER_LAYER_FOREIGN: "gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar": "none",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip": "gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd": "zstd",
    }
)
"""The layer types, and the codec of each: none, gzip or zstd."""

NONDISTRIBUTABLE = frozenset(name for name in LAYERS if ".nondistributable." in name or name == DOCKER_LAYER_FOREIGN)
"""Layers that are not pushed, so that an image is whole without them. image-spec 1.1, layer.md."""

_OCI = {
    DOCKER_MANIFEST: MANIFEST,
    DOCKER_INDEX: INDEX,
    DOCKER_CONFIG: CONFIG,
    DOCKER_LAYER: LAYER,
    DOCKER_LAYER_GZIP: LAYER_GZIP,
}
_NAME = r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"
_FORM = re.compile(f"{_NAME}/{_NAME}")


def as_oci(media_type: str) -> str:
    """The OCI type of what docker calls `media_type`; anything else as it is."""
    return _OCI.get(media_type, media_type)


@lru_cache(256)  # an index of 10^5 manifests names one type 10^5 times
def _fits(media_type: str) -> bool:
    return _FORM.fullmatch(media_type) is not None


def check(media_type: str, *, where: str = "") -> str:
    """`media_type` itself. Raises Malformed unless it is type/subtype. RFC 6838, section 4.2."""
    if not _fits(media_type):
        raise Malformed("media type", media_type, expected="type/subtype", where=where)
    return media_type
