"""Sessions for tests: started, watched by their events, and ended whatever happens.

Runs in: tests.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyshell
from pyshell import Session
from pyshell.errors import PyshellError, SessionNotFound, TransportError
from pyshell.protocol import Event, StateChanged

SECONDS = 30.0
"""What a test waits for something that must happen."""


@contextmanager
def started(name: str = "s", **options: Any) -> Iterator[Session]:
    """A session that is ended afterwards."""
    with pyshell.start(name, **options) as session:
        try:
            yield session
        finally:
            with contextlib.suppress(PyshellError):
                session.kill()


def another(session: Session, client: str | None = None) -> Session:
    """A second connection, wherever the environment points by now."""
    return Session(session._paths, client)


def environment(session: Session) -> dict[str, str]:
    """What a program needs to find the session."""
    roots = session._paths.roots
    return {
        **os.environ,
        "PYTHONPATH": str(Path(pyshell.__file__).parents[1]),
        "XDG_STATE_HOME": str(roots.state.parent),
        "XDG_RUNTIME_DIR": str(roots.runtime.parent),
    }


def until(session: Session, is_last: Callable[[Event], object], after: int = 0) -> list[Event]:
    """The session's events up to the first for which that is true."""
    found = []
    for event in session.events(after):
        found.append(event)
        if is_last(event):
            return found
    raise AssertionError(f"the session ended before: {found[-5:]}")


def until_state(session: Session, state: str, after: int = 0) -> list[Event]:
    """Wait until the session has been in that state, after event number `after`."""
    return until(session, lambda event: isinstance(event.body, StateChanged) and event.body.state == state, after)


def until_output(session: Session, text: str, cell: int | None = None) -> str:
    """Wait until that text was printed, by the cell if one is given; all the output so far."""
    shown = ""
    for event in session.events(cell=cell):
        shown += getattr(event.body, "text", "") if event.kind == "output" else ""
        if text in shown:
            return shown
    raise AssertionError(f"the session ended before {text!r} was printed; it printed {shown!r}")


def until_computing(session: Session) -> None:
    """Wait until the worker has been busy for a while: a loop of C code tells nobody that it has begun."""
    pid = session.pid
    before = _ticks(pid)
    assert becomes_true(lambda: _ticks(pid) > before + 20)


def _ticks(pid: int | None) -> int:
    """The processor time of a process, in hundredths of a second."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11])


def host_of(session: Session) -> int:
    """The process number of the host of a session that has a worker."""
    pid = session.pid
    assert pid is not None
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def kill(*pids: int) -> None:
    """SIGKILL, and wait until they are gone."""
    fds = [os.pidfd_open(pid) for pid in pids]
    for fd in fds:
        signal.pidfd_send_signal(fd, signal.SIGKILL)
    for fd in fds:
        wait_gone(fd)


def wait_gone(fd: int) -> None:
    """Wait for the end of the process of a pidfd, and close it."""
    try:
        assert select.select([fd], [], [], SECONDS)[0], "the process goes on"
    finally:
        os.close(fd)


def becomes_true(condition: Callable[[], object], seconds: float = SECONDS) -> bool:
    """Whether it becomes true within that time; for what nothing tells about."""
    deadline = time.monotonic() + seconds
    look_again = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            return False
        look_again.wait(0.02)
    return True


def reach(name: str) -> Session:
    """The session, as soon as it can be reached."""
    found: list[Session] = []

    def look() -> bool:
        try:
            found.append(pyshell.connect(name))
        except (SessionNotFound, TransportError):
            return False
        return True

    assert becomes_true(look)
    return found[0]
