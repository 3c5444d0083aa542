"""cat-config: the config of an image."""

from __future__ import annotations

import sys

import click

from plumbing.commands.options import Parsed, store_option
from plumbing.oci.platform import Platform
from plumbing.store import Store
from plumbing.store.images import config_of
from plumbing.store.names import find


@click.command("cat-config")
@click.argument("name")
@click.option("--platform", type=Parsed(Platform, "PLATFORM"), help="Which entry, where NAME is an index.")
@store_option
def command(name: str, platform: Platform | None, store: Store) -> None:
    """Write the config of the image NAME to standard output, byte for byte."""
    found = find(name, store)
    sys.stdout.buffer.write(config_of(found.store, found.descriptor, platform).raw)
