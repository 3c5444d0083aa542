"""Files as a store needs them: links refused on the way in, and nothing lost once it is said to be written."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from plumbing.errors import StoreError, system_words
from plumbing.files import sync_folder
from plumbing.store import facts

_ELSEWHERE = "choose another place with '--store'"


@contextmanager
def failing_as(action: str, path: Path, *, elsewhere: str = _ELSEWHERE) -> Iterator[None]:
    """Turn what the file system refuses into a StoreError that says what was being done, and to what.

    elsewhere  how to have it done at another place
    """
    try:
        yield
    except OSError as error:
        raise StoreError(f"cannot {action} '{path}': {reason(error, elsewhere)}") from error


def reason(error: OSError, elsewhere: str = _ELSEWHERE) -> str:
    """The system's words for `error`, in lower case, with what to do about the common ones."""
    words = system_words(error)
    advice = {
        "no space left on device": f"free some, or {elsewhere}",
        "read-only file system": elsewhere,
        "permission denied": f"change its mode or owner, or {elsewhere}",
        "disk quota exceeded": f"free some, or {elsewhere}",
        "file name too long": elsewhere,
        "input/output error": "the disk or its connection may be failing: see what the kernel says of it",
        "invalid cross-device link": "a store is on one file system, with its 'tmp'",
        "no locks available": f"it has no 'flock' there; {elsewhere}",
        "function not implemented": elsewhere,
        "operation not supported": elsewhere,
    }.get(words)
    return f"{words}; {advice}" if advice else words


def open_regular(path: Path) -> BinaryIO:
    """Open for reading, a regular file and no link. Raises OSError, or StoreError for anything but a regular file."""
    return open(open_descriptor(path), "rb", buffering=0)


def open_descriptor(path: Path | str) -> int:
    """As `open_regular`, without an object around the descriptor, which the caller closes."""
    # O_NONBLOCK: a fifo in the file's place must not hang us; it has no effect on regular files
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise StoreError(f"cannot read '{path}': not a regular file")
    return descriptor


def start_writing(descriptor: int, start: int, count: int) -> None:
    """Have the disk begin with `count` bytes of a file, from `start` on. What it refuses, the next fsync says.

    Else it begins at the fsync, when the last byte has come. Python has no sync_file_range; on Linux this advice
    begins to write without waiting, and drops of the bytes' cache only what is on the disk by then, which is little.
    """
    if hasattr(os, "posix_fadvise"):
        with suppress(OSError):  # it is advice
            os.posix_fadvise(descriptor, start, count, os.POSIX_FADV_DONTNEED)


def make_folder(path: Path, *, below: Path) -> None:
    """Make the folder `path`, and what is missing above it, so that they last.

    below  it and what is between it and `path` may be there, made by one who was killed before they lasted
    """
    levels = list(pairwise((path, *path.parents)))  # each folder, and that which holds its name
    new = [folder for folder, _ in levels if folder.is_relative_to(below) or not folder.is_dir()]
    path.mkdir(parents=True, exist_ok=True)
    for folder, above in levels:
        try:
            sync_folder(above)
        except OSError:
            if folder in new and os.access(above, os.R_OK):
                raise  # else it was there, or is one that may be written to and not read


def replace(path: Path, raw: bytes, *, staging: Path, noting: str | None = None) -> None:
    """Give `path` the content `raw`, whole or not at all. `staging` is a folder on the same file system.

    noting  a fact to keep about the file, with its size and time: see facts.py
    """
    import tempfile  # here: it costs more than most commands that only read

    descriptor, name = tempfile.mkstemp(dir=staging)
    try:
        with open(descriptor, "wb") as file:
            file.write(raw)
            os.fchmod(descriptor, 0o644)
            file.flush()
            if noting is not None:
                facts.note(descriptor, noting, facts.verified_as(os.fstat(descriptor)))
            os.fsync(descriptor)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):  # what went wrong first is what is said, and what stays here is for gc
            os.unlink(name)
        raise
    sync_folder(path.parent)
