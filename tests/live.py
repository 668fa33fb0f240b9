"""A real session for a test: host, worker, pty and all.

Runs in: tests.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyshell
from pyshell import Session
from pyshell.protocol import Event, InputRequest

PATIENCE = 30.0
WAITS = shlex.join(
    (
        *("exec", sys.executable, "-S", "-c"),
        "import os, signal, time; signal.signal(2, signal.SIG_DFL); os.write(1, b'begun'); time.sleep(600)",
    )
)
"""For `!`: a program that prints `begun` and waits until Ctrl-C ends it.

No `sleep` below a shell: dash loses an interrupt that comes while it starts its child, and the child as well.
"""


def make_environment(python: str, directory: Path) -> Path:
    """A virtual environment with nothing in it; its interpreter."""
    subprocess.run([python, "-m", "venv", "--without-pip", str(directory)], check=True)
    return directory / "bin" / "python"


@contextmanager
def live(name: str, **options: Any) -> Iterator[Session]:
    """Start a session, and end it whatever happens."""
    session = pyshell.start(name, **options)
    try:
        yield session
    finally:
        session.kill()
        session.close()


def wait_for(session: Session, wanted: Callable[[Event], bool], cell: int | None = None, after: int = 0) -> Event:
    """The first event that is wanted; fails after PATIENCE."""
    found: list[Event] = []

    def look() -> None:
        for event in session.events(after, cell):
            if wanted(event):
                found.append(event)
                return

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert found, "the event did not come"
    return found[0]


def wait_for_output(session: Session, cell: int, text: str) -> None:
    """Until the cell has printed `text`."""
    seen = [""]

    def look(event: Event) -> bool:
        seen[0] += getattr(event.body, "text", "") if event.kind == "output" else ""
        return text in seen[0]

    wait_for(session, look, cell)


def wait_for_input(session: Session, cell: int, after: int = 0) -> InputRequest:
    """Until the cell asks for a line; the newest request."""
    event = wait_for(session, lambda event: event.kind == "input_request", cell, after)
    assert isinstance(event.body, InputRequest)
    return event.body


def wait_until_saved(session: Session) -> None:
    """Until the state after the newest cell survives a death."""
    newest = session.status().next_cell - 1
    wait_for(session, lambda event: event.kind == "saved" and event.cell == newest)


STORM = """
import os, subprocess, sys
storm = subprocess.Popen([sys.executable, "-c", '''
import os, sys, time
sys.stdin.read()  # until it is told to begin: else it could strike while the cell that starts it still runs
for _ in range(3000):
    os.kill(int(sys.argv[1]), 2)
    time.sleep(0.001)
''', str(os.getpid())], stdin=subprocess.PIPE, start_new_session=True)
"""
"""A process that interrupts the worker 3,000 times, once every millisecond."""


def begin_storm(session: Session) -> None:
    """Interrupts come at any moment from now on."""
    assert session.run(STORM, PATIENCE).status == "ok"
    session.run("storm.stdin.close()", PATIENCE)


def end_storm(session: Session) -> None:
    """No more interrupts come.

    Not by `storm.kill()`: interrupted in the middle, that leaves a lock of the object's locked, and `wait` waits for it
    for ever.
    """
    while (ended := session.run("os.kill(storm.pid, 9)", PATIENCE)).status == "interrupted":
        continue
    assert ended.status == "ok", ended.error
    assert session.run("storm.wait()", PATIENCE).status == "ok"
