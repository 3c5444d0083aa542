"""Images: from whatever a name stands for, index, manifest or config, to the config and layers of one platform.

They are read from a store, or from a repository in a registry: any Source.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbing.errors import Malformed, NotFound
from plumbing.oci import mediatype
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.index import Index, is_node
from plumbing.oci.manifest import Manifest
from plumbing.oci.platform import Platform
from plumbing.store.walk import DEEPEST, parse

if TYPE_CHECKING:
    from plumbing.oci.config import Config
    from plumbing.oci.exchange import Source


def node_of(source: Source, descriptor: Descriptor) -> Manifest | Index:
    """The manifest or index, parsed. Raises Malformed for what is neither, saying what it seems to be."""
    if not is_node(descriptor.media_type):
        raise Malformed("image", descriptor.digest, expected=f"a manifest or an index, not a {kind(descriptor)}")
    return parse(descriptor, source.read(descriptor))


def kind(descriptor: Descriptor) -> str:
    """What a blob is there for, by its media type: index, manifest, config, layer or blob."""
    for name, media_types in (
        ("index", mediatype.INDEXES),
        ("manifest", mediatype.MANIFESTS),
        ("config", mediatype.CONFIGS),
        ("layer", mediatype.LAYERS),
    ):
        if descriptor.media_type in media_types:
            return name
    return "blob"


def choose(source: Source, root: Descriptor, platform: Platform | None = None) -> Descriptor:
    """The manifest that `root` is, or that the index it is has for `platform`; without one, its only manifest.

    Raises NotFound, listing what there is, where an index has none such, or several and no platform is given; and where
    the config of the manifest is for another platform, whatever an index says of it.
    """
    return _chosen(source, root, platform)[0]


def platforms(source: Source, root: Descriptor) -> list[Platform]:
    """Those that an image has, in its order; of a manifest, the one that its config names."""
    node = node_of(source, root)
    if isinstance(node, Manifest):
        return [_config(source, node.config).platform]
    return [entry.platform for entry in _images(node) if entry.platform is not None]


def manifest_of(source: Source, descriptor: Descriptor, platform: Platform | None = None) -> Manifest:
    """The manifest of one platform, parsed; see `choose`."""
    return _chosen(source, descriptor, platform)[1]


def config_of(source: Source, descriptor: Descriptor, platform: Platform | None = None) -> Config:
    """The config of an image, or the config that `descriptor` itself is."""
    if descriptor.media_type in mediatype.CONFIGS:
        return _config(source, descriptor)
    _, manifest, config = _chosen(source, descriptor, platform)
    return config or _config(source, manifest.config)


def _chosen(
    source: Source, root: Descriptor, platform: Platform | None, depth: int = DEEPEST
) -> tuple[Descriptor, Manifest, Config | None]:
    """What `choose` chooses, and what was read to do so: from a registry, each is a request."""
    node = node_of(source, root)
    if isinstance(node, Manifest):
        if platform is None:
            return root, node, None
        config = _config(source, node.config)
        if not platform.runs(config.platform):
            raise NotFound(f"cannot find platform '{platform}' in '{root.digest}': it is for {config.platform}")
        return root, node, config
    if depth == 0:
        raise Malformed("index", root.digest, expected=f"at most {DEEPEST} indexes within each other")
    return _chosen(source, _entry(node, platform, root.digest), platform, depth - 1)


def _images(index: Index) -> list[Descriptor]:
    """Without attestations, which tools keep beside images as entries for unknown/unknown."""
    return [entry for entry in index.manifests if not _is_attestation(entry)]


def _entry(index: Index, platform: Platform | None, name: object) -> Descriptor:
    """The first that fits: image-index.md, "manifests"."""
    images = _images(index)
    fitting = [entry for entry in images if platform is None or entry.platform is None or platform.runs(entry.platform)]
    fitting.sort(key=lambda entry: entry.platform is None)  # those that say so go before those that may
    if len(fitting) == 1 or (fitting and platform is not None):
        return fitting[0]
    there = ", ".join(str(entry.platform) for entry in images if entry.platform) or "nothing with a platform"
    if platform is None:
        raise NotFound(f"cannot choose from '{name}': an index of {there}; name one with '--platform'")
    raise NotFound(f"cannot find platform '{platform}' in '{name}': it has {there}")


def _is_attestation(entry: Descriptor) -> bool:
    return entry.annotations.get("vnd.docker.reference.type") == "attestation-manifest" or (
        entry.platform is not None and entry.platform.os == "unknown"
    )


def _config(source: Source, descriptor: Descriptor) -> Config:
    from plumbing.oci.config import Config  # here: most that is asked of images needs none

    return Config.parse(source.read(descriptor))
