"""Threads: what is done beside the caller's own work, in the order in which it was begun."""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")
_Deed = tuple[Callable[..., Any], tuple[Any, ...], "SimpleQueue[_Outcome]"]
_Outcome = tuple[Any, BaseException | None]


class Threads:
    """Up to `most` threads. `end` must be called.

    Not those of concurrent.futures: that imports logging, which takes longer than to compress a small layer, and
    needs twice the processor's time for a deed.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._deeds: SimpleQueue[_Deed | None] = SimpleQueue()
        self._threads: list[Thread] = []

    def begin(self, deed: Callable[..., T], *given: Any) -> Callable[[], T]:
        """Have `deed` done. What is returned is called once: it waits, and returns or raises what `deed` did."""
        outcome: SimpleQueue[_Outcome] = SimpleQueue()
        self._deeds.put((deed, given, outcome))
        if len(self._threads) < self._most:
            thread = Thread(target=_work, args=(self._deeds,), daemon=True)
            thread.start()
            self._threads.append(thread)

        def wait() -> T:
            value: T
            value, error = outcome.get()
            if error is not None:
                raise error
            return value

        return wait

    def end(self) -> None:
        """Leave undone what no thread has begun with, and wait for the rest."""
        try:
            while True:
                self._deeds.get_nowait()
        except Empty:
            pass
        for _ in self._threads:
            self._deeds.put(None)
        for thread in self._threads:
            thread.join()
        self._threads.clear()


def _work(deeds: SimpleQueue[_Deed | None]) -> None:
    while (job := deeds.get()) is not None:
        deed, given, outcome = job
        try:
            outcome.put((deed(*given), None))
        except BaseException as error:  # noqa: BLE001  (the caller's to judge)
            outcome.put((None, error))
