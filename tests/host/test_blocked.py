"""Who waits for a line on a terminal: real programs on a real one, in each of the ways that they may wait.

Runs in: tests.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pyshell.host.processes import blocked
from pyshell.host.processes.birth import open_terminal
from pyshell.host.processes.blocked import READ, Read, find_read, ticks

pytestmark = pytest.mark.skipif(not READ, reason="the system does not tell")

SECONDS = 30.0
LOOKS = 20
# What a worker is to its terminal: it leads the session, and starts what a cell says.
WORKER = """
import os, signal, subprocess, sys, threading
os.close(os.open(os.ttyname(0), os.O_RDWR))  # the session's terminal from here on
exec(sys.stdin.buffer.raw.readline())
"""
LINES = {
    "a program in the worker's group": "subprocess.run(['cat'])",
    "below a shell": "subprocess.run(['sh', '-c', 'cat; true'])",
    "on /dev/tty": "subprocess.run(['sh', '-c', 'cat </dev/tty'], stdin=subprocess.DEVNULL)",
    "a thread": "subprocess.run([sys.executable, '-c', 'import os, threading; "
    "threading.Thread(target=os.read, args=(0, 9)).start()'])",
    "in a pipe": "subprocess.run(['sh', '-c', 'cat | cat'])",
}
NOT_LINES = {
    "computes": "while True: pass",
    "waits for a signal": "signal.pause()",
    "reads a pipe": "os.read(os.pipe()[0], 1)",
    "asks whether there is something": "select.select([0], [], [])",
    "reads single keys": "tty.setcbreak(0); os.write(1, b'begun'); os.read(0, 1)",
    "reads nothing that is there": "subprocess.run(['sh', '-c', 'yes | head -1; sleep 600'])",
}


class Worker:
    def __init__(self, code: str) -> None:
        self.master, slave = open_terminal((80, 24))
        self.began = ticks()
        self.process = subprocess.Popen(
            [sys.executable, "-S", "-c", WORKER], stdin=slave, stdout=slave, stderr=slave, start_new_session=True
        )
        os.close(slave)
        self.type(code)

    def type(self, line: str) -> None:
        os.write(self.master, line.encode() + b"\n")

    def find(self, since: int | None = None) -> Read | None:
        return find_read(self.process.pid, self.master, self.began if since is None else since)

    def until_found(self, before: Read | None = None) -> Read:
        """The first wait, or the first that is another one."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            self._drain()
            if (found := self.find()) is not None and found != before:
                return found
        raise AssertionError("nobody was seen waiting")

    def until_shown(self, text: bytes) -> None:
        shown = b""
        while text not in shown:
            assert select.select([self.master], [], [], SECONDS)[0], shown
            shown += os.read(self.master, 4096)

    def _drain(self) -> None:
        if select.select([self.master], [], [], 0.01)[0]:
            os.read(self.master, 4096)

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self.master)


@contextmanager
def worker(code: str) -> Iterator[Worker]:
    made = Worker(code)
    try:
        yield made
    finally:
        made.close()


@pytest.mark.parametrize("code", LINES.values(), ids=LINES)
def test_a_program_that_waits_for_a_line_is_seen(code: str) -> None:
    with worker(code) as made:
        found = made.until_found()
        assert not found.hides_text
        assert made.find() == found  # as long as it waits it is the same wait


@pytest.mark.parametrize("code", NOT_LINES.values(), ids=NOT_LINES)
def test_a_program_that_does_something_else_is_not(code: str) -> None:
    program = f"import os, select, signal, subprocess, tty; os.write(1, b'be' b'gun'); {code}"
    if "while" in code:
        program = program.replace("; while", "\\nwhile")
    with worker(f'''subprocess.run([sys.executable, "-S", "-c", """{program}"""])''') as made:
        made.until_shown(b"begun")
        assert [made.find() for _ in range(LOOKS)] == [None] * LOOKS


def test_the_next_line_of_the_same_program_is_another_wait() -> None:
    with worker("subprocess.run(['cat'])") as made:
        first = made.until_found()
        os.write(made.master, b"not yet a line")
        assert [made.find() for _ in range(LOOKS)] == [first] * LOOKS
        made.type("")
        made.until_found(first)


def test_a_password_is_told_from_a_line() -> None:
    with worker("subprocess.run(['sh', '-c', 'stty -echo; read x; stty echo; read y'])") as made:
        first = made.until_found()
        assert first.hides_text
        made.type("secret")
        assert not made.until_found(first).hides_text


def test_another_users_program_waits_only_where_the_echo_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """sudo, su: what they do may not be looked at."""

    def refuse(name: str) -> str:
        if name.endswith("/syscall"):
            raise PermissionError(name)
        return read(name)

    read = blocked._proc
    with worker("subprocess.run(['sh', '-c', 'read x; stty -echo; read y'])") as made:
        first = made.until_found()
        monkeypatch.setattr(blocked, "_proc", refuse)
        assert made.find() is None
        made.type("line")
        second = made.until_found(first)
        assert second.hides_text and made.find() == second


def test_what_an_earlier_cell_has_left_does_not_ask() -> None:
    with worker("left = subprocess.Popen(['cat']); left.wait()") as made:
        made.until_found()
        later = ticks() + 100
        assert made.find(since=later) is None


def test_the_worker_itself_is_not_looked_at() -> None:
    with worker("os.write(1, b'be' b'gun'); os.read(0, 1)") as made:
        made.until_shown(b"begun")
        assert [made.find() for _ in range(LOOKS)] == [None] * LOOKS


def test_a_worker_that_has_ended_has_nobody_who_waits() -> None:
    with worker("subprocess.run(['cat'])") as made:
        made.until_found()
        os.killpg(made.process.pid, signal.SIGTERM)
        made.process.wait()
        assert made.find() is None
