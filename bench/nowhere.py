"""A layer of one file as `write-layer` makes it, with nothing written: what bench/go/layer does. Prints its size.

python -m bench.nowhere FILE gzip|zstd|none
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import get_args

from plumbing.layer.codec import Codec
from plumbing.layer.entries import Source, collect
from plumbing.layer.layer import write_layer
from plumbing.layer.streams import Nowhere

if __name__ == "__main__":
    file, wanted = sys.argv[1:]
    codec = next(each for each in get_args(Codec) if each == wanted)
    print(write_layer(collect([Source(src=Path(file), dest="/app")]), mtime=0, codec=codec, out=Nowhere()).size)
