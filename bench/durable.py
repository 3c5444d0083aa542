"""Write files of the same bytes, from memory, and sync each: what the disk takes, whoever gives it something.

    python -IS durable.py FOLDER FILES BYTES

BYTES of each file. Four at once, and the disk is told to begin every 8 MiB, as krust does it.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_PIECE = os.urandom(1 << 20)
_AHEAD = 8 << 20


def _write(path: Path, size: int) -> None:
    with path.open("wb", buffering=0) as file:
        for start in range(0, size, len(_PIECE)):
            end = start + file.write(_PIECE[: size - start])
            if end % _AHEAD == 0:
                os.posix_fadvise(file.fileno(), end - _AHEAD, _AHEAD, os.POSIX_FADV_DONTNEED)
        os.fsync(file.fileno())


folder, count, size = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
with ThreadPoolExecutor(4) as pool:
    list(pool.map(lambda number: _write(folder / str(number), size), range(count)))
