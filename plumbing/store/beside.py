"""What is done beside the writing of a large blob, on other cores: hashing its bytes, and bringing them to the disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

_SYNCED = 16 << 20
"""Bytes that the disk is given at a time. Else it would begin with the first of them after the last had come."""


class Beside:
    """Two threads for the file `descriptor`. `close` ends them; what they were doing is waited for."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._threads = ThreadPoolExecutor(2)
        self._unsynced = 0
        self._syncing: Future[None] | None = None

    @contextmanager
    def hashing(self, hasher: Any, piece: memoryview) -> Iterator[None]:
        """Hash `piece` while the block writes it. Afterwards its buffer may be used again."""
        hashed = self._threads.submit(hasher.update, piece)
        try:
            yield
        finally:
            hashed.result()

    def wrote(self, count: int) -> None:
        """Say that `count` bytes more are in the file. Raises OSError where the disk did not take earlier ones."""
        self._unsynced += count
        if self._unsynced >= _SYNCED and (self._syncing is None or self._syncing.done()):
            self.check()
            self._unsynced = 0
            self._syncing = self._threads.submit(os.fdatasync, self._descriptor)

    def check(self) -> None:
        """Raise OSError where the disk did not take what it was given: Linux says so once, not at each sync."""
        if self._syncing is not None:
            self._syncing.result()

    def close(self) -> None:
        self._threads.shutdown()
