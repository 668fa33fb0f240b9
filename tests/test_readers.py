"""pyshell.readers: who asks for events, and how many at once.

Runs in: tests.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from pyshell import Session
from pyshell.errors import ConnectionLost, PyshellError
from pyshell.lanes import MAX_WAITING
from pyshell.readers import Turns
from tests.sessions import SECONDS, another, becomes_true, host_of, kill, started


@pytest.fixture(scope="module")
def shared() -> Iterator[Session]:
    with started("readers") as session:
        yield session


def in_thread(function: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    return thread


def test_turns_come_in_the_order_in_which_they_were_asked_for() -> None:
    turns, order = Turns(1), list[int]()

    def come(number: int) -> None:
        with turns.taken(None) as is_ours:
            assert is_ours
            order.append(number)

    with turns.taken(None):
        threads = []
        for number in range(5):
            threads.append(in_thread(lambda number=number: come(number)))  # type: ignore[misc]
            assert becomes_true(lambda: len(turns._waiting) == len(threads))
    for thread in threads:
        thread.join(SECONDS)
    assert order == [0, 1, 2, 3, 4]


def test_who_has_no_turn_in_time_leaves_none_behind() -> None:
    turns = Turns(1)
    with turns.taken(None), turns.taken(0.0) as is_ours:
        assert not is_ours
    assert not turns._waiting
    with turns.taken(0.0) as is_ours:
        assert is_ours


def test_a_turn_that_comes_in_the_last_moment_is_passed_on() -> None:
    turns = Turns(0)
    late, then = threading.Lock(), threading.Lock()
    for lock in (late, then):
        lock.acquire()
    turns._waiting.extend((late, then))
    turns._give_back()
    assert not late.locked() and then.locked()
    assert not turns._withdraw(late)
    assert not then.locked()


def test_more_threads_than_places_miss_nothing(shared: Session) -> None:
    past = shared.run("'past'").cell
    heard: list[str] = []
    with another(shared) as session:
        last = session.status().last_event

        def watch() -> None:
            for event in session.events(last):
                if event.kind == "result":
                    heard.append(event.body.text)  # type: ignore[union-attr]
                    return

        watching = [in_thread(watch) for _ in range(2 * MAX_WAITING)]
        assert becomes_true(lambda: not session._readers._waiting._free)
        assert session.wait(past, SECONDS).result == "'past'"
        assert session.run("'now'", SECONDS).result == "'now'"
        for thread in watching:
            thread.join(SECONDS)
        assert heard == ["'now'"] * len(watching)
        assert len(session._readers._idle) <= MAX_WAITING


def test_a_hundred_cells_from_a_hundred_threads(shared: Session) -> None:
    results: list[str | None] = []
    with another(shared) as session:
        threads = [in_thread(lambda: results.append(session.run("6 * 7", SECONDS).result)) for _ in range(100)]
        for thread in threads:
            thread.join(SECONDS)
    assert results == ["42"] * 100


def test_a_host_that_dies_is_told_to_everybody_who_waits() -> None:
    told: list[PyshellError] = []
    with started("dies") as session:

        def wait() -> None:
            try:
                session.wait(cell)
            except PyshellError as exc:
                told.append(exc)

        cell = session.execute("import signal; signal.pause()")
        threads = [in_thread(wait) for _ in range(2 * MAX_WAITING)]
        assert becomes_true(lambda: len(session._readers._busy) == MAX_WAITING - 1)  # those that have a connection
        kill(host_of(session), session.pid or 0)
        for thread in threads:
            thread.join(SECONDS)
    assert {(type(exc), str(exc)) for exc in told} == {
        (ConnectionLost, 'the host of the session "dies" is gone; attach again')
    }
    assert len(told) == len(threads)
