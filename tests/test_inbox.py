"""The queue that comes back in time: also when the reader is late, and when a signal's handler takes longer than that.

Runs in: tests.
"""

from __future__ import annotations

import signal
import threading
import time
from queue import Empty

import pytest

from pyshell.inbox import Inbox

ROUNDS = 100_000


def test_first_come_first_taken() -> None:
    box: Inbox[int] = Inbox()
    assert not box
    for number in range(5):
        box.put(number)
    assert box
    assert [box.take(), *[box.take(1.0) for _ in range(4)]] == [0, 1, 2, 3, 4]
    with pytest.raises(Empty):
        box.take(0.0)


@pytest.mark.parametrize("seconds", [0.0, 1e-6])
def test_a_time_that_is_over_at_once_is_no_time_without_end(seconds: float) -> None:
    """Until 3.13, `queue.SimpleQueue` hangs here, soon."""
    box: Inbox[int] = Inbox()
    for _ in range(ROUNDS):
        box.put(1)
        box.put(2)
        assert box.take() + box.take() == 3
        with pytest.raises(Empty):
            box.take(seconds)


def test_nothing_is_left_behind_by_a_race() -> None:
    box: Inbox[int] = Inbox()

    def put(first: int) -> None:
        for number in range(first, ROUNDS, 2):
            box.put(number)

    threads = [threading.Thread(target=put, args=(first,)) for first in (0, 1)]
    for thread in threads:
        thread.start()
    taken = [box.take(20.0) for _ in range(ROUNDS)]
    assert sorted(taken) == list(range(ROUNDS))
    assert [number for number in taken if number % 2] == list(range(1, ROUNDS, 2))


def test_a_handler_that_takes_longer_than_the_time_is_no_reason_to_stay() -> None:
    box: Inbox[int] = Inbox()
    heard = []

    def handler(_number: int, _frame: object) -> None:
        heard.append(time.monotonic())
        while time.monotonic() < heard[0] + 0.1:
            pass

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        with pytest.raises(Empty):
            box.take(0.05)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert heard


def test_a_handler_may_put() -> None:
    box: Inbox[int] = Inbox()
    before = signal.signal(signal.SIGALRM, lambda *_: box.put(7))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        assert box.take(20.0) == 7
    finally:
        signal.signal(signal.SIGALRM, before)
