"""ls-refs: what has a name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fnmatch import translate

import click

from plumbing.commands.options import store_option, zero_option
from plumbing.errors import printable
from plumbing.store import Store
from plumbing.store.store import Ref


def ls_refs(store: Store, pattern: str = "*") -> list[Ref]:
    """The refs whose names fit the glob `pattern`, sorted by name."""
    fits = re.compile(translate(pattern)).match
    named = [ref for ref in store.refs if ref.name is not None and fits(ref.name)]
    return sorted(named, key=lambda ref: ref.name or "")


@click.command("ls-refs")
@click.argument("pattern", default="*")
@click.option("--json", "as_json", is_flag=True, help="Print a descriptor a line.")
@zero_option
@store_option
def command(pattern: str, as_json: bool, zero: bool, store: Store) -> None:
    """List the refs whose names fit the glob PATTERN: digest, tab, name."""
    refs = ls_refs(Store.open(store.path), pattern)
    # bytes, or echo would edit them; at once, for a flush after each of 10^5 lines takes longer than to read them
    click.echo("".join(_records(refs, as_json=as_json, zero=zero)).encode(), nl=False)


def _records(refs: Iterable[Ref], *, as_json: bool, zero: bool) -> Iterator[str]:
    end = "\0" if zero else "\n"
    for ref in refs:
        name = ref.name or ""
        line = f"{ref.descriptor.digest}\t{name if zero else printable(name)}"
        yield f"{ref.descriptor if as_json else line}{end}"
