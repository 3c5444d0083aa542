"""The store's lock: one writer of refs at a time, in any process."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from plumbing.store.files import failing_as

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
