"""write-manifest: store an image's manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import click

from plumbing.commands.options import Pair, json_option, show, store_option
from plumbing.errors import Malformed, NotFound
from plumbing.oci import mediatype
from plumbing.oci.config import Config
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.manifest import Manifest
from plumbing.store import Store
from plumbing.store.images import kind, manifest_of
from plumbing.store.names import Found, find


def write_manifest(
    store: Store,
    config: Descriptor,
    layers: Sequence[Descriptor],
    *,
    base: Found | None = None,
    annotations: Mapping[str, str] | None = None,
    subject: Descriptor | None = None,
) -> Descriptor:
    """Store the manifest of `config` and `layers`, in order, on top of those of `base`. The same give the same bytes.

    base    an image for the config's platform; docker's media types become OCI's, the bytes of its layers stay
    raises  NotFound for what is not stored; Malformed where the config speaks of another number of layers
    """
    if config.media_type not in mediatype.CONFIGS:
        raise Malformed("config", config.digest, expected=f"what 'write-config' printed, not a {kind(config)}")
    parsed = Config.parse(store.read(config))
    below: tuple[Descriptor, ...] = ()
    if base is not None:
        below = manifest_of(base.store, base.descriptor, parsed.platform).layers
    together = [
        replace(layer, media_type=mediatype.as_oci(layer.media_type))
        for layer in (*below, *(layer.bare for layer in layers))
    ]
    if len(together) != len(parsed.diff_ids):
        raise Malformed(
            "manifest",
            f"{len(together)} layers",
            expected=f"the {len(parsed.diff_ids)} of which the config '{config.digest}' speaks",
        )
    for layer in together:
        if store.lacks(layer):
            raise NotFound.blob(layer.digest, store.path)
    manifest = Manifest.of(
        replace(config.bare, media_type=mediatype.CONFIG),
        together,
        annotations=annotations,
        subject=subject.bare if subject is not None else None,
    )
    return store.put(manifest.raw, manifest.media_type)


@click.command("write-manifest")
@click.option("--config", metavar="CONFIG", required=True, help="What write-config printed.")
@click.option("--layer", "layers", metavar="LAYER", multiple=True, help="A layer, the lowest first; repeatable.")
@click.option("--base", metavar="IMAGE", help="An image whose layers come first.")
@click.option("--annotation", "annotations", type=Pair(), multiple=True, help="An annotation; repeatable.")
@click.option("--subject", metavar="IMAGE", help="The manifest that this one is about.")
@json_option
@store_option
def command(
    config: str,
    layers: tuple[str, ...],
    base: str | None,
    annotations: tuple[tuple[str, str], ...],
    subject: str | None,
    as_json: bool,
    store: Store,
) -> None:
    """Store the manifest of an image of CONFIG and LAYERs, and print its digest."""
    descriptor = write_manifest(
        store,
        find(config, store).descriptor,
        [find(layer, store).descriptor for layer in layers],
        base=find(base, store) if base is not None else None,
        annotations=dict(annotations),
        subject=find(subject, store).descriptor if subject is not None else None,
    )
    show(descriptor, as_json=as_json)
