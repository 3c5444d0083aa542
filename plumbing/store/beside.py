"""What is done beside the writing of a large blob, on another core: hashing its bytes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any


class Beside:
    """A thread. `close` ends it; what it was doing is waited for."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)

    @contextmanager
    def hashing(self, hasher: Any, piece: memoryview) -> Iterator[None]:
        """Hash `piece` while the block writes it. Afterwards its buffer may be used again."""
        hashed = self._thread.submit(hasher.update, piece)
        try:
            yield
        finally:
            hashed.result()

    def close(self) -> None:
        self._thread.shutdown()
