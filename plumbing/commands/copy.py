"""copy: from wherever an image is to wherever it should be."""

from __future__ import annotations

from pathlib import Path

import click

from plumbing import sync
from plumbing.commands.network import REMOTE, Network, jobs_option, locate, network_options
from plumbing.commands.options import Parsed, json_option, show, store_option
from plumbing.commands.push import push
from plumbing.errors import Malformed
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.oci.exchange import Source
from plumbing.oci.index import is_node
from plumbing.oci.once import ReadOnce
from plumbing.oci.platform import Platform
from plumbing.oci.reference import Reference
from plumbing.store import Store
from plumbing.store.images import choose
from plumbing.store.names import DEFAULT_TAG
from plumbing.store.walk import reading, walk


def copy(
    network: Network, source: Source, root: Descriptor, target: str, *, origin: Reference | None = None, jobs: int = 4
) -> None:
    """Copy `root` and all below it to `target`: docker://REFERENCE, or LAYOUT:REF, which is made if it is not there.

    origin  where `source` is, if that is a registry: blobs are mounted from there if `target` is on it too
    raises  what `source` and `target` raise; a ref or tag changes last
    """
    if target.startswith(REMOTE):
        reference = Reference.parse(target.removeprefix(REMOTE))
        mounts: dict[Digest, str] = {}
        if origin is not None and origin.registry == reference.registry:
            blobs = (item for item in walk(root, reading(source, root)) if not is_node(item.media_type))
            mounts = {item.digest: origin.repository for item in blobs}
        tags = [] if reference.digest else [reference.tag or DEFAULT_TAG]
        push(network, source, root, reference, tags, jobs=jobs, mounts=mounts)
        return
    path, colon, name = target.partition(":")
    if not path or (colon and not name):
        raise Malformed("target", target, expected=f"{REMOTE}HOST/REPOSITORY[:TAG] or LAYOUT[:REF]")
    layout = Store.create(Path(path))
    sync.copy(source, layout, root, jobs=jobs, progress=network.voice.progress())
    layout.update_ref(name or DEFAULT_TAG, root)


@click.command("copy")
@click.argument("src")
@click.argument("dst")
@click.option(
    "--platform", type=Parsed(Platform.parse, "PLATFORM"), help="Of an index, the image for this platform alone."
)
@jobs_option
@json_option
@store_option
@network_options
def command(
    src: str, dst: str, platform: Platform | None, jobs: int, as_json: bool, store: Store, network: Network
) -> None:
    """Copy the image SRC to DST, and print its digest.

    SRC is docker://REFERENCE or any name in the store; DST is docker://HOST/REPOSITORY[:TAG] or LAYOUT[:REF]. From
    registry to registry nothing is kept here, and within one registry nothing is moved where it can mount.
    """
    place, root = locate(src, store, network)
    source = ReadOnce(place)
    if platform is not None:
        root = choose(source, root, platform)
    origin = Reference.parse(src.removeprefix(REMOTE)) if src.startswith(REMOTE) else None
    copy(network, source, root, dst, origin=origin, jobs=jobs)
    show(root, as_json=as_json)
