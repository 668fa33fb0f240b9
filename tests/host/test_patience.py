"""Pauses between workers that die one after the other: none at first, longer ones then, and an end.

Runs in: tests.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pyshell.host.loop import Loop
from pyshell.host.workers import patience
from pyshell.host.workers.patience import AT_ONCE, LONGEST_PAUSE, MAX_DEATHS, MAX_FAILURES, WELL_SECONDS, Patience


class Timers(Loop):
    """A loop whose timers are run by the test."""

    def __init__(self) -> None:
        super().__init__()
        self.set: list[tuple[float, Callable[[], None]]] = []

    def later(self, seconds: float, function: Callable[[], None]) -> None:
        self.set.append((seconds, function))


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def loop() -> Timers:
    return Timers()


def test_the_pauses_grow_to_a_longest_one_and_then_it_is_enough(loop: Timers) -> None:
    waits = Patience(loop)
    pauses = []
    while not waits.is_out("python", "It died."):
        pauses.append(waits.seconds)
        waits.died()
    assert len(pauses) == MAX_DEATHS
    assert pauses == sorted(pauses) and pauses[-1] <= LONGEST_PAUSE
    assert pauses[: AT_ONCE + 2] == [0.0] * (AT_ONCE + 1) + [patience.FIRST_PAUSE]
    assert waits.is_out("python", "It died.").endswith("have died before a cell ran, the last one like this: It died")


def test_what_does_not_come_up_by_itself_is_soon_given_up(loop: Timers) -> None:
    waits = Patience(loop)
    for _ in range(MAX_FAILURES):
        assert waits.is_out("python", "no such file") == ""
        waits.failed()
    assert waits.is_out("python", "no such file") == "python does not come up as a worker: no such file"


@pytest.mark.parametrize("operation", ["execute", "checkout", "comm"])
def test_who_has_used_it_begins_anew(loop: Timers, operation: str) -> None:
    waits = Patience(loop)
    for _ in range(MAX_DEATHS):
        waits.died()
        waits.restored()
        waits.asked("restore")
    assert waits.is_out("python", "")
    waits.asked(operation)
    assert waits.is_out("python", "") == "" and waits.seconds == 0.0


def test_one_that_was_there_for_long_counts_as_the_first(loop: Timers) -> None:
    clock = Clock()
    waits = Patience(loop, clock)
    for _ in range(MAX_DEATHS - 1):
        waits.died()
    waits.restored()
    clock.seconds += WELL_SECONDS
    waits.died()
    assert waits.seconds == 0.0


def test_without_a_pause_it_goes_on_at_once(loop: Timers) -> None:
    begun: list[int] = []
    assert Patience(loop).pause(lambda: begun.append(1)) == ""
    assert begun == [1] and not loop.set


def pausing(loop: Timers, begun: list[int]) -> Patience:
    waits = Patience(loop)
    for _ in range(MAX_DEATHS - 1):
        waits.died()
    told = waits.pause(lambda: begun.append(1))
    assert told == f"{MAX_DEATHS - 1} workers in a row have died before a cell ran. The next one is started in 30 s; " \
        "Ctrl-C ends that."  # fmt: skip
    assert waits.is_pausing and not begun
    return waits


def test_after_the_pause_it_goes_on(loop: Timers) -> None:
    begun: list[int] = []
    waits = pausing(loop, begun)
    ((seconds, wake),) = loop.set
    wake()
    assert (seconds, begun, waits.is_pausing) == (LONGEST_PAUSE, [1], False)


def test_a_pause_that_was_ended_wakes_nobody_and_does_not_end_the_next_one(loop: Timers) -> None:
    begun: list[int] = []
    waits = pausing(loop, begun)
    assert waits.end() and not waits.end()
    for _ in range(2):
        waits.died()
    waits.pause(lambda: begun.append(2))
    (_, first), (_, second) = loop.set
    first()
    assert begun == [] and waits.is_pausing
    second()
    assert begun == [2]
