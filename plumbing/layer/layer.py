"""layer: entries in, one compressed blob out, in one pass. image-spec 1.1, layer.md, config.md "Layer DiffID"."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import cycle

from plumbing.layer.codec import MEDIA_TYPES, Codec, compressor, decompressed
from plumbing.layer.entries import Entry
from plumbing.layer.streams import Counted, Hashed, Readable, Sink
from plumbing.layer.tar import write_tar
from plumbing.oci.digest import Digest

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """What was written. `diff_id` is of the tar; `digest` and `size` (bytes) are of the blob."""

    diff_id: Digest
    digest: Digest
    size: int
    media_type: str


def write_layer(
    entries: Iterable[Entry],
    *,
    mtime: int,
    codec: Codec,
    out: Sink,
    level: int | None = None,
    threads: int | None = None,
) -> Layer:
    """Write `entries` as a layer: read once, tar, hash, compress, hash, write. Constant memory.

    mtime           as for `write_tar`
    level, threads  as for `compressor`
    out             left open; after an exception, what it holds is no layer
    raises          as `write_tar` and `compressor`; and what `out.write` raises
    """
    blob = Counted(out) if codec == "none" else Hashed(out)
    with compressor(codec, blob, level=level, threads=threads) as plain:
        diff_id = write_tar(entries, mtime=mtime, out=plain)
    digest = blob.digest() if isinstance(blob, Hashed) else diff_id  # hashing the same bytes twice is half the time
    return Layer(diff_id=diff_id, digest=digest, size=blob.size, media_type=MEDIA_TYPES[codec])


def layer_diff_id(codec: Codec, stream: Readable, *, limit: int | None = None) -> Digest:
    """The diff ID of the layer in `stream`, which is left open. Constant memory; raises as `decompressed`."""
    from concurrent.futures import Future, ThreadPoolExecutor

    hasher = hashlib.sha256()
    chunks = cycle([memoryview(bytearray(_CHUNK)), memoryview(bytearray(_CHUNK))])
    with decompressed(codec, stream, limit=limit) as plain, ThreadPoolExecutor(1, "sha256") as pool:
        hashed: Future[None] | None = None
        while count := plain.readinto(chunk := next(chunks)):
            if hashed is not None:
                hashed.result()  # so that no chunk is filled again before it is hashed
            hashed = pool.submit(hasher.update, chunk[:count])
    return Digest.ending(hasher)
