"""Facts about a blob that its bytes imply, kept as extended attributes on its file: `user.krust.*`.

They are hints. A missing one, a file system without attributes, or a file whose size or time is another than when
the fact was noted only costs computing it again.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

DIFF_ID = "user.krust.diff-id"
"""Of a layer: the digest of its uncompressed tar."""

LINES = "user.krust.lines"
"""Of an index.json: krust wrote it, with a line for each entry, when it had this size and time: as VERIFIED."""

VERIFIED = "user.krust.verified"
"""The bytes were seen to hash to the blob's name when it had this size and modification time: "SIZE MTIME_NS"."""


def note(file: int | Path, name: str, value: str) -> None:
    """Keep a fact; where that cannot be, nothing is kept.

    A blob's mode is 0444, and whoever is not root may set no attribute on such a file, though it is theirs: it gets its
    owner's write bit for that moment.
    """
    import xattr

    with suppress(OSError):
        try:
            xattr.setxattr(file if isinstance(file, int) else str(file), name, value.encode())
        except PermissionError:
            mode = stat.S_IMODE(os.stat(file).st_mode)
            os.chmod(file, mode | stat.S_IWUSR)
            try:
                xattr.setxattr(file if isinstance(file, int) else str(file), name, value.encode())
            finally:
                os.chmod(file, mode)


def noted(file: int | Path, name: str) -> str | None:
    import xattr

    try:
        raw: bytes = xattr.getxattr(file if isinstance(file, int) else str(file), name)
    except OSError:
        return None
    return raw.decode("utf-8", "replace")


def verified_as(status: os.stat_result) -> str:
    """The value of VERIFIED for a file in this state."""
    return f"{status.st_size} {status.st_mtime_ns}"
