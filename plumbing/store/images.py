"""Images: from whatever a name stands for, index, manifest or config, to the config and layers of one platform."""

from __future__ import annotations

from plumbing.errors import Malformed, NotFound
from plumbing.oci.config import Config
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.index import Index, is_node
from plumbing.oci.manifest import Manifest
from plumbing.oci.platform import Platform
from plumbing.store.store import Store


def manifest_of(store: Store, descriptor: Descriptor, platform: Platform | None = None) -> Manifest:
    """The manifest that `descriptor` is, or that the index it is has for `platform`.

    Raises NotFound, listing what there is, where an index has no such entry, or several and no platform is given.
    """
    node = store.manifest(descriptor)
    if isinstance(node, Manifest):
        return node
    return manifest_of(store, choose(node, platform, descriptor), platform)


def choose(index: Index, platform: Platform | None, name: object) -> Descriptor:
    """The entry of `index` for `platform`, or its only one. The first that fits: image-index.md, "manifests".

    Attestations, which tools keep beside images as entries for unknown/unknown, are no images.
    """
    images = [entry for entry in index.manifests if not _is_attestation(entry)]
    fitting = [entry for entry in images if platform is None or entry.platform is None or platform.runs(entry.platform)]
    if len(fitting) == 1 or (fitting and platform is not None):
        return fitting[0]
    there = ", ".join(str(entry.platform) for entry in images if entry.platform) or "nothing with a platform"
    if platform is None:
        raise NotFound(f"cannot choose from '{name}': an index of {there}; name one with '--platform'")
    raise NotFound(f"cannot find platform '{platform}' in '{name}': it has {there}")


def config_of(store: Store, descriptor: Descriptor, platform: Platform | None = None) -> Config:
    """The config of an image, or the config that `descriptor` itself is."""
    if not is_node(descriptor.media_type):
        return Config.parse(store.read(descriptor))
    manifest = manifest_of(store, descriptor, platform)
    if manifest.artifact_type is not None and not manifest.layers:
        raise Malformed("image", descriptor.digest, expected="an image, not an artifact")
    return Config.parse(store.read(manifest.config))


def _is_attestation(entry: Descriptor) -> bool:
    return entry.annotations.get("vnd.docker.reference.type") == "attestation-manifest" or (
        entry.platform is not None and entry.platform.os == "unknown"
    )
