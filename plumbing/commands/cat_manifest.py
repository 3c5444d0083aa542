"""cat-manifest: a manifest or index."""

from __future__ import annotations

import sys

import click

from plumbing.commands.options import Parsed, store_option
from plumbing.oci.platform import Platform
from plumbing.store import Store
from plumbing.store.images import manifest_of
from plumbing.store.names import find


@click.command("cat-manifest")
@click.argument("name")
@click.option("--platform", type=Parsed(Platform, "PLATFORM"), help="The manifest for it, where NAME is an index.")
@store_option
def command(name: str, platform: Platform | None, store: Store) -> None:
    """Write the manifest or index NAME to standard output, byte for byte."""
    found = find(name, store)
    if platform is None:
        node = found.store.manifest(found.descriptor)
    else:
        node = manifest_of(found.store, found.descriptor, platform)
    sys.stdout.buffer.write(node.raw)
