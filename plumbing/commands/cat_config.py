"""cat-config: the config of an image."""

from __future__ import annotations

import sys

import click

from plumbing.commands.network import Network, locate, network_options
from plumbing.commands.options import Parsed, store_option
from plumbing.oci.platform import Platform
from plumbing.store import Store
from plumbing.store.images import config_of


@click.command("cat-config")
@click.argument("name")
@click.option("--platform", type=Parsed(Platform.parse, "PLATFORM"), help="Which entry, where NAME is an index.")
@store_option
@network_options
def command(name: str, platform: Platform | None, store: Store, network: Network) -> None:
    """Write the config of the image NAME to standard output, byte for byte; docker://REFERENCE asks its registry."""
    source, root = locate(name, store, network)
    sys.stdout.buffer.write(config_of(source, root, platform).raw)
