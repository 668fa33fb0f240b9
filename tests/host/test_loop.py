"""The loop: one thing after the other, timers in time, and an answer for everybody who asks.

Runs in: tests.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pyshell.errors import CallTimeout, SessionStopped, UsageError
from pyshell.host.loop import MAX_TURN, Loop

SECONDS = 20.0


@contextmanager
def running(loop: Loop) -> Iterator[threading.Thread]:
    thread = threading.Thread(target=loop.run, args=(lambda: None,))
    thread.start()
    try:
        yield thread
    finally:
        loop.post(loop.stop)
        thread.join(SECONDS)
        assert not thread.is_alive()


def test_what_is_posted_runs_in_order_and_turns_end() -> None:
    loop = Loop()
    done: list[object] = []
    for number in range(3 * MAX_TURN):
        loop.post(lambda number=number: done.append(number))  # type: ignore[misc]
    loop.post(loop.stop)
    loop.run(lambda: done.append("turn"))
    assert [item for item in done if item != "turn"] == list(range(3 * MAX_TURN))
    assert done.index("turn") <= MAX_TURN + 1
    assert done[-1] == "turn"


def test_an_answer_comes_from_the_owners_thread() -> None:
    loop = Loop()
    with running(loop) as thread:
        assert loop.ask(threading.get_ident) == thread.ident


def test_an_error_goes_to_whoever_asked_and_the_loop_goes_on() -> None:
    loop = Loop()

    def fail() -> None:
        raise UsageError("no")

    def run_out() -> None:
        raise TimeoutError("a function's own")

    with running(loop):
        with pytest.raises(UsageError):
            loop.ask(fail)
        with pytest.raises(TimeoutError, match="own"):
            loop.ask(run_out)
        assert loop.ask(lambda: 7) == 7


def test_timers_run_in_the_order_of_their_times() -> None:
    loop = Loop()
    done: list[int] = []
    loop.later(0.02, lambda: done.append(2))
    loop.later(0.01, lambda: done.append(1))
    loop.later(0.03, loop.stop)
    loop.run(lambda: None)
    assert done == [1, 2]


def test_whoever_waits_at_the_end_is_told() -> None:
    loop = Loop()
    loop.post(loop.stop)
    for _ in range(MAX_TURN):
        loop.post(lambda: None)
    raised: list[BaseException] = []
    asked = threading.Event()

    def ask() -> None:
        loop.post(asked.set)
        try:
            loop.ask(lambda: None)
        except SessionStopped as exc:
            raised.append(exc)

    asking = threading.Thread(target=ask)

    def after_turn() -> None:
        asking.start()
        _wait_until_asked(loop)

    # The only turn is over before that one's turn would come.
    loop.run(after_turn)
    asking.join(SECONDS)
    assert len(raised) == 1


def _wait_until_asked(loop: Loop) -> None:
    reached = threading.Event()
    while not loop._asked:
        reached.wait(0.001)


def test_nobody_is_answered_after_the_end() -> None:
    loop = Loop()
    with running(loop):
        pass
    with pytest.raises(SessionStopped):
        loop.ask(lambda: None)


def test_who_waited_too_long_has_not_changed_anything_later() -> None:
    loop = Loop()
    done: list[int] = []
    with pytest.raises(CallTimeout):
        loop.ask(lambda: done.append(1), timeout=0.01)
    with running(loop):
        loop.ask(lambda: None)
    assert done == []


def test_an_error_in_the_loops_own_work_ends_it_and_frees_who_waits() -> None:
    loop = Loop()
    loop.post(lambda: 1 // 0)  # type: ignore[arg-type, return-value]
    with pytest.raises(ZeroDivisionError):
        loop.run(lambda: None)
    with pytest.raises(SessionStopped):
        loop.ask(lambda: None)
