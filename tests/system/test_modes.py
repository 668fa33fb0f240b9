"""How much is saved by itself: everything and without a question, as ever, or nothing.

Runs in: tests, against real hosts, workers and consoles.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import pyshell
from pyshell import Session, starting
from pyshell.errors import SessionNotFound, StoreError
from pyshell.protocol import Saved
from tests.sessions import started, until
from tests.terminal import Terminal

ROOT = str(Path(pyshell.__file__).parents[1])
WAIT = 30.0


def choose(mode: str) -> None:
    file = Path(os.environ["XDG_CONFIG_HOME"]) / "pyshell" / "config.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f'[saving]\nmode = "{mode}"\nautosave_seconds = 0.1\n')


@pytest.fixture
def manual() -> Iterator[Session]:
    choose("manual")
    with started() as session:
        yield session


def until_saved(session: Session, after: int) -> int:
    """The number of the state that is saved next."""
    body = until(session, lambda event: isinstance(event.body, Saved), after)[-1].body
    assert isinstance(body, Saved)
    return body.checkpoint


def by_hand(session: Session, command: str) -> list[str]:
    """The names that are saved by that cell."""
    before = session.status().last_event
    assert session.run(command).status == "ok"
    found = [name.name for name in session.peek(until_saved(session, before)).names]
    return sorted(name for name in found if not name.startswith("_"))


def die(session: Session) -> tuple[str, ...]:
    """Kill the worker; the names that come back."""
    reply = session.run("import os; os.kill(os.getpid(), 9)")
    assert reply.status == "died"
    return tuple(sorted(name for name in reply.restored if not name.startswith("_")))


def test_nothing_is_saved_but_by_hand(manual: Session) -> None:
    long = "import time\nx = 1\nfor _ in range(40): time.sleep(0.01)\ny = [2]"
    assert manual.run(long).status == "ok"  # so long that it would be saved in its middle
    manual.run("z = 3")
    assert manual.checkpoints() == ()
    with pytest.raises(StoreError, match="%checkpoint"):
        manual.wait_saved(2, 5)
    assert die(manual) == ()
    manual.run("x = 1; y = [2]; z = 3")
    assert by_hand(manual, "%checkpoint begin") == ["x", "y", "z"]
    manual.run("y.append(9); w = 4; x = 5")
    assert die(manual) == ("x", "y", "z")
    assert manual.run("x, y").result == "(1, [2])"


def test_single_names_are_stored(manual: Session) -> None:
    manual.run("x = 1; y = [2]; z = 3")
    assert by_hand(manual, "%store x") == ["x"]
    assert by_hand(manual, "%store y, z") == ["x", "y", "z"]
    manual.run("w = 4; x = 2")
    wrong = manual.run("%store nothing")
    assert wrong.error is not None and "no name nothing" in wrong.error.message
    assert die(manual) == ("x", "y", "z")
    assert manual.run("x").result == "1"
    manual.run("v = 7; y.append(3)")
    assert by_hand(manual, "%store v") == ["v", "x", "y", "z"]
    manual.run("del x")
    assert by_hand(manual, "%checkpoint") == ["v", "y", "z"]
    assert die(manual) == ("v", "y", "z")


def test_going_back_loses_nothing_that_was_not_saved(manual: Session) -> None:
    manual.run("x = 1")
    by_hand(manual, "%checkpoint")
    manual.run("x = 2; y = 3")
    manual.undo()
    assert manual.run("x, 'y' in globals()").result == "(1, False)"
    manual.redo()
    assert manual.run("x, y").result == "(2, 3)"


def test_ending_the_session_saves_nothing_either() -> None:
    choose("manual")
    with started() as session:
        session.run("x = 1")
        by_hand(session, "%checkpoint")
        session.run("x = 2")
    with started() as again:
        assert again.run("x").result == "1"


def test_a_script_is_saved_all_the_same(tmp_path: Path) -> None:
    from pyshell.subcommands import running

    choose("manual")
    script = tmp_path / "script.py"
    script.write_text("x = [1]\n1 / (len(x) - 1)\n")
    order = running.Order(script, name="r")
    try:
        assert running.run(order, "test") == 1
        with pyshell.connect("r") as session:
            assert any(found.names for found in session.checkpoints())
            session.kill()
    finally:
        starting._is_saved_anyway = False


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    choose("eternal")
    (here := tmp_path / "here").mkdir()
    yield here
    for name in starting.names():
        with contextlib.suppress(SessionNotFound):
            starting.connect(name).kill()


def console(directory: Path) -> Terminal:
    return Terminal([sys.executable, "-m", "pyshell"], env={"PYTHONPATH": ROOT}, cwd=directory)


def test_a_directory_goes_on_with_its_session_and_asks_nothing(directory: Path) -> None:
    """Also after all processes are gone; what could not be saved is made again."""
    with console(directory) as first:
        first.wait_screen(r"idle · In \[1\]", WAIT)
        first.send("x = 41; rows = (n for n in [x])\r")
        first.wait_screen(r"saved In \[1\]", WAIT)
        first.send("\x04")
        first.process.wait(WAIT)
    with starting.connect("here") as session:
        session.kill()
    with console(directory) as again:
        again.wait_screen(r"idle · In \[[23]\]", WAIT)
        again.send("x + next(rows)\r")
        again.wait_screen(r"^Out\[\d\]: 82$", WAIT)
    assert starting.names() == ["here"]


def test_another_directory_of_the_same_name_has_its_own(directory: Path) -> None:
    other = directory / "inside" / "here"
    other.mkdir(parents=True)
    for place, value in ((directory, 1), (other, 2), (directory, 1)):
        with console(place) as terminal:
            terminal.wait_screen(r"idle · In \[\d\]", WAIT)
            terminal.send(f"x = globals().get('x', {value}); x\r")
            terminal.wait_screen(rf"^Out\[\d\]: {value}$", WAIT)
    assert starting.names() == ["here", "here-2"]
