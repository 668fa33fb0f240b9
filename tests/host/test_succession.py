"""A worker that ends while it brings the state back: which death is a group's fault, and which may be chance.

Runs in: tests, against real hosts and workers.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import pyshell
from pyshell import Session
from pyshell.errors import SessionNotFound, WorkerBusy, WorkerStartFailed
from pyshell.host.workers.patience import AT_ONCE
from pyshell.host.workers.recovery import MAX_HITS
from pyshell.protocol import Event, Notice, Restored
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


def test_killed_again_and_again_at_the_same_place_it_loads_the_rest(session: Session, tmp_path: Path) -> None:
    state = Waiting(session, tmp_path)
    for _ in range(MAX_HITS):
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


def begin(session: Session) -> int:
    """A state that somebody is going to keep from coming back; its worker."""
    cell = session.execute("x = [1]; y = {2}")
    until(session, lambda event: event.kind == "saved" and event.cell == cell)
    assert session.pid is not None
    return session.pid


def kill_the_next(session: Session, pid: int) -> int:
    """Kill a worker as soon as there is another one than `pid`; which that was."""
    found: list[int] = []

    def has_come() -> bool:
        found[:] = [new] if (new := session.pid) not in (None, pid) and new is not None else []
        return bool(found)

    assert becomes_true(has_come)
    os.kill(found[0], signal.SIGKILL)
    return found[0]


def notices(events: Iterable[Event]) -> list[str]:
    return [event.body.text for event in events if isinstance(event.body, Notice)]


def test_killed_again_and_again_as_soon_as_it_is_there_it_comes_back_when_that_stops(session: Session) -> None:
    pid, seen = begin(session), session.status().last_event
    os.kill(pid, signal.SIGKILL)
    for _ in range(AT_ONCE + 3):
        pid = kill_the_next(session, pid)
    assert session.run("x, y", SECONDS).result == "([1], {2})"
    with another(session) as watching:
        events = until(watching, lambda event: event.kind == "result", seen)
    assert all(not missing(event.body) for event in events if isinstance(event.body, Restored))
    assert len([event for event in events if event.kind == "died"]) == AT_ONCE + 4


def kill_until(session: Session, is_enough: Callable[[], bool]) -> None:
    """Kill each worker as soon as it is there, until that is true at a moment when there is none."""
    begin(session)
    last: int | None = None

    def has_come() -> bool:
        nonlocal last
        pid = session.pid
        if pid is not None and pid != last:
            with suppress(ProcessLookupError):  # somebody was quicker
                os.kill(pid, signal.SIGKILL)
            last = pid
        return pid is None and is_enough()

    assert becomes_true(has_come)


def test_who_does_not_want_to_wait_for_the_next_worker_stops_that(session: Session) -> None:
    def is_stopped() -> bool:
        session.interrupt()
        return session.state == "dead"

    kill_until(session, is_stopped)
    with pytest.raises(WorkerStartFailed, match="as somebody wished; mend the cause, then restart"):
        session.run("x", SECONDS)
    session.restart()
    assert session.run("x, y", SECONDS).result == "([1], {2})"


def test_a_restart_ends_the_pause(session: Session) -> None:
    def is_restarted() -> bool:
        try:
            session.restart()
        except WorkerBusy:  # which is being started just now
            return False
        return True

    kill_until(session, is_restarted)
    assert session.run("x, y", SECONDS).result == "([1], {2})"


def test_a_session_that_waits_is_told_of_and_can_be_ended(session: Session) -> None:
    seen = session.status().last_event

    def is_told() -> bool:
        events = session.events(after=seen, timeout=0.0)
        return any("workers in a row have died" in text and "is started in" in text for text in notices(events))

    def is_gone() -> bool:
        try:
            pyshell.connect(session.name).close()
        except SessionNotFound:
            return True
        return False

    kill_until(session, is_told)
    session.kill()
    assert becomes_true(is_gone)
