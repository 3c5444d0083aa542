"""Locks: one writer of refs at a time, in any process; and whether a temporary file's writer still lives."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from plumbing.store.files import failing_as, open_regular

NAME = "lock"


@contextmanager
def exclusive(store: Path) -> Iterator[None]:
    """Hold the exclusive lock of `store`, waiting for it. The kernel lets go of it if the process dies.

    The file is never unlinked: whoever waits for an unlinked file would hold a lock that nobody else sees.
    """
    path = store / NAME
    with failing_as("lock", path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        with failing_as("lock", path):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        with suppress(OSError):  # nothing was written to it, and closed it is in any case
            os.close(descriptor)


def hold(descriptor: int) -> bool:
    """Show that whoever writes to the open file lives, until it is closed; False if it was deleted before that."""
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return os.fstat(descriptor).st_nlink > 0


def delete_unless_held(path: Path) -> None:
    """Raises OSError, or StoreError for anything but a regular file."""
    with open_regular(path) as file, suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(path)  # before the lock goes: who waits for it in `hold` must see this
