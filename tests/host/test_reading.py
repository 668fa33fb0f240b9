"""When a program's wait for a line becomes a question, and when that is over.

Runs in: tests.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from pyshell.host.processes.blocked import Read
from pyshell.host.workers import reading
from pyshell.host.workers.reading import Reading
from pyshell.protocol import InputDone, InputRequest, QueuedCell

CELL, NEXT = QueuedCell(1, "me", "!cat", ()), QueuedCell(2, "me", "1", ())
LINE, ANOTHER, PASSWORD = Read(7, 1, False), Read(7, 3, False), Read(7, 5, True)
ASKED, DONE, HIDDEN = InputRequest("", False), InputDone(), InputRequest("", True)


class Scene:
    """A session whose programs wait as the test says."""

    def __init__(self) -> None:
        self.timers: list[Callable[[], object]] = []
        self.pauses: list[float] = []
        self.running: QueuedCell | None = CELL
        self.waits: Read | None = None
        self.terminal = SimpleNamespace(use="lines", master=-1)
        self.told: list[Any] = []
        succession: Any = SimpleNamespace(worker=SimpleNamespace(pid=1, terminal=self.terminal))
        self.reading = Reading(self, succession, lambda: self.running, lambda body, _: self.told.append(body))  # type: ignore[arg-type]
        self.reading.begin(CELL)

    def later(self, seconds: float, call: Callable[[], object]) -> None:
        self.pauses.append(seconds)
        self.timers.append(call)

    def looks(self, *found: Read | None) -> list[Any]:
        """What was told in so many looks, at which that was found."""
        self.told.clear()
        for self.waits in found:
            due, self.timers = self.timers, []
            for call in due:
                call()
        return list(self.told)


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    made = Scene()
    monkeypatch.setattr(reading, "READ", "0")
    monkeypatch.setattr(reading, "ticks", lambda: 0)
    monkeypatch.setattr(reading, "find_read", lambda *_: made.waits)
    made.timers.clear()
    made.reading.begin(CELL)
    return made


def test_a_wait_that_lasts_is_a_question_once(scene: Scene) -> None:
    assert scene.looks(None, LINE) == []
    assert scene.looks(LINE) == [ASKED]
    assert scene.reading.request == ASKED
    assert scene.looks(LINE, LINE, LINE) == []


def test_an_answer_from_wherever_ends_it(scene: Scene) -> None:
    scene.looks(LINE, LINE)
    assert scene.looks(None) == [DONE]
    assert scene.reading.request is None
    assert scene.looks(None, None) == []


def test_the_next_question_is_another_one(scene: Scene) -> None:
    scene.looks(LINE, LINE)
    assert scene.looks(ANOTHER, ANOTHER) == [DONE, ASKED]
    assert scene.looks(PASSWORD, PASSWORD) == [DONE, HIDDEN]


def test_who_never_waits_for_long_does_not_ask(scene: Scene) -> None:
    assert scene.looks(LINE, ANOTHER, LINE, None, LINE) == []


def test_who_has_the_persons_terminal_does_not_ask(scene: Scene) -> None:
    scene.looks(LINE, LINE)
    scene.terminal.use = "keys"
    assert scene.looks(LINE, LINE) == [DONE]


def test_the_workers_own_question_stands_alone(scene: Scene) -> None:
    own = InputRequest("name? ", False)
    scene.reading.told(own)
    assert scene.looks(LINE, LINE, LINE) == []
    assert scene.reading.request == own
    scene.reading.told(DONE)
    assert scene.looks(LINE, LINE) == [ASKED]


def test_nobody_looks_after_the_cell(scene: Scene) -> None:
    scene.looks(LINE, LINE)
    scene.reading.end()
    scene.running = NEXT
    assert scene.looks(LINE, LINE) == []
    assert scene.timers == [] and scene.reading.request is None


def test_typing_brings_the_next_look_and_no_second_row_of_looks(scene: Scene) -> None:
    scene.looks(LINE, LINE)
    scene.reading.typed()
    scene.reading.typed()
    assert scene.looks(None) == [DONE]
    assert len(scene.timers) == 1
    scene.reading.typed()  # nothing is asked: nothing to hurry for
    assert len(scene.timers) == 1


def test_who_has_many_processes_is_looked_at_more_seldom(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 0.0, 0.0, 0.02])
    monkeypatch.setattr(reading.time, "thread_time", lambda: next(times))
    scene.looks(None, None)
    assert scene.pauses[-2:] == [0.06, 2.0]
