"""When to ask again, and how long to wait. registries.md, section 2."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from plumbing.registry.problem import Problem
from plumbing.registry.settings import Clock

TRIES = 5
"""How often a request, or the upload of a blob, is tried."""

LONGEST = 120.0
"""Seconds that a registry may ask to wait."""

_STATUSES = frozenset({408, 425, 429, 499, 500, 502, 503, 504, *range(520, 525)})
_CODES = ("TOOMANYREQUESTS", "UNAVAILABLE", "UNKNOWN")
FINAL = ("UNAUTHORIZED", "DENIED", "NAME_UNKNOWN", "MANIFEST_UNKNOWN")


def may_pass(status: int, problem: Problem) -> bool:
    """Whether the same request may be answered otherwise a moment later. The code is read before the status."""
    if status < 400 or problem.has(*FINAL):
        return False
    return status in _STATUSES or problem.has(*_CODES)


def is_limit(status: int, problem: Problem) -> bool:
    """Whether the answer says: not so many requests."""
    return status == 429 or problem.has("TOOMANYREQUESTS")


def back_off(attempt: int, clock: Clock) -> float:
    """Seconds after the first, second, … attempt: 1, 2, 4, 8, and a little more or less."""
    return min(2.0 ** (attempt - 1), 8.0) * clock.jitter()


def retry_after(value: str | None, clock: Clock) -> float | None:
    """Seconds that the header Retry-After asks to wait, at most LONGEST; None without one that can be read.

    RFC 9110, section 10.2.3: a number of seconds, or a date.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST)
    from email.utils import parsedate_to_datetime  # felt, and hardly ever needed

    try:
        moment = parsedate_to_datetime(text)
        return min(max(0.0, moment.timestamp() - clock.now()), LONGEST)
    except (ValueError, OverflowError):
        return None


class Pace:
    """How fast a host may be asked; shared by all threads. One 429 pauses everybody, and successes forget it again."""

    def __init__(self, clock: Clock, sleep: Callable[[float], None]) -> None:
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._until = 0.0
        self._limits = 0

    def wait(self) -> None:
        """Return when the host may be asked. A thread that wakes up to a longer pause sleeps on."""
        while (left := self._until - self._clock.monotonic()) > 0:
            self._sleep(left)

    def limit(self, asked: float | None) -> float:
        """The host said: not so many. Pause all for the seconds that it `asked`, else longer each time; return them."""
        with self._lock:
            self._limits = min(self._limits + 1, 4)
            seconds = back_off(self._limits, self._clock) if asked is None else asked
            self._until = max(self._until, self._clock.monotonic() + seconds)
            return seconds

    def success(self) -> None:
        if self._limits:
            with self._lock:
                self._limits = max(0, self._limits - 1)


class Gate:
    """How many uploads may be open at once: any number, until a registry loses some that overlapped (Nexus)."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._inside = 0
        self._most: int | None = None

    @contextmanager
    def entered(self) -> Iterator[None]:
        with self._change:
            self._change.wait_for(lambda: self._most is None or self._inside < self._most)
            self._inside += 1
        try:
            yield
        finally:
            with self._change:
                self._inside -= 1
                self._change.notify_all()

    def narrow(self) -> None:
        """Half as many from now on, and one at least."""
        with self._change:
            self._most = max(1, (self._most or self._inside) // 2)
