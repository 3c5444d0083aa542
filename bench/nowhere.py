"""A layer of one file as `write-layer` makes it, with nothing written: what bench/go/layer does. Prints its size.

python -m bench.nowhere FILE gzip|zstd|none
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import get_args

from plumbing.layer.codec import Codec
from plumbing.layer.entries import Source, collect
from plumbing.layer.layer import write_compressed


class Hashed:
    """Takes a blob, as a store would: knows its digest and size at the end."""

    def __init__(self) -> None:
        self._hasher = hashlib.sha256()
        self.size = 0

    def write(self, data: memoryview | bytes, /) -> None:
        self._hasher.update(data)
        self.size += len(data)


if __name__ == "__main__":
    file, wanted = sys.argv[1:]
    codec = next(each for each in get_args(Codec) if each == wanted)
    blob = Hashed()
    write_compressed(collect([Source(src=Path(file), dest="/app")]), mtime=0, codec=codec, out=blob)
    print(blob.size)
