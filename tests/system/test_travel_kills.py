"""Kill the worker, the host, or both in the middle of an undo: what comes back is the old state or the new one.

Runs in: tests, against real hosts and workers.
"""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import pyshell
from pyshell import Session
from pyshell.errors import PyshellError, SessionExists
from pyshell.paths import Roots
from pyshell.store import Store
from tests.sessions import SECONDS, becomes_true, host_of, kill, until, until_output

NAME = "travel-kills"
ROUNDS = int(os.environ.get("PYSHELL_KILLS", "12"))

GATED = """
import os, time
def make():
    if os.path.exists({gate!r}):
        print("at the gate", flush=True)
        while os.path.exists({gate!r}): time.sleep(0.01)
    return Gated()
class Gated:
    def __reduce__(self): return make, ()
early, gated, late, data = ["old"], Gated(), ["old"], list(map(str, range(30_000)))
"""
OLD, NEW = "('new', 'new', 'new', 30001)", "('old', 'Gated', 'old', 30000)"
"""What STATE shows before the undo, and after it."""
STATE = "early[0], gated if gated == 'new' else type(gated).__name__, late[0], len(data)"


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    return tmp_path / "gate"


@pytest.fixture
def session(gate: Path) -> Iterator[Session]:
    """A session in which an undo comes to stand at the gate, if there is one."""
    session = pyshell.start(NAME)
    try:
        saved(session, GATED.format(gate=str(gate)))
        saved(session, "early, gated, late = ['new'], 'new', ['new']; data.append('new')")
        yield session
    finally:
        gate.unlink(missing_ok=True)
        end(session)


def end(session: Session) -> None:
    """End whichever host the session has by now; what it leaves is sound."""
    session.close()
    again = reach()
    again.kill()
    again.close()
    roots = Roots.from_environment(os.environ, str(Path.home()), os.getuid())
    with Store.open(roots.session(NAME).store, key=roots.key.read_bytes(), writer=True) as store:
        assert store.check() == []


def reach() -> Session:
    """The session, whose host may have been killed or be ending."""
    found: list[Session] = []

    def tries() -> bool:
        try:
            found.append(pyshell.connect(NAME))
        except PyshellError:
            try:
                found.append(pyshell.start(NAME))
            except SessionExists:
                return False
        return True

    assert becomes_true(tries)
    return found[0]


def saved(session: Session, code: str) -> int:
    cell = session.run(code, SECONDS).cell
    event = until(session, lambda event: event.kind == "saved" and event.cell is not None and event.cell >= cell)[-1]
    return event.body.checkpoint  # type: ignore[union-attr]


def undoing(session: Session) -> threading.Thread:
    """An undo on a thread of its own; how it ends is not asked."""

    def undo() -> None:
        try:
            session.undo(SECONDS)
        except PyshellError:
            return  # what was killed cannot answer

    thread = threading.Thread(target=undo)
    thread.start()
    return thread


def state(session: Session) -> str | None:
    reply = session.run(STATE, SECONDS)
    if reply.status == "died":  # a late kill hit the question itself
        return state(session)
    assert reply.status == "ok", reply
    return reply.result


def test_a_worker_killed_while_it_loads_leaves_the_old_state(session: Session, gate: Path) -> None:
    gate.touch()
    thread = undoing(session)
    until_output(session, "at the gate")
    assert session.pid is not None
    kill(session.pid)
    thread.join(SECONDS)
    gate.unlink()
    assert state(session) == OLD
    session.undo(SECONDS)
    assert state(session) == NEW


@pytest.mark.parametrize("victims", ["host", "both"])
def test_a_host_killed_while_the_worker_loads_leaves_the_old_state(session: Session, gate: Path, victims: str) -> None:
    gate.touch()
    thread = undoing(session)
    until_output(session, "at the gate")
    worker, host = session.pid, host_of(session)
    assert worker is not None
    kill(host)
    if victims == "both":
        kill(worker)
    gate.unlink()
    thread.join(SECONDS)
    again = reach()
    try:
        assert state(again) == OLD
        again.undo(SECONDS)
        assert state(again) == NEW
    finally:
        again.close()


@pytest.mark.parametrize("victim", ["worker", "host"])
def test_what_was_told_to_be_done_is_done(session: Session, victim: str) -> None:
    session.undo(SECONDS)
    pid = session.pid if victim == "worker" else host_of(session)
    assert pid is not None
    kill(pid)
    again = reach()
    try:
        assert state(again) == NEW
        again.redo(SECONDS)
        assert state(again) == OLD
    finally:
        again.close()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("victim", ["worker", "host"])
def test_killed_at_any_moment(session: Session, victim: str) -> None:
    rng = random.Random(20261121)
    found = []
    for _ in range(ROUNDS):
        now = reach()
        if state(now) == NEW:
            now.redo(SECONDS)
        pid = now.pid if victim == "worker" else host_of(now)
        timer = threading.Timer(rng.uniform(0, 0.15), strike, [pid])
        timer.start()
        thread = undoing(now)
        thread.join(SECONDS)
        timer.join()
        now.close()
        again = reach()
        found.append(state(again))
        assert found[-1] in (OLD, NEW)
        again.close()
    assert len(found) == ROUNDS


def strike(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # it had ended
