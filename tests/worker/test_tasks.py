"""What waits for the main thread: in its order, and what is urgent ahead of it without losing anything.

Runs in: tests.
"""

from __future__ import annotations

import queue

import pytest

from pyshell.protocol import Message, RunCell, Settled, TakeCheckpoint
from pyshell.worker.tasks import Tasks


def filled(*waiting: Message) -> Tasks:
    tasks = Tasks()
    for task in waiting:
        tasks.put(task)
    return tasks


def left(tasks: Tasks) -> list[Message]:
    found = []
    while tasks:
        found.append(tasks.take(0.0))
    return found


ONE, TWO = RunCell(1, "one"), RunCell(2, "two")
EARLY, LATE = Settled("early", 1), Settled("late", 2)


def test_tasks_come_in_their_order() -> None:
    assert left(filled(ONE, EARLY, TWO)) == [ONE, EARLY, TWO]
    with pytest.raises(queue.Empty):
        filled().take(0.0)


def test_what_is_wanted_comes_first_and_the_others_in_their_order() -> None:
    tasks = filled(ONE, EARLY, TWO, TakeCheckpoint("label"), LATE)
    assert tasks.take_first((Settled, TakeCheckpoint), 0.0) == EARLY
    assert tasks.take_first((TakeCheckpoint,), 0.0) == TakeCheckpoint("label")
    assert left(tasks) == [ONE, TWO, LATE]


def test_what_does_not_come_costs_nothing() -> None:
    tasks = filled(ONE, TWO)
    with pytest.raises(queue.Empty):
        tasks.take_first((Settled, TakeCheckpoint), 0.0)
    tasks.put(LATE)
    assert tasks
    assert tasks.take(0.0) == ONE
    assert tasks.take_first((Settled, TakeCheckpoint), 0.0) == LATE
    assert left(tasks) == [TWO]
