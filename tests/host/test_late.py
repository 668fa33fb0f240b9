"""A worker that hangs or dies while it loads the rest of the state, as the host sees it.

Runs in: tests.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from pyshell.blackbox import LOADING, BlackBox, create
from pyshell.host.workers.late import Late
from pyshell.host.workers.recovery import Attempt, Recovery


class Clock:
    """A loop whose time passes when it is told to."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], object]] = []

    def later(self, _seconds: float, call: Callable[[], object]) -> None:
        self.waiting.append(call)

    def tick(self) -> None:
        due, self.waiting = self.waiting, []
        for call in due:
            call()


class Watched:
    def __init__(self) -> None:
        self.box = BlackBox(create())
        self.clock: Any = Clock()
        self.killed = 0
        self.late = Late()
        self.box.unloaded = 2
        self.late.restored(self.clock, lambda: self.box, self.kill)

    def kill(self) -> None:
        self.killed += 1

    def load(self, group: str) -> None:
        self.box.begun += 1
        self.box.drop_crumb(LOADING, group)

    def die(self) -> Attempt:
        worker: Any = SimpleNamespace(box=self.box)
        self.late.ended(worker)
        return self.late.blame(Recovery([3, 2], frozenset())).attempt()


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_what_hangs_is_ended_and_set_aside(watched: Watched) -> None:
    watched.load("big")
    watched.clock.tick()
    assert not watched.killed
    watched.clock.tick()
    assert watched.killed
    assert watched.die() == Attempt(3, frozenset({"big"}))
    assert not watched.late.is_allowed


def test_what_gives_way_and_begins_again_does_not_hang(watched: Watched) -> None:
    for _ in range(5):
        watched.load("big")
        watched.clock.tick()
    watched.load("")
    watched.clock.tick()
    watched.clock.tick()
    assert not watched.killed


def test_when_all_is_there_nobody_looks_any_more(watched: Watched) -> None:
    watched.clock.tick()
    assert watched.clock.waiting
    watched.box.unloaded = 0
    watched.clock.tick()
    assert not watched.clock.waiting


def test_what_died_without_hanging_is_tried_again_but_at_once(watched: Watched) -> None:
    watched.load("big")
    assert watched.die() == Attempt(3, frozenset())
    assert not watched.late.is_allowed
    watched.late.restored(watched.clock, lambda: None, watched.kill)
    assert watched.late.is_allowed


def test_who_dies_of_a_cell_may_leave_something_for_later_again(watched: Watched) -> None:
    watched.load("")
    assert watched.die() == Attempt(3, frozenset())
    assert watched.late.is_allowed
