"""How often a cell is saved while it runs: as often as one likes, unless that costs too much.

Runs in: tests, without a worker; nothing waits here, the clock is the test's.
"""

from __future__ import annotations

import sys
from contextlib import nullcontext

import pytest

from pyshell.worker import autosaving
from pyshell.worker.autosaving import LOOKS, PAUSE_SHARE, WORK_SHARE, Autosaving, Midway


class Clock:
    """Stands still unless it is moved."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(autosaving, "time", made)
    return made


def interval(clock: Clock, wanted: float, pause: float, work: float | None) -> float:
    """Seconds up to the next save, after one that took the cell `pause` and the process that saves `work` seconds."""

    def save(_midway: Midway) -> float | None:
        clock.now += pause
        return work

    saving = Autosaving(nullcontext(), {}, save)  # type: ignore[arg-type]
    saving.seconds = saving._interval = wanted
    saving.begin(1, "<In[1]>")
    saving.is_due = True
    clock.now += wanted
    saving.save_at(sys._getframe())
    assert saving.is_due == (work is None)
    return saving._interval


def test_what_costs_little_is_saved_as_often_as_one_likes(clock: Clock) -> None:
    assert interval(clock, 60.0, 0.001, 0.1) == 60.0


def test_a_long_pause_and_a_long_save_make_it_rarer(clock: Clock) -> None:
    """A hundredth of the time for pauses, a tenth for the process that saves; whichever asks for more."""
    assert interval(clock, 60.0, 3.0, 1.0) == pytest.approx(3.0 * PAUSE_SHARE)
    assert interval(clock, 60.0, 0.01, 20.0) == pytest.approx(20.0 * WORK_SHARE)
    assert (PAUSE_SHARE, WORK_SHARE) == (100, 10)


def test_what_could_not_be_saved_now_is_tried_again_as_soon_as_before(clock: Clock) -> None:
    assert interval(clock, 60.0, 3.0, None) == 60.0


def test_the_clock_is_looked_at_when_a_save_is_due(clock: Clock) -> None:
    saving = Autosaving(nullcontext(), {}, lambda _midway: 0.1)  # type: ignore[arg-type]
    saving.seconds = saving._interval = 60.0
    assert saving._until_next_look() == 60.0 / LOOKS
    saving.begin(1, "<In[1]>")
    clock.now += 50.0
    assert saving._until_next_look() == 10.0
    clock.now += 10.0
    saving.is_due = True
    assert saving._until_next_look() == 60.0 / LOOKS
    saving.save_at(sys._getframe())
    clock.now += 59.5
    assert saving._until_next_look() == 0.5
    saving.end(ok=True)
    assert saving._until_next_look() == 60.0 / LOOKS
