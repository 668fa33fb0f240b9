"""A session of cells, saves, deaths and restores, with a real worker process and the test as its host.

Runs in: tests.
"""

from __future__ import annotations

import json
import mmap
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import dill
import pytest

import pyshell
from pyshell.store import Store

SCRIPT = Path(__file__).with_name("session_process.py")
PLACES = [str(Path(pyshell.__file__).parents[1]), str(Path(dill.__file__).parents[1])]
KEY = b"k" * 32


class Died(Exception):
    """The worker ended instead of answering."""


class Session:
    """`run` cells, `save`, `restart` (a new process that restores), and `ask` for values as repr."""

    def __init__(self, directory: Path, python: str = sys.executable) -> None:
        self.store = Store.open(directory / "store", key=KEY, writer=True)
        self.python = python
        self.cell = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.crumb_fd = os.memfd_create("crumbs")
        os.ftruncate(self.crumb_fd, 4096)
        self.crumb_memory = mmap.mmap(self.crumb_fd, 4096)
        self.names: list[str] = []
        self.sources: dict[int, str] = {}
        self.missing: dict[str, tuple[str, str, int | None]] = {}
        self.start()

    def start(self) -> None:
        """Start another worker with an empty namespace."""
        self.end()
        request_read, request_write = os.pipe()
        reply_read, reply_write = os.pipe()
        settings = json.dumps([PLACES, str(self.store.path), request_read, reply_write, self.crumb_fd])
        self.process = subprocess.Popen(
            [self.python, str(SCRIPT), settings],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(request_read, reply_write, self.crumb_fd),
        )
        os.close(request_read)
        os.close(reply_write)
        self.requests, self.replies = os.fdopen(request_write, "w"), os.fdopen(reply_read)

    def call(self, verb: str, *arguments: Any) -> Any:
        try:
            self.requests.write(json.dumps([verb, *arguments]) + "\n")
            self.requests.flush()
            line = self.replies.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise Died(self.end())
        return json.loads(line)

    def run(self, code: str) -> None:
        """Run a cell, which must not raise."""
        self.cell += 1
        self.sources[self.cell] = code
        assert (code, self.call("run", self.cell, code)) == (code, "")

    def ask(self, code: str) -> str:
        return self.call("eval", code)

    @property
    def crumb(self) -> str:
        return self.crumb_memory[:].rstrip(b"\0").decode()

    def propose(self, set_aside: tuple[str, ...] = (), scope: str = "touched") -> tuple[str, str]:
        """Let the worker save; the proposal's name and why there is none."""
        _, name = self.begin(set_aside, scope)
        return name, self.call("finish")

    def begin(self, set_aside: tuple[str, ...] = (), scope: str = "touched") -> tuple[int, str]:
        """Let the worker begin to save; the child's pid and the proposal's name, or 0 and why not."""
        pid, name = self.call("begin", self.cell, list(set_aside), scope)
        return pid, name

    def begin_slices(self, scope: str = "touched") -> None:
        """Begin to save in the worker itself."""
        self.call("begin_slices", self.cell, scope)

    def slice(self, steps: int | None = None, ticks: int | None = None) -> str | None:
        """Go on with that; the name of the proposal once it is made, "" if an audit has found nothing."""
        name: str | None = self.call("slice", steps, ticks)
        return name

    def commit_slices(self, steps: int | None = None) -> dict[str, str]:
        """Go on to the end and commit; what is not saved, and why."""
        name = self.slice(steps)
        assert name
        manifest = self.store.commit(name)
        self.call("committed", manifest.sequence)
        return {missing.name: missing.reason for missing in manifest.missing}

    def save(self, set_aside: tuple[str, ...] = (), scope: str = "touched") -> dict[str, str]:
        """Save and commit; what is not saved, and why."""
        name, reason = self.propose(set_aside, scope)
        assert reason == ""
        manifest = self.store.commit(name)
        self.call("committed", manifest.sequence)
        return {missing.name: missing.reason for missing in manifest.missing}

    def restart(self, set_aside: tuple[str, ...] = ()) -> None:
        """End the worker by SIGKILL and start one that restores HEAD into `names` and `missing`."""
        self.start()
        self.restore(set_aside)

    def restart_lazily(self, at_once: int = 1000, set_aside: tuple[str, ...] = ()) -> list[str]:
        """The same, but pickles of more than so many bytes are left for later; their names, as they are loaded."""
        self.start()
        self.restore(set_aside, at_once)
        waiting: list[str] = self.call("waits")
        return waiting

    def run_early(self, code: str) -> list[str]:
        """Run a cell before all is loaded; the names that still wait then."""
        self.cell += 1
        self.sources[self.cell] = code
        assert (code, self.call("run_early", self.cell, code)) == (code, "")
        waiting: list[str] = self.call("waits")
        return waiting

    def restore(self, set_aside: tuple[str, ...] = (), at_once: int | None = None) -> None:
        assert self.store.head is not None
        sources = list(self.sources.items())
        names, missing = self.call("restore", self.store.head.sequence, list(set_aside), sources, at_once)
        self.names = names
        self.missing = {name: (kind, reason, cell) for name, kind, reason, cell in missing}

    def groups(self) -> list[tuple[str, ...]]:
        """Which names are saved together in HEAD."""
        assert self.store.head is not None
        return sorted(tuple(sorted(group.names)) for group in self.store.groups(self.store.head).values())

    def end(self) -> str:
        """Kill the worker; everything that it and its children printed."""
        if self.process is None:
            return ""
        self.process.send_signal(signal.SIGKILL)
        printed, _ = self.process.communicate()
        self.process = None
        for file in (self.requests, self.replies):
            try:
                file.close()
            except BrokenPipeError:
                continue
        return printed.decode("utf-8", "replace")

    def close(self) -> None:
        self.end()
        self.store.close()
        self.crumb_memory.close()
        os.close(self.crumb_fd)


@pytest.fixture
def session(xdg: Path) -> Iterator[Session]:
    """A session in this Python; at its end the store must be sound."""
    made = Session(xdg)
    try:
        yield made
        assert made.store.check() == []
    finally:
        made.close()


@pytest.fixture
def sessions(xdg: Path) -> Iterator[Any]:
    """Makes sessions in other Pythons: `sessions(python)`."""
    with ExitStack() as stack:

        def make(python: str, name: str = "session") -> Session:
            made = Session(xdg / name, python)
            stack.callback(made.close)
            return made

        yield make
