"""Expressions that are sent with a cell.

Runs in: tests.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from pyshell import Session
from pyshell.errors import UsageError
from pyshell.protocol import Evaluated, Event
from tests.sessions import SECONDS, started, until, until_output


@pytest.fixture
def session() -> Iterator[Session]:
    with started() as session:
        yield session


def evaluated(session: Session, cell: int) -> list[Evaluated]:
    """What the cell's expressions came to, when it has ended."""

    def has_ended(event: Event) -> bool:
        return event.cell == cell and event.kind == "finished"

    bodies = [event.body for event in until(session, has_ended) if event.cell == cell]
    return [body for body in bodies if isinstance(body, Evaluated)]


def texts(found: list[Evaluated]) -> list[str]:
    """Of each the value's text or the error's kind."""
    return [one.value.text if one.value else one.error.kind if one.error else "" for one in found]


def test_each_has_a_value_or_an_error_of_its_own(session: Session) -> None:
    asked = ("x + 1", "  [x]", "nothing", "x; x", "exit()", "await asyncio.sleep(0, x)")
    found = evaluated(session, session.execute("import asyncio\nx = 1", expressions=asked))
    assert [one.expression for one in found] == list(asked)
    assert texts(found) == ["2", "[1]", "NameError", "SyntaxError", "SystemExit", "1"]
    assert found[2].error and found[2].error.message == "name 'nothing' is not defined"
    assert session.history()[-1].code == "import asyncio\nx = 1"


def test_a_cell_that_fails_has_none(session: Session) -> None:
    assert evaluated(session, session.execute("1 / 0", expressions=["1"])) == []


def test_an_interrupt_ends_the_one_that_runs(session: Session) -> None:
    waits = "(print('waits', flush=True), signal.pause())"
    cell = session.execute("import signal", expressions=[waits, "2"])
    until_output(session, "waits", cell)
    session.interrupt()
    assert texts(evaluated(session, cell)) == ["KeyboardInterrupt", "2"]
    assert session.wait(cell, SECONDS).status == "ok"


def test_what_they_change_is_saved(session: Session) -> None:
    session.run("rows = [1]")
    cell = session.execute("pass", expressions=["rows.append(2)"])
    session.wait_saved(cell, SECONDS)
    assert session.run(f"import os; os.kill(os.getpid(), {int(signal.SIGKILL)})").status == "died"
    assert session.run("rows").result == "[1, 2]"


def test_a_process_that_comes_back_from_the_cell_evaluates_nothing(session: Session) -> None:
    cell = session.execute("import os\nchild = os.fork()", expressions=["os.waitpid(child, 0)[1]"])
    assert texts(evaluated(session, cell)) == ["0"]
    cell = session.execute("pass", expressions=["os.fork()", "os.wait()[1]"])
    assert texts(evaluated(session, cell))[1:] == ["0"]


def test_there_may_not_be_too_many(session: Session) -> None:
    with pytest.raises(UsageError, match="up to 100 expressions"):
        session.execute("x", expressions=["x"] * 101)
    with pytest.raises(UsageError, match="100000 characters"):
        session.execute("x", expressions=["x" * 100_001])
