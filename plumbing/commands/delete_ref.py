"""delete-ref: forget a name."""

from __future__ import annotations

import click

from plumbing.commands.options import store_option
from plumbing.commands.update_ref import full_name, parse_expected
from plumbing.store import Store


@click.command("delete-ref")
@click.argument("name")
@click.argument("old", required=False)
@store_option
def command(name: str, old: str | None, store: Store) -> None:
    """Forget NAME, if it stands for the digest OLD now; its blobs stay until gc."""
    store = Store.open(store.path)
    store.delete_ref(name if store.refs.get(name) is not None else full_name(name), parse_expected(old))
