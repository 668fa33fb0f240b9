"""A process that sleeps is told from one that computes; only the first is ever called stuck.

Runs in: tests.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pyshell.host.processes.stalling import Stalling
from pyshell.protocol import Saved
from tests.sessions import SECONDS, started, until


@contextmanager
def running(code: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()  # it has come to the point
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def ever_stuck(stalling: Stalling, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if stalling.is_stuck():
            return True
    return False


def test_a_sleeper_is_stuck() -> None:
    with running("print(flush=True); import signal; signal.pause()") as process:
        assert ever_stuck(Stalling(process.pid, 0.2), SECONDS)


def test_who_computes_is_not() -> None:
    with running("print(flush=True)\nwhile True: pass") as process:
        assert not ever_stuck(Stalling(process.pid, 0.2), 1.0)


def test_a_process_that_is_gone_is_not() -> None:
    with running("print(flush=True)") as process:
        process.wait()
        assert not ever_stuck(Stalling(process.pid, 0.1), 0.5)


def test_a_value_that_hangs_while_it_is_saved_costs_itself_alone() -> None:
    with started() as session:
        code = "class Hang:\n    def __reduce__(self):\n        import signal; signal.pause()\nhang = Hang(); kept = 1"
        cell = session.execute(code)
        events = until(session, lambda event: isinstance(event.body, Saved) and event.cell == cell)
        saved = events[-1].body
        assert isinstance(saved, Saved)
        assert [unsaved.name for unsaved in saved.unsaved] == ["hang"]
