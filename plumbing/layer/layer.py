"""layer: entries in, a compressed tar and its diff ID out. image-spec 1.1, layer.md, config.md "Layer DiffID"."""

from __future__ import annotations

from collections.abc import Iterable

from plumbing.layer.codec import Codec, compressor, decompressed
from plumbing.layer.entries import Entry
from plumbing.layer.streams import Nowhere, Readable, Sink
from plumbing.layer.tar import write_tar
from plumbing.oci.digest import Digest


def write_compressed(
    entries: Iterable[Entry],
    *,
    mtime: int,
    codec: Codec,
    out: Sink,
    level: int | None = None,
    threads: int | None = None,
) -> Digest:
    """Write `entries` as a layer, and return its diff ID: read once, tar, hash and compress, write. Constant memory.

    mtime           as for `write_tar`
    level, threads  as for `compressor`
    out             left open; after an exception, what it holds is no layer. Its digest is for whoever stores it
    raises          as `write_tar` and `compressor`; and what `out.write` raises
    """
    with compressor(codec, out, level=level, threads=threads) as plain:
        write_tar(entries, mtime=mtime, out=plain)
    return plain.diff_id


def diff_id_of(entries: Iterable[Entry], *, mtime: int) -> Digest:
    """What `write_compressed` would return, with nothing written; as fast as files can be read and hashed."""
    return write_compressed(entries, mtime=mtime, codec="none", out=Nowhere())


def layer_diff_id(codec: Codec, stream: Readable, *, limit: int | None = None) -> Digest:
    """The diff ID of the layer in `stream`, which is left open. Constant memory; raises as `decompressed`."""
    with decompressed(codec, stream, limit=limit) as layer, compressor("none", Nowhere()) as plain:
        while count := layer.readinto(plain.room()):
            plain.advance(count)
    return plain.diff_id
