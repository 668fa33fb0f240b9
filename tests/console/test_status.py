"""The status line.

Runs in: tests.
"""

from __future__ import annotations

import os

import pytest

from pyshell import protocol as p
from pyshell.console import status
from pyshell.console.model import Cell, Model
from pyshell.console.usage import Usage
from pyshell.memory import held_by


def unsaved(*names: str) -> tuple[p.Unsaved, ...]:
    return tuple(p.Unsaved(name, "object", "no", None) for name in names)


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (Model(), ""),
        (Model(state="idle", saving=True), "saving… "),
        (Model(saved_cell=7), "saved In [7] "),
        (Model(saved_cell=7, unsaved=unsaved("f", "conn")), "saved In [7] · 2 unsaved: f, conn "),
        (Model(saved_cell=7, unsaved=unsaved(*"abcd")), "saved In [7] · 4 unsaved: a, b, c, … "),
        (Model(saved_cell=7, save_failure="full"), "NOT saved "),
    ],
)
def test_it_says_whether_the_work_is_safe(model: Model, text: str) -> None:
    assert status.right(model) == text


def test_it_says_what_the_worker_takes_and_who_else_is_here() -> None:
    model = Model(saved_cell=7)
    assert status.right(model, Usage(1_234_000_000, 0)) == "saved In [7] · 1.2 GB "
    assert status.right(model, Usage(40_000_000, 2)) == "saved In [7] · 40 MB · 2 others here "
    assert status.right(model, Usage(0, 1)) == "saved In [7] · 1 other here "
    assert held_by(os.getpid()) > 1_000_000 or not os.path.exists("/proc")
    assert held_by(None) == 0


def test_it_says_what_runs_since_when() -> None:
    model = Model(
        state="busy", running=3, cells={3: Cell(3, "x", "me", "running", started=100.0)}, epoch=2, next_cell=5
    )
    assert status.left("fit", model, 165.0) == " fit · epoch 2 · In [3] running 1:05 · In [5] "
    waiting = model._replace(input=p.InputRequest("", False))
    assert "waits for input" in status.left("fit", waiting, 165.0)


@pytest.mark.parametrize(("seconds", "text"), [(-1, "0 s"), (3.9, "3 s"), (60, "1:00"), (3725, "1:02:05")])
def test_durations(seconds: float, text: str) -> None:
    assert status.elapsed(seconds) == text


def test_many_waiting_cells_take_few_lines() -> None:
    cells = {n: Cell(n, f"cell {n}\nmore", "me") for n in range(1, 50)}
    lines = status.waiting_lines(Model(cells=cells, queue=tuple(cells)))
    assert len(lines) == status.MAX_QUEUE_LINES
    assert "cell 1 …" in lines[0]
    assert lines[-1] == "… 44 more queued"


def test_a_held_queue_says_what_to_do() -> None:
    assert status.held_sentence(1).startswith("1 cell is held")
    assert "Enter" in status.held_sentence(3) and "Ctrl-C" in status.held_sentence(3)
