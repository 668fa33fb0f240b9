"""A worker that is stopped (a debugger, Ctrl-Z, a full machine): the session answers all the same.

Runs in: tests.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from pyshell import Session
from tests.live import PATIENCE, live, wait_until_saved
from tests.sessions import becomes_true


@pytest.fixture
def session() -> Iterator[Session]:
    with live("stopped") as made:
        made.run("kept = 1", PATIENCE)
        wait_until_saved(made)
        yield made


def stop(session: Session) -> int:
    pid = session.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    return pid


def ask_much(session: Session) -> None:
    """More than the socket to the worker takes, in one question: until it is answered the host answers by itself."""
    code = "# " + "x" * 2_000_000 + "\nkep"
    for _ in range(5):
        assert session.complete(code, len(code)).source == "summary"


def test_a_stopped_worker_is_asked_in_vain_and_goes_on(session: Session) -> None:
    pid = stop(session)
    try:
        ask_much(session)
        assert session.status().state == "idle"
        cell = session.execute("kept + 1\n# " + "y" * 1_000_000)
        assert session.status().cell == cell
        assert {variable.name for variable in session.variables()} <= {"kept"}
    finally:
        os.kill(pid, signal.SIGCONT)
    assert session.wait(cell, PATIENCE).result == "2"
    # The answers that it was asked for in vain come first.
    assert becomes_true(lambda: [match.text for match in session.complete("kep", 3).matches] == ["kept"])


def test_a_stopped_worker_can_be_killed(session: Session) -> None:
    stop(session)
    ask_much(session)
    cell = session.execute("kept")
    assert [session.interrupt() for _ in range(3)] == ["signal", "stack", "kill"]
    reply = session.wait(cell, PATIENCE)
    assert reply.status == "died" and "kept" in reply.restored
    assert session.run("kept", PATIENCE).result == "1"
