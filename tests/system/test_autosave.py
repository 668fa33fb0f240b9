"""A cell that runs for long is saved while it runs: what it did before it was killed is there afterwards.

Runs in: tests, against real hosts and workers.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pyshell import Session
from pyshell.protocol import Event, Notice, Saved
from tests.sessions import becomes_true, kill, started, until

LOOP = """\
import time
for number in range(10**6):
    done.append(number)
    time.sleep(0.001)
"""


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The file of the configuration, which is not there yet."""
    file = tmp_path / "config" / "pyshell" / "config.toml"
    file.parent.mkdir(parents=True)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return file


@pytest.fixture
def often(config: Path) -> Path:
    """The configuration: save every fifth of a second."""
    config.write_text("[saving]\nautosave_seconds = 0.2\n")
    return config


def saves_of(session: Session, cell: int, count: int) -> int:
    """Wait until the cell was saved so often; the newest state's number."""
    found: list[int] = []

    def is_last(event: Event) -> bool:
        if isinstance(event.body, Saved) and event.cell == cell:
            found.append(event.body.checkpoint)
        return len(found) >= count

    until(session, is_last)
    return found[-1]


@pytest.mark.parametrize("make", ["done = []", "done = []; ballast = [str(n) for n in range(300_000)]"])
def test_a_killed_cell_leaves_what_it_had_done_when_it_was_saved_last(often: Path, make: str) -> None:
    with started() as session:
        assert session.run(make).status == "ok"
        cell = session.execute(LOOP)
        number = saves_of(session, cell, 3)
        saved = next(found for found in session.checkpoints() if found.checkpoint == number)
        assert (saved.cell, saved.head) == (cell, True) and saved.line in (2, 3, 4)
        assert session.pid
        kill(session.pid)
        reply = session.wait(cell)
        assert reply.status == "died" and "done" in reply.restored
        whole, behind = "done == list(range(len(done))) and len(done) > 50", "number - len(done) in (-1, 0)"
        assert session.run(f"{whole}, {behind}").result == "(True, True)"
        told = [event.body.text for event in until_told(session, "inside") if isinstance(event.body, Notice)][-1]
        assert re.search(rf"\d\d:\d\d:\d\d, inside In\[{cell}\], line {saved.line}\b", told)
        assert f"inside In[{cell}], line {saved.line}; what In[{cell}] did after that is lost" in told
        assert session.undo().cell == 1
        assert session.run("done").result == "[]"


SLOW = """\
import os, time
class Slow:
    def __reduce__(self):
        while not os.path.exists({gate!r}): time.sleep(0.01)
        return Slow, ()
slow = Slow()
"""


def test_what_waits_for_the_save_before_it_does_not_wait_for_the_end_of_the_next_cell(
    config: Path, tmp_path: Path
) -> None:
    config.write_text("[saving]\nautosave_seconds = 3600\n")
    gate = tmp_path / "gate"
    with started() as session:
        session.run(SLOW.format(gate=str(gate)))
        session.run("x = 1")
        cell = session.execute("print('runs')\nwhile True: pass")
        until(session, lambda event: event.kind == "output" and event.cell == cell)
        gate.touch()
        saves_of(session, cell, 1)
        assert session.pid
        kill(session.pid)
        assert "x" in session.wait(cell).restored
        assert session.run("x").result == "1"


def test_the_end_of_a_cell_replaces_what_was_saved_in_its_middle(often: Path) -> None:
    """Nor is there a step to go back to in it, and what it bound is told as if nobody had looked meanwhile."""
    with started() as session:
        session.run("done = []")
        cell = session.execute("early = 1\n" + LOOP.replace("10**6", "1000") + "del early\nlate = 2")
        saves_of(session, cell, 2)
        reply = session.wait(cell)
        assert reply.changes is not None
        assert reply.changes.created == ("time", "number", "late") and "done" in reply.changes.changed
        session.run("after = 3")
        assert becomes_true(lambda: {found.line for found in session.checkpoints()} == {None})
        assert session.undo().cell == cell
        assert session.undo().cell == 1
        assert session.redo().cell == cell
        assert session.run("len(done), late").result == "(1000, 2)"


def test_no_list_is_saved_while_it_is_sorted(often: Path) -> None:
    """A list is empty for whoever looks at it while its sort calls a key that is written in Python."""
    with started() as session:
        session.run("import os, threading\nvalues = list(range(20)); calls = []\nback = threading.Event()")
        code = "def key(value):\n    calls.append(value)\n    back.wait(0.1)\n    return -value\n"
        cell = session.execute(code + "values.sort(key=key)\nsorted_ = True\nback.wait(1000)")
        number = saves_of(session, cell, 1)
        saved = next(found for found in session.checkpoints() if found.checkpoint == number)
        assert saved.line == 7 and session.pid
        kill(session.pid)
        session.wait(cell)
        assert session.run("values == list(range(20))[::-1], len(calls)").result == "(True, 20)"


def until_told(session: Session, text: str) -> list[Event]:
    """The session's events up to the notice that says this."""
    return until(session, lambda event: isinstance(event.body, Notice) and text in event.body.text)
