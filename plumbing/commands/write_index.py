"""write-index: store an index of manifests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import click

from plumbing.commands.options import Pair, json_option, show, store_option
from plumbing.errors import Malformed
from plumbing.oci.config import Config
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.index import Index, is_node
from plumbing.oci.manifest import Manifest
from plumbing.store import Store
from plumbing.store.names import find


def write_index(
    store: Store, manifests: Sequence[Descriptor], *, annotations: Mapping[str, str] | None = None
) -> Descriptor:
    """Store an index of `manifests`, in the order given, each with the platform that its config names.

    What refs say of them is left out: the same manifests give the same bytes.

    Raises NotFound, or Malformed for what is no manifest; nothing has been written then.
    """
    index = Index.of([_entry(store, manifest) for manifest in manifests], annotations=annotations)
    return store.put(index.raw, index.media_type)


def _entry(store: Store, descriptor: Descriptor) -> Descriptor:
    if not is_node(descriptor.media_type):
        raise Malformed("manifest", descriptor.digest, expected="a manifest or an index")
    node = store.manifest(descriptor)
    platform = None
    if isinstance(node, Manifest) and node.artifact_type is None:
        platform = Config.parse(store.read(node.config)).platform
    return replace(descriptor.bare, platform=platform, artifact_type=node.artifact_type)


@click.command("write-index")
@click.argument("names", metavar="MANIFEST...", nargs=-1, required=True)
@click.option("--annotation", "annotations", type=Pair(), multiple=True, help="An annotation; repeatable.")
@json_option
@store_option
def command(names: tuple[str, ...], annotations: tuple[tuple[str, str], ...], as_json: bool, store: Store) -> None:
    """Store an index of MANIFESTs, in the order given, and print its digest."""
    manifests = [find(name, store).descriptor for name in names]
    show(write_index(store, manifests, annotations=dict(annotations)), as_json=as_json)
