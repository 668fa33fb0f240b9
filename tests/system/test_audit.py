"""A namespace that takes long to save: cells are saved by what they touch, and an idle session is audited.

Runs in: tests.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pyshell import Session
from pyshell.protocol import Event, Saved
from tests.sessions import SECONDS, started, until

LARGE = "large = [{'n': n, 'text': str(n)} for n in range(400_000)]"
"""It takes more than half a second to save."""


@pytest.fixture
def session(xdg: Path) -> Iterator[Session]:
    with started() as session:
        last = session.run(LARGE).cell
        until(session, saved(last))
        yield session


def saved(cell: int) -> Callable[[Event], bool]:
    return lambda event: isinstance(event.body, Saved) and event.cell is not None and event.cell >= cell


def die(session: Session) -> None:
    assert session.run("import os; os.kill(os.getpid(), 9)").status == "died"


def test_what_a_cell_touches_is_saved(session: Session) -> None:
    for code in ("x = [1]", "y = x", "y.append(2)"):
        until(session, saved(session.run(code).cell))
    die(session)
    assert session.run("(x, x is y, len(large), large[7])").result == "([1, 2], True, 400000, {'n': 7, 'text': '7'})"


def test_an_idle_session_is_audited(session: Session) -> None:
    """A handler that a library keeps changes a value that no cell names."""
    for code in (
        "import logging\nx = []",
        "class Keep(logging.Handler):\n    def emit(self, record): x.append(record.getMessage())",
        "logging.getLogger('audit').addHandler(Keep())\ndel Keep",
    ):
        until(session, saved(session.run(code).cell))
    before = session.run("logging.getLogger('audit').error('seen')").cell
    events = until(session, saved(before))
    number = events[-1].body.checkpoint
    until(session, lambda event: isinstance(event.body, Saved) and event.body.checkpoint > number)
    die(session)
    assert session.run("x").result == "['seen']"


def test_it_is_told_what_is_verified_and_what_is_assumed(session: Session) -> None:
    last = session.run("x = [1]").cell
    until(session, saved(last))
    checkpoint = session.status().checkpoint
    assert checkpoint is not None
    verified = {name.name: name.verified for name in session.peek(checkpoint).names}
    assert verified == {"large": last - 1, "x": last}
    # Idle, it is audited: nothing differs, so that there is no new checkpoint, but now it is known.
    deadline = time.monotonic() + SECONDS
    while session.status().verified_cell != last:
        assert time.monotonic() < deadline
    assert session.status().checkpoint == checkpoint
    die(session)
    assert session.status().verified_cell is None


def test_cells_that_come_while_the_session_is_audited_are_saved(session: Session) -> None:
    for number in range(6):
        last = session.run(f"x = [{number}]").cell
        until(session, saved(last))
    die(session)
    assert session.run("x").result == "[5]"
    assert session.run("len(large)").result == "400000"


def test_a_death_right_after_a_cell_takes_nothing_of_it_along(xdg: Path) -> None:
    """The child that saves has not got the processor yet, and the worker that would have told of it is dead."""
    with started() as session:
        until(session, saved(session.run("import os").cell))
        for number in range(5):
            session.run(f"data = [{number}]")
            assert session.run("os.abort()").status == "died"
            session.run(f"def function(): return {number}")
            assert session.run("os.abort()").status == "died"
            reply = session.run("data, function()")
            assert reply.result == f"([{number}], {number})"
            until(session, saved(reply.cell))
