"""What did not come back stays told at each death that follows, until somebody has it again or gives it up.

Runs in: tests, against real hosts and workers.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyshell import Session
from pyshell.drawing import own
from pyshell.protocol import Restored
from tests.live import wait_until_saved
from tests.sessions import SECONDS, becomes_true, started, until

MAKE = "import socket\nx = socket.socket()\nkept = [5]"
MODULE = """
import os
class Large:
    def __init__(self): self.text = 'x' * 5_000_000
    def __reduce__(self): return make, (self.text,)
def make(text):
    if os.path.exists({bad!r}): raise ValueError('it is bad')
    return Large()
"""
"""A library's large value that cannot be brought back once there is a file."""
REASON = "socket: its other end is outside of this session; connect again"


@pytest.fixture
def session() -> Iterator[Session]:
    """With a name in it that no checkpoint can hold."""
    with started() as session:
        assert session.run(MAKE, SECONDS).status == "ok"
        yield session


def die(session: Session) -> dict[str, str]:
    """Kill the worker once all is saved; what did not come back, with the reasons."""
    wait_until_saved(session)
    reply = session.run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", SECONDS)
    assert reply.status == "died" and "kept" in reply.restored
    return {lost.name: lost.reason for lost in reply.not_restored}


def told(session: Session) -> list[tuple[str, int | None]]:
    return [(lost.name, lost.cell) for lost in session.status().not_restored]


def test_it_is_told_at_every_death_and_can_be_made_again_after_each(session: Session) -> None:
    wait_until_saved(session)
    assert [missing.name for missing in session.status().unsaved] == ["x"]
    assert die(session) == {"x": REASON}
    assert session.status().unsaved == ()  # what is not there needs no saving
    session.run("kept.append(6)", SECONDS)
    assert die(session) == {"x": REASON}
    assert told(session) == [("x", 1)]
    session.run("kept.append(7)", SECONDS)
    assert die(session) == {"x": REASON}
    shown = session.run("%replay -n", SECONDS).output
    assert "In[1]" in shown and "makes x" in shown
    assert "Made again: x." in session.run("%replay -y", SECONDS).output
    assert session.run("type(x).__name__", SECONDS).result == "'socket'"
    wait_until_saved(session)
    assert told(session) == []


def test_a_session_that_is_taken_up_again_tells_it(session: Session) -> None:
    assert die(session) == {"x": REASON}
    session.run("kept.append(6)", SECONDS)
    wait_until_saved(session)
    session.kill()
    with started() as again:
        restored = until(again, lambda event: isinstance(event.body, Restored) and event.epoch > 2)[-1].body
        assert isinstance(restored, Restored)
        assert [lost.name for lost in restored.not_restored] == ["x"]
        assert told(again) == [("x", 1)]
        assert again.run("kept", SECONDS).result == "[5, 6]"


@pytest.mark.parametrize("code", ["x = 1", "del x", "x = 1\ndel x", "%reset -f\nkept = [5]"])
def test_who_binds_it_or_gives_it_up_is_not_told_again(session: Session, code: str) -> None:
    assert die(session) == {"x": REASON}
    assert session.run(code, SECONDS).status == ("error" if code == "del x" else "ok")
    assert die(session) == {}
    assert told(session) == []
    assert "Nothing is missing" in session.run("%replay -n", SECONDS).output


def test_a_state_from_before_the_loss_has_nothing_to_tell(session: Session) -> None:
    session.run("x = 1", SECONDS)
    wait_until_saved(session)
    good = session.status().checkpoint
    assert good is not None
    session.run("x = socket.socket()", SECONDS)
    assert die(session) == {"x": REASON}
    session.run("kept.append(6)", SECONDS)
    wait_until_saved(session)
    bad = session.status().checkpoint
    assert bad is not None
    session.restore(good)
    assert session.run("x", SECONDS).result == "1"
    assert told(session) == []
    assert [lost.name for lost in session.restore(bad).not_restored] == ["x"]
    assert told(session) == [("x", 3)]


def test_what_is_lost_when_it_is_loaded_late_is_in_the_status(tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    (tmp_path / "library_of_test.py").write_text(MODULE.format(bad=str(bad)))
    with started(cwd=str(tmp_path)) as session:
        session.run("from library_of_test import Large\nkept = [5]", SECONDS)
        session.run("x, y = Large(), 'y' * 9_000_000", SECONDS)
        wait_until_saved(session)
        bad.touch()
        pid, seen = session.pid, session.status().last_event
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        until(session, lambda event: event.kind == "restored", seen)
        assert becomes_true(lambda: told(session) == [("x", 2)])
        assert session.run("len(y), kept", SECONDS).result == "(9000000, [5])"
        assert die(session) == {"x": "ValueError: it is bad"}


def test_what_python_notes_of_warnings_is_not_listed() -> None:
    assert own(("x", "__warningregistry__", "_3")) == ["x"]
    with started() as session:
        reply = session.run("import warnings\nkept = 1\nwarnings.warn('a')", SECONDS)
        assert reply.changes is not None and reply.changes.created == ("warnings", "kept")
