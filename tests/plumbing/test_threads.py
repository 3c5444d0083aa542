"""Threads: outcomes come to whoever began the deed, and nothing is left running."""

from __future__ import annotations

import threading
from threading import Event, current_thread

import pytest

from plumbing.threads import Threads


@pytest.mark.parametrize("most", [1, 3])
def test_each_outcome_is_that_of_its_deed(most: int) -> None:
    threads = Threads(most)
    begun = [threads.begin(divmod, 100, number) for number in range(-3, 4)]
    for number, outcome in zip(range(-3, 4), begun, strict=True):
        if number:
            assert outcome() == divmod(100, number)
        else:
            with pytest.raises(ZeroDivisionError):
                outcome()
    threads.end()


def test_one_thread_does_deeds_in_their_order() -> None:
    threads, done = Threads(1), list[int]()
    for outcome in [threads.begin(done.append, number) for number in range(1000)]:
        outcome()
    assert done == [*range(1000)]
    threads.end()


def test_the_end_waits_for_what_was_begun_and_leaves_the_rest() -> None:
    threads, started, finish, done = Threads(1), Event(), Event(), list[str]()

    def slow() -> None:
        started.set()
        finish.wait(10)
        done.append(current_thread().name)

    threads.begin(slow)
    threads.begin(done.append, "not begun")
    assert started.wait(10)
    threading.Timer(0.05, finish.set).start()
    threads.end()
    assert len(done) == 1
    assert done != ["not begun"]
    assert done[0] not in [thread.name for thread in threading.enumerate()]
