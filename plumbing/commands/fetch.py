"""fetch: copy an image from a registry into the store."""

from __future__ import annotations

import click

from plumbing.commands.network import REMOTE, Network, jobs_option, network_options
from plumbing.commands.options import Parsed, json_option, show, store_option
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.once import ReadOnce
from plumbing.oci.platform import Platform
from plumbing.oci.reference import Reference
from plumbing.store import Store
from plumbing.store.images import choose
from plumbing.store.names import DEFAULT_TAG
from plumbing.sync import copy


def fetch(
    network: Network, store: Store, reference: Reference, *, platform: Platform | None = None, jobs: int = 4
) -> Descriptor:
    """Copy what `reference` means now into `store`, and keep it there under `ref_name`.

    platform  of an index, its manifest for this platform alone
    raises    RegistryError, NotFound; DigestMismatch for other bytes; no ref has changed then
    """
    repository, root = network.resolve(reference)
    source = ReadOnce(repository)
    if platform is not None:
        root = choose(source, root, platform)
    copy(source, store, root, jobs=jobs, progress=network.voice.progress())
    store.update_ref(ref_name(reference, platform), root)
    return root


def ref_name(reference: Reference, platform: Platform | None = None) -> str:
    """The ref of what was fetched: the whole reference, and for a part of an index the platform after an @."""
    full = reference if reference.digest else reference.tagged(reference.tag or DEFAULT_TAG)
    return f"{full}@{platform}" if platform is not None else str(full)


@click.command("fetch")
@click.argument("reference")
@click.option(
    "--platform", type=Parsed(Platform.parse, "PLATFORM"), help="Of an index, the image for this platform alone."
)
@jobs_option
@json_option
@store_option
@network_options
def command(
    reference: str, platform: Platform | None, jobs: int, as_json: bool, store: Store, network: Network
) -> None:
    """Copy the image REFERENCE from its registry into the store, verified, and print its digest.

    Only what is missing is downloaded. It is named there by its whole reference, with '@PLATFORM' if one was chosen.
    """
    parsed = Reference.parse(reference.removeprefix(REMOTE))
    show(fetch(network, store, parsed, platform=platform, jobs=jobs), as_json=as_json)
