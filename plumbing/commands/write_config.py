"""write-config: store an image's config."""

from __future__ import annotations

from collections.abc import Sequence

import click

from plumbing.commands.options import Pair, Parsed, json_option, show, store_option
from plumbing.errors import Malformed, NotFound
from plumbing.layer.codec import codec_of
from plumbing.layer.layer import layer_diff_id
from plumbing.oci import mediatype
from plumbing.oci.config import Config, Execution
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.oci.platform import Platform
from plumbing.store import Store
from plumbing.store.images import config_of, kind
from plumbing.store.names import Found, find


def write_config(
    store: Store,
    platform: Platform,
    layers: Sequence[Digest],
    *,
    base: Found | None = None,
    execution: Execution | None = None,
    created: int = 0,
    created_by: str = "krust",
) -> Descriptor:
    """Store a config for `layers`, in order, on top of those of `base`. The same arguments give the same bytes.

    base      an image, or a config; an index gives its entry for `platform`
    created   seconds since 1970-01-01 UTC
    raises    NotFound, Malformed; nothing has been written then
    """
    below = config_of(base.store, base.descriptor, platform) if base is not None else None
    diff_ids = [diff_id(store, layer) for layer in layers]
    config = Config.of(platform, diff_ids, base=below, execution=execution, created=created, created_by=created_by)
    return store.put(config.raw, mediatype.CONFIG)


def diff_id(store: Store, digest: Digest) -> Digest:
    """The diff ID of a stored layer: as noted, else by reading it all. Raises NotFound, DigestMismatch, Malformed."""
    noted = store.diff_id(digest)
    if noted is not None:
        return noted
    layer = store.describe(digest)
    if layer.media_type not in mediatype.LAYERS:
        raise Malformed("layer", digest, expected=f"what 'write-layer' printed, not a {kind(layer)}")
    store.blobs.verify(digest)
    with store.blobs.open(digest, verify=False) as stream:
        found = layer_diff_id(codec_of(layer.media_type), stream)
    store.note_diff_id(digest, found)
    return found


@click.command("write-config")
@click.option(
    "--platform", type=Parsed(Platform.parse, "PLATFORM"), required=True, help="Such as linux/amd64, linux/arm/v7."
)
@click.option("--layer", "layers", metavar="LAYER", multiple=True, help="A layer, the lowest first; repeatable.")
@click.option("--base", metavar="IMAGE", help="An image whose config and layers this one is built on.")
@click.option(
    "--entrypoint", "entrypoints", metavar="WORD", multiple=True, help="The program and its fixed words; repeatable."
)
@click.option(
    "--arg", "args", metavar="WORD", multiple=True, help="A word that follows if the user gives none; repeatable."
)
@click.option("--env", "env", type=Pair(), multiple=True, help="An environment variable; repeatable.")
@click.option("--user", help="The user, and group: 65532:65532, nonroot.")
@click.option("--workdir", metavar="PATH", help="Where the program starts.")
@click.option("--label", "labels", type=Pair(), multiple=True, help="A label; repeatable.")
@click.option(
    "--port", "ports", metavar="PORT", multiple=True, help="A port that is listened on, such as 8080/tcp; repeatable."
)
@click.option(
    "--volume", "volumes", metavar="PATH", multiple=True, help="A directory whose data should last; repeatable."
)
@click.option("--stop-signal", metavar="SIGNAL", help="What ends the program, such as SIGTERM.")
@click.option(
    "--created",
    type=int,
    default=0,
    envvar="SOURCE_DATE_EPOCH",
    show_envvar=True,
    help="Seconds since 1970; default: 0.",
)
@click.option("--created-by", default="krust", show_default=True, help="What the history says made the layers.")
@json_option
@store_option
def command(
    platform: Platform,
    layers: tuple[str, ...],
    base: str | None,
    entrypoints: tuple[str, ...],
    args: tuple[str, ...],
    env: tuple[tuple[str, str], ...],
    user: str | None,
    workdir: str | None,
    labels: tuple[tuple[str, str], ...],
    ports: tuple[str, ...],
    volumes: tuple[str, ...],
    stop_signal: str | None,
    created: int,
    created_by: str,
    as_json: bool,
    store: Store,
) -> None:
    """Store the config of an image of LAYERs for PLATFORM, and print its digest."""
    execution = Execution(
        user=user,
        workdir=workdir,
        entrypoint=entrypoints or None,
        args=args or None,
        env=dict(env),
        labels=dict(labels),
        ports=ports,
        volumes=volumes,
        stop_signal=stop_signal,
    )
    descriptor = write_config(
        store,
        platform,
        [_layer(store, name) for name in layers],
        base=find(base, store) if base is not None else None,
        execution=execution,
        created=created,
        created_by=created_by,
    )
    show(descriptor, as_json=as_json)


def _layer(store: Store, name: str) -> Digest:
    found = find(name, store)
    if found.store.path.resolve() != store.path.resolve():
        raise NotFound.blob(name, store.path)
    return found.descriptor.digest
