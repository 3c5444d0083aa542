from __future__ import annotations

import threading
from email.utils import formatdate

import pytest

from plumbing.registry import Clock
from plumbing.registry.problem import Problem
from plumbing.registry.retry import Gate, Pace, back_off, is_limit, may_pass, retry_after

NOW = 1_700_000_000.0


class Time:
    def __init__(self) -> None:
        self.at = 0.0
        self.sleeps: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.at += seconds

    def clock(self) -> Clock:
        return Clock(monotonic=lambda: self.at, now=lambda: NOW, jitter=lambda: 1.0)


CLOCK = Time().clock()


@pytest.mark.parametrize(
    ("status", "codes", "again"),
    [
        *[(status, (), True) for status in (408, 425, 429, 499, 500, 502, 503, 504, 520, 521, 522, 523, 524)],
        *[(status, (), False) for status in (200, 201, 301, 400, 401, 403, 404, 405, 410, 413, 416, 501, 525)],
        (400, ("TOOMANYREQUESTS",), True),
        (403, ("UNAVAILABLE",), True),
        (404, ("UNKNOWN",), True),
        (500, ("UNAUTHORIZED",), False),
        (503, ("DENIED",), False),
        (500, ("NAME_UNKNOWN",), False),
        (502, ("MANIFEST_UNKNOWN", "UNKNOWN"), False),
    ],
)
def test_the_code_is_read_before_the_status(status: int, codes: tuple[str, ...], again: bool) -> None:
    assert may_pass(status, Problem(codes)) is again


def test_the_back_off_doubles_up_to_eight_seconds() -> None:
    assert [back_off(attempt, CLOCK) for attempt in (1, 2, 3, 4, 5)] == [1, 2, 4, 8, 8]


def test_the_jitter_is_a_fifth_at_most() -> None:
    assert all(0.8 <= Clock().jitter() <= 1.2 for _ in range(100))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        (" 0 ", 0),
        ("3600", 120),
        ("9" * 400, 120),
        (formatdate(NOW + 30, usegmt=True), 30),
        (formatdate(NOW - 30, usegmt=True), 0),
        (formatdate(NOW + 4000, usegmt=True), 120),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_two_minutes_at_most(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, CLOCK) == (None if seconds is None else pytest.approx(seconds, abs=1.1))


def test_one_limit_pauses_the_host_for_all() -> None:
    time = Time()
    pace = Pace(time.clock(), time.sleep)
    pace.wait()
    assert time.sleeps == []
    assert pace.limit(60.0) == 60
    pace.limit(10.0)
    pace.wait()
    assert time.at == 60, "the longer of two pauses"


def test_limits_without_retry_after_grow_and_successes_shrink_them() -> None:
    pace = Pace(Time().clock(), Time().sleep)
    assert [pace.limit(None) for _ in range(5)] == [1, 2, 4, 8, 8]
    for _ in range(4):
        pace.success()
    assert pace.limit(None) == 1


def test_too_many_requests_is_a_limit_by_status_or_code() -> None:
    assert is_limit(429, Problem())
    assert is_limit(403, Problem(("TOOMANYREQUESTS",)))
    assert not is_limit(503, Problem())


def test_a_narrowed_gate_lets_half_as_many_in() -> None:
    gate = Gate()
    inside = 0
    most = 0
    lock = threading.Lock()
    ready = threading.Barrier(4)

    def upload() -> None:
        nonlocal inside, most
        with gate.entered():
            with lock:
                inside += 1
                most = max(most, inside)
            threading.Event().wait(0.01)
            with lock:
                inside -= 1

    def first() -> None:
        with gate.entered():
            ready.wait()
            ready.wait()

    threads = [threading.Thread(target=first) for _ in range(3)]
    for thread in threads:
        thread.start()
    ready.wait()
    gate.narrow()  # three inside: one from now on
    ready.wait()
    threads += [threading.Thread(target=upload) for _ in range(5)]
    for thread in threads[3:]:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
