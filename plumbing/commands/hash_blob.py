"""hash-blob: the digest of a file's bytes, and with -w the bytes in the store."""

from __future__ import annotations

from typing import BinaryIO

import click

from plumbing.commands.options import opened, show, store_option
from plumbing.errors import SourceError
from plumbing.oci import mediatype
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.store import Store
from plumbing.store.files import reason

_CHUNK = 1 << 20


def hash_blob(stream: BinaryIO, *, media_type: str) -> Descriptor:
    """What would point to the bytes of `stream`; nothing is kept."""
    hasher = Digest.of(b"").hasher()
    size = 0
    while data := stream.read(_CHUNK):
        hasher.update(data)
        size += len(data)
    return Descriptor(media_type=media_type, digest=Digest.ending(hasher), size=size)


def write_blob(store: Store, stream: BinaryIO, *, media_type: str) -> Descriptor:
    """Store the bytes of `stream`. Raises StoreError."""
    with store.writer() as blob:
        while data := stream.read(_CHUNK):
            blob.write(data)
        return Descriptor(media_type=media_type, digest=blob.commit(), size=blob.size)


@click.command("hash-blob")
@click.argument("file", metavar="FILE")
@click.option("-w", "write", is_flag=True, help="Store the blob, too.")
@click.option("--media-type", default="application/octet-stream", show_default=True, help="What --json says it is.")
@click.option("--json", "as_json", is_flag=True, help="Print the descriptor.")
@store_option
def command(file: str, write: bool, media_type: str, as_json: bool, store: Store) -> None:
    """Print the digest of FILE's bytes; '-' is standard input."""
    mediatype.check(media_type)
    try:
        with opened(file) as stream:
            if write:
                descriptor = write_blob(store, stream, media_type=media_type)
            else:
                descriptor = hash_blob(stream, media_type=media_type)
    except OSError as error:  # the store's are StoreErrors
        raise SourceError(f"cannot read '{file}': {reason(error, 'name another file')}") from error
    show(descriptor, as_json=as_json)
