"""ls-refs: what has a name."""

from __future__ import annotations

from fnmatch import fnmatchcase

import click

from plumbing.commands.options import printable, store_option, zero_option
from plumbing.store import Store
from plumbing.store.store import Ref


def ls_refs(store: Store, pattern: str = "*") -> list[Ref]:
    """The refs whose names fit the glob `pattern`, sorted by name."""
    named = [ref for ref in store.refs if ref.name is not None and fnmatchcase(ref.name, pattern)]
    return sorted(named, key=lambda ref: ref.name or "")


@click.command("ls-refs")
@click.argument("pattern", default="*")
@click.option("--json", "as_json", is_flag=True, help="Print a descriptor a line.")
@zero_option
@store_option
def command(pattern: str, as_json: bool, zero: bool, store: Store) -> None:
    """List the refs whose names fit the glob PATTERN: digest, tab, name."""
    end = "\0" if zero else "\n"
    for ref in ls_refs(Store.open(store.path), pattern):
        name = ref.name or ""
        line = f"{ref.descriptor.digest}\t{name if zero else printable(name)}"
        click.echo(f"{ref.descriptor if as_json else line}{end}".encode(), nl=False)  # bytes: echo would edit text
