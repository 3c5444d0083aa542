"""write-layer: store files as a layer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from plumbing.commands.options import Octal, compression_option, opened, records, store_option, zero_option
from plumbing.errors import Malformed
from plumbing.layer.capability import parse_capabilities
from plumbing.layer.codec import MEDIA_TYPES, Codec, codec_id
from plumbing.layer.entries import Source, collect
from plumbing.layer.layer import diff_id_of, write_compressed
from plumbing.oci import document
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.store import Store

_RECORD = "'MODE UID:GID' TAB DEST TAB SRC; '-' for the usual MODE, no SRC for an empty directory"


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenLayer:
    """The layer's descriptor, its diff ID, and all that its bytes depend on beside the files: see codec.codec_id."""

    descriptor: Descriptor
    diff_id: Digest
    codec: str

    def to_json(self) -> dict[str, Any]:
        return {**self.descriptor.to_json(), "diffID": str(self.diff_id), "codec": self.codec}


def write_layer(
    store: Store,
    sources: Iterable[Source],
    *,
    mtime: int = 0,
    compression: Codec = "gzip",
    level: int | None = None,
    exclude: Sequence[str] = (),
    present: Sequence[str] = (),
) -> WrittenLayer:
    """Store `sources` as a layer. The same files give the same diff ID anywhere; with the same codec the same digest.

    mtime    seconds since 1970-01-01 UTC, of every entry
    exclude, present   as in entries.collect
    raises   SourceError, Malformed, StoreError; nothing has been written then

    A tar that is stored already, as the same codec compresses it, is hashed but not compressed again.
    """
    entries = collect(sources, exclude=exclude, present=present)
    codec = codec_id(compression, level=level)
    media_type = MEDIA_TYPES[compression]
    plain_size = sum(entry.size for entry in entries)
    # the size of the files is known before they are read: where no layer has it, the tar is new and need not be hashed
    kind = f"{codec}/{plain_size}"
    if store.may_have(kind):
        diff_id = diff_id_of(entries, mtime=mtime)
        known = store.hint(kind, str(diff_id))
        if known is not None and store.diff_id(known) == diff_id:
            size = store.blobs.size(known) or 0
            return WrittenLayer(
                descriptor=Descriptor(media_type=media_type, digest=known, size=size), diff_id=diff_id, codec=codec
            )
    with store.writer() as blob:
        diff_id = write_compressed(entries, mtime=mtime, codec=compression, level=level, out=blob)
        digest = blob.commit(diff_id=diff_id)
        size = blob.size
    store.leave_hint(kind, str(diff_id), digest)
    return WrittenLayer(
        descriptor=Descriptor(media_type=media_type, digest=digest, size=size), diff_id=diff_id, codec=codec
    )


def parse_source(text: str, *, mode: int | None = None, capability: bytes | None = None) -> Source:
    """SRC=DEST; nothing before the '=' is an empty directory. The last '=' counts: a DEST has none."""
    src, equals, dest = text.rpartition("=")
    if not equals or not dest:
        raise Malformed("source", text, expected="SRC=DEST")
    return Source(src=Path(src) if src else None, dest=dest, mode=mode, capability=capability)


def parse_record(text: str) -> Source:
    """A line of a batch."""
    attributes, _, rest = text.partition("\t")
    dest, _, src = rest.partition("\t")
    mode, _, owner = attributes.partition(" ")
    uid, _, gid = owner.partition(":")
    try:
        return Source(
            src=Path(src) if src else None,
            dest=dest,
            mode=None if mode == "-" else int(mode, 8),
            uid=int(uid),
            gid=int(gid),
        )
    except ValueError:
        raise Malformed("record", text, expected=_RECORD) from None


@click.command("write-layer")
@click.argument("sources", metavar="SRC=DEST...", nargs=-1)
@click.option("--batch", metavar="FILE", help=f"Read sources from FILE, '-' for standard input; a line is {_RECORD}.")
@zero_option
@click.option("--mode", type=Octal(), help="Mode of each file; default: 755 for what can be executed, else 644.")
@click.option("--cap", metavar="CAPS", help="File capabilities, as for setcap: cap_net_bind_service=+ep.")
@click.option("--exclude", metavar="GLOB", multiple=True, help="Leave out of directories what matches; repeatable.")
@click.option("--present", metavar="PATH", multiple=True, help="A directory that the layers below have; repeatable.")
@compression_option
@click.option("--level", type=int, help="gzip: 0 to 3; zstd: 1 to 19.")
@click.option(
    "--mtime", type=int, default=0, envvar="SOURCE_DATE_EPOCH", show_envvar=True, help="Seconds since 1970; default: 0."
)
@click.option("--json", "as_json", is_flag=True, help="Print the descriptor, with diff ID and codec.")
@store_option
def command(
    sources: tuple[str, ...],
    batch: str | None,
    zero: bool,
    mode: int | None,
    cap: str | None,
    exclude: tuple[str, ...],
    present: tuple[str, ...],
    compression: Codec,
    level: int | None,
    mtime: int,
    as_json: bool,
    store: Store,
) -> None:
    """Store files and directories as one layer, and print its digest.

    Each SRC goes to DEST in the image: a file as a file, a directory with all that it holds. '=DEST' is an empty
    directory.
    """
    capability = parse_capabilities(cap) if cap else None
    given = [parse_source(text, mode=mode, capability=capability) for text in sources]
    if not given and batch is None:
        raise click.UsageError("no sources: expected SRC=DEST or --batch FILE")
    layer = write_layer(
        store,
        [*given, *(_batch(batch, zero=zero) if batch is not None else ())],
        mtime=mtime,
        compression=compression,
        level=level,
        exclude=exclude,
        present=present,
    )
    click.echo(document.dump(layer.to_json()).decode() if as_json else str(layer.descriptor.digest))


def _batch(file: str, *, zero: bool) -> Iterator[Source]:
    with opened(file) as stream:
        yield from (parse_record(record) for record in records(stream, zero=zero))
