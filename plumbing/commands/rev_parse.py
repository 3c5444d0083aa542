"""rev-parse: from names to digests."""

from __future__ import annotations

import click

from plumbing.commands.network import Network, locate, network_options
from plumbing.commands.options import opened, records, show, store_option, zero_option
from plumbing.store import Store


@click.command("rev-parse")
@click.argument("names", metavar="NAME...", nargs=-1)
@click.option("--batch", metavar="FILE", help="Take names from FILE, too; '-' for standard input.")
@zero_option
@click.option("--json", "as_json", is_flag=True, help="Print descriptors.")
@store_option
@network_options
def command(
    names: tuple[str, ...], batch: str | None, zero: bool, as_json: bool, store: Store, network: Network
) -> None:
    """Print the digest of what each NAME stands for, a line each; docker://REFERENCE asks its registry."""
    if not names and batch is None:
        raise click.UsageError("expected NAME... or --batch FILE")
    for name in names:
        show(locate(name, store, network)[1], as_json=as_json)
    if batch is not None:
        with opened(batch) as stream:
            for record in records(stream, zero=zero):
                show(locate(record, store, network)[1], as_json=as_json)
