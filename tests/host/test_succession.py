"""A worker that ends while it brings the state back: which death is a group's fault, and which may be chance.

Runs in: tests, against real hosts and workers.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyshell import Session
from pyshell.protocol import Event, Restored
from tests.sessions import SECONDS, another, becomes_true, started, until

WAITS = """
import os, signal
def make():
    if os.path.exists({shut!r}):
        with open({at!r} + '.new', 'w') as file:
            file.write(str(os.getpid()))
        os.rename({at!r} + '.new', {at!r})
        signal.pause()
    return Slow()
class Slow:
    def __reduce__(self):
        return make, ()
slow = Slow()
x = 1
"""
"""A value that waits while it comes back, while the gate is shut."""


@pytest.fixture
def session() -> Iterator[Session]:
    with started() as session:
        yield session


class Waiting:
    """The state of a session, with a value that says when it is being loaded and waits."""

    def __init__(self, session: Session, where: Path) -> None:
        self.session = session
        self._shut, self._at = where / "shut", where / "at"
        code = WAITS.format(shut=str(self._shut), at=str(self._at))
        cell = session.execute(code)
        until(session, lambda event: event.kind == "saved" and event.cell == cell)
        self._seen = session.status().last_event
        self._shut.touch()
        assert session.pid is not None
        os.kill(session.pid, signal.SIGKILL)

    def loader(self) -> int:
        """The worker that is loading the value now."""
        assert becomes_true(self._at.exists)
        pid = int(self._at.read_text())
        self._at.unlink()
        return pid

    def open(self) -> None:
        self._shut.unlink()

    def restored(self) -> Restored:
        with another(self.session) as watching:
            found: list[Event] = until(watching, lambda event: event.kind == "restored", self._seen)
        assert isinstance(found[-1].body, Restored)
        return found[-1].body


def missing(restored: Restored) -> dict[str, str]:
    return {name.name: name.reason for name in restored.not_restored}


def test_somebody_killed_it_once_while_it_loaded(session: Session, tmp_path: Path) -> None:
    state = Waiting(session, tmp_path)
    loader = state.loader()
    state.open()
    os.kill(loader, signal.SIGKILL)
    assert missing(state.restored()) == {}
    assert session.run("type(slow).__name__, x", SECONDS).result == "('Slow', 1)"


def test_killed_twice_at_the_same_place_it_loads_the_rest(session: Session, tmp_path: Path) -> None:
    state = Waiting(session, tmp_path)
    for _ in range(2):
        os.kill(state.loader(), signal.SIGKILL)
    assert missing(state.restored()) == {"slow": "bringing it back crashed or hung a worker before"}
    assert session.run("x", SECONDS).result == "1"


def test_what_crashed_by_itself_gets_no_second_chance(session: Session, tmp_path: Path) -> None:
    state = Waiting(session, tmp_path)
    os.kill(state.loader(), signal.SIGSEGV)
    assert missing(state.restored()) == {"slow": "bringing it back crashed or hung a worker before"}
    assert session.run("x", SECONDS).result == "1"


def test_who_does_not_want_to_wait_is_not_asked_twice(session: Session, tmp_path: Path) -> None:
    state = Waiting(session, tmp_path)
    state.loader()
    session.interrupt()
    state.open()
    assert "slow" in missing(state.restored())
    assert session.run("x", SECONDS).result == "1"
