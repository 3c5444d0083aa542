"""Files that come to their place whole or not at all, and then last."""

from __future__ import annotations

import fcntl
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

BEFORE = "before"
"""In a staging folder: what stood at the place and is out of the way. While it is there, the folder is not cleared."""

_STAGING = re.compile(r"\.krust\.[0-9a-f]{16}")
_DEVICES = re.compile(r"/dev|/proc/\d+(/task/\d+)?/fd")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@contextmanager
def replacing(path: Path, *, mode: int = 0o666) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` at the end of the block, and lasts; if that fails, `path` is as it was.

    A link stays, and what it leads to is replaced, unless it is a stranger's. A pipe, a device or an open file is
    written to: root would else put a file in the place of /dev/null, for the whole machine.

    mode    of which the umask leaves what it leaves
    raises  OSError
    """
    if is_stream(path):
        with open(path, "ab") as file:  # what is in an open file stays, such as that of /dev/stdout
            yield file
        return
    path = place(path)
    with staging(path.parent) as folder:
        new = folder / "new"
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with open(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(descriptor)
        new.replace(path)
        sync_folder(path.parent)


def is_stream(path: Path) -> bool:
    """Whether a pipe, a device or an open file, as /dev/fd has them, is at `path`: it is not to be replaced."""
    if not path.exists() or path.is_dir():
        return False
    return not path.is_file() or _DEVICES.fullmatch(str(path.parent.resolve())) is not None


def place(path: Path) -> Path:
    """Where `path` leads: what it is a link to, if that may be followed.

    Where everybody may write, only one's own link is, and one of the folder's owner. Linux has the same rule for who
    opens a file: proc(5), protected_symlinks.
    """
    with suppress(OSError):
        link, folder = path.lstat(), path.parent.stat()
        if not folder.st_mode & stat.S_IWOTH or link.st_uid in (os.geteuid(), folder.st_uid):
            return Path(os.path.realpath(path))
    return path


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """A new folder in `folder`, so that a rename puts into `folder` what is made there; it is gone at the end.

    Those that others left there who were killed are cleared. That they are dead is told by a lock on the folder, which
    the kernel lets go of when they die; where a file system has no such locks, nothing is cleared. Raises OSError.
    """
    with suppress(OSError):
        for other in folder.iterdir():
            if _STAGING.fullmatch(other.name):
                _clear_unless_held(other)
    path, descriptor = _make(folder)
    try:
        yield path
    finally:
        _clear(path)
        with suppress(OSError):  # nothing was written to it, and closed it is in any case
            os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Make the names in `path` last: without this a power cut may take back a rename."""
    descriptor = os.open(path, _FOLDER)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make(folder: Path) -> tuple[Path, int]:
    """A staging folder, and what holds its lock until it is closed."""
    while True:
        path = folder / f".krust.{os.urandom(8).hex()}"
        path.mkdir(mode=0o700)
        with suppress(FileNotFoundError):  # another found it before it was locked, and took it for a dead one's
            descriptor = os.open(path, _FOLDER)
            with suppress(OSError):  # no locks here
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if path.exists():
                return path, descriptor
            os.close(descriptor)


def _clear_unless_held(path: Path) -> None:
    with suppress(OSError):
        descriptor = os.open(path, _FOLDER | os.O_NOFOLLOW)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _clear(path)
        finally:
            os.close(descriptor)


def _clear(path: Path) -> None:
    if not (path / BEFORE).exists():
        import shutil  # here: it brings bz2 and lzma, and every command would

        shutil.rmtree(path, ignore_errors=True)
