"""update-ref: point a name to a manifest, by compare-and-swap."""

from __future__ import annotations

from collections.abc import Iterator

import click

from plumbing.commands.options import opened, records, store_option, zero_option
from plumbing.errors import Malformed
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.oci.index import is_node
from plumbing.store import Store
from plumbing.store.names import DEFAULT_TAG, find
from plumbing.store.store import ANY, Expected

ABSENT = ""
_RECORD = "NAME NEW [OLD], with one space between"


def update_refs(store: Store, changes: dict[str, tuple[Descriptor, Expected]]) -> None:
    """Point each name to its manifest or index, all or none.

    Raises RefConflict where a name is not what was expected, Malformed for a name or a target that no ref may have,
    NotFound where a blob below a target is missing; nothing has changed then.
    """
    for descriptor, _ in changes.values():
        if not is_node(descriptor.media_type):
            raise Malformed("target of a ref", descriptor.digest, expected="a manifest or an index")
    store.update_refs(changes)


def parse_expected(text: str | None = None) -> Expected:
    """A digest; nothing, for a name that must not be there; None, for whatever is there."""
    if text is None:
        return ANY
    return None if text == ABSENT else Digest.parse(text)


def full_name(name: str) -> str:
    """`hello` is `hello:latest`."""
    return name if ":" in name.rpartition("/")[2] or "@" in name else f"{name}:{DEFAULT_TAG}"


@click.command("update-ref")
@click.argument("name", required=False)
@click.argument("new", required=False)
@click.argument("old", required=False)
@click.option(
    "--batch", metavar="FILE", help=f"Take changes from FILE, '-' for standard input, all or none; a line is {_RECORD}."
)
@zero_option
@store_option
def command(name: str | None, new: str | None, old: str | None, batch: str | None, zero: bool, store: Store) -> None:
    """Point NAME to the manifest or index NEW, if it stands for OLD now.

    Without OLD, whatever NAME stands for now is replaced. An empty OLD means that NAME must not be there.
    """
    lines = [[part for part in (name, new, old) if part is not None]] if name is not None else []
    lines.extend(_batch(batch, zero=zero) if batch is not None else ())
    if not lines or not all(2 <= len(line) <= 3 for line in lines):
        raise click.UsageError("nothing to do: expected NAME NEW [OLD] or --batch FILE")
    changes: dict[str, tuple[Descriptor, Expected]] = {}
    for ref, target, *before in lines:
        if full_name(ref) in changes:
            raise Malformed("batch", ref, expected="each name once")
        changes[full_name(ref)] = (find(target, store).descriptor, parse_expected(*before))
    update_refs(store, changes)


def _batch(file: str, *, zero: bool) -> Iterator[list[str]]:
    with opened(file) as stream:
        for record in records(stream, zero=zero):
            parts = record.split(" ")
            if not 2 <= len(parts) <= 3:
                raise Malformed("record", record, expected=_RECORD)
            yield parts
