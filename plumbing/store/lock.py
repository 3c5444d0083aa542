"""Locks: one writer of refs at a time, in any process; and whether a temporary file's writer still lives."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
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
        os.close(descriptor)


def hold(descriptor: int) -> None:
    """Show that whoever writes to the open file lives, until it is closed. Raises OSError."""
    import fcntl

    fcntl.flock(descriptor, fcntl.LOCK_EX)


def is_held(path: Path) -> bool:
    """Whether somebody holds the file. Raises OSError, or StoreError for anything but a regular file."""
    import fcntl

    with open_regular(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
