"""cat-manifest: a manifest or index."""

from __future__ import annotations

import sys

import click

from plumbing.commands.network import Network, locate, network_options
from plumbing.commands.options import Parsed, store_option
from plumbing.oci.platform import Platform
from plumbing.store import Store
from plumbing.store.images import manifest_of, node_of


@click.command("cat-manifest")
@click.argument("name")
@click.option(
    "--platform", type=Parsed(Platform.parse, "PLATFORM"), help="The manifest for it, where NAME is an index."
)
@store_option
@network_options
def command(name: str, platform: Platform | None, store: Store, network: Network) -> None:
    """Write the manifest or index NAME to standard output, byte for byte; docker://REFERENCE asks its registry."""
    source, root = locate(name, store, network)
    node = node_of(source, root) if platform is None else manifest_of(source, root, platform)
    sys.stdout.buffer.write(node.raw)
