"""cat-blob: the bytes of a blob."""

from __future__ import annotations

import sys
from typing import BinaryIO

import click

from plumbing.commands.options import opened, records, store_option, zero_option
from plumbing.store import Store
from plumbing.store.names import Found, find

_CHUNK = 1 << 20


def cat_blob(found: Found, out: BinaryIO) -> None:
    """Write the blob to `out`. Raises NotFound, or DigestMismatch: after the last byte, so ask for the exit code."""
    with found.store.blobs.open(found.descriptor.digest) as blob:
        while data := blob.read(_CHUNK):
            out.write(data)


@click.command("cat-blob")
@click.argument("name", required=False)
@click.option(
    "--batch",
    metavar="FILE",
    help="Take names from FILE, '-' for standard input; each gives 'DIGEST SIZE', its bytes, a newline.",
)
@zero_option
@store_option
def command(name: str | None, batch: str | None, zero: bool, store: Store) -> None:
    """Write the bytes of the blob NAME to standard output, verified."""
    out = sys.stdout.buffer
    if name is not None and batch is None:
        cat_blob(find(name, store), out)
        return
    if name is not None or batch is None:
        raise click.UsageError("expected either NAME or --batch FILE")
    with opened(batch) as stream:
        for record in records(stream, zero=zero):
            found = find(record, store)
            out.write(f"{found.descriptor.digest} {found.descriptor.size}\n".encode())
            cat_blob(found, out)
            out.write(b"\n")
            out.flush()
