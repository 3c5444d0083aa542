"""gc: delete what no ref needs."""

from __future__ import annotations

import time

import click

from plumbing.commands.options import Real, store_option
from plumbing.store import Store
from plumbing.store.gc import GRACE, gc


@click.command("gc")
@click.option("-n", "--dry-run", is_flag=True, help="Delete nothing; print what would be deleted.")
@click.option(
    "--grace",
    type=Real(min=0),
    default=GRACE,
    show_default=True,
    metavar="SECONDS",
    help="Keep what was written or used in the last SECONDS: it may be part of an image in the making.",
)
@store_option
def command(dry_run: bool, grace: float, store: Store) -> None:
    """Delete the blobs that no ref needs, and print their digests."""
    garbage = gc(Store.open(store.path), now=time.time(), grace=grace, dry_run=dry_run)
    for item in garbage:
        click.echo(str(item.digest))
    verb = "would free" if dry_run else "freed"
    click.echo(f"{verb} {sum(item.size for item in garbage)} bytes in {len(garbage)} blobs", err=True)
