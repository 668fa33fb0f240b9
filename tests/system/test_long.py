"""How much of a long loop a kill costs: what was done since the save before the newest one was begun, at the most.

Runs in: tests, against real hosts and workers.

Nothing here depends on how fast the machine is. A save in the middle of a cell is begun once the one before it is told:
what had been done when that was told is in it, by the stamps of both. With the interval between two saves this bounds
what is done again. Here the interval is a tenth of a second, and a minute where nobody sets another.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

import pyshell
from pyshell import Session
from pyshell.protocol import Event, Saved
from tests.kills import start_again
from tests.sessions import SECONDS, becomes_true, host_of, kill, reach, until

ROOT = Path(pyshell.__file__).parents[1]
KILLS = 4
BEGIN = """
import time, pyshell
done = []

def note(number):
    with open({log!r}, 'ab', buffering=0) as log:
        log.write(b'%d %.6f\\n' % (number, time.time()))
"""
BODY = """
    done.append(number)
    note(number)
    time.sleep(0.001)
"""
PLAIN = "for number in range(len(done), 10**9):" + BODY
RESUMED = "for number in pyshell.resume(range(10**9), 'n'):" + BODY


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The configuration: save ten times in a second."""
    file = tmp_path / "config" / "pyshell" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text("[saving]\nautosave_seconds = 0.1\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")])))
    monkeypatch.chdir(tmp_path)


class Log:
    """What the loop has noted: its items, in the order in which they were done, with their moments."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def items(self) -> list[tuple[int, float]]:
        lines = self.path.read_text().split("\n") if self.path.exists() else []
        return [(int(number), float(stamp)) for number, _, stamp in [line.partition(" ") for line in lines[:-1]]]

    def wait_for(self, count: int) -> None:
        assert becomes_true(lambda: len(self.items()) >= count)


class Work(Protocol):
    """A long loop that can be killed and begun again."""

    log: Log

    def begin(self) -> Session:
        """Go on with it, in a session that can be asked for what happens."""

    def kill(self, with_host: bool) -> None:
        """The worker, perhaps together with its host."""


class Cell:
    """The loop is a cell."""

    def __init__(self, session: Session, code: str, where: Path) -> None:
        self.log = Log(where / "log")
        self._session, self._code = session, code
        cell = session.run(BEGIN.format(log=str(self.log.path)), SECONDS).cell
        until(session, lambda event: event.kind == "saved" and event.cell == cell)

    def begin(self) -> Session:
        self._cell = self._session.execute(self._code)
        return self._session

    def kill(self, with_host: bool) -> None:
        pid = self._session.pid
        assert pid is not None
        if with_host:
            kill(host_of(self._session), pid)
            self._session.close()
            self._session = start_again(self._session.name)
        else:
            kill(pid)
            assert self._session.wait(self._cell, SECONDS).status == "died"

    def end(self) -> None:
        self._session.kill()
        self._session.close()


class Script:
    """The loop is in a script."""

    def __init__(self, where: Path) -> None:
        self.log = Log(where / "log")
        self._path = where / "fit.py"
        self._path.write_text(BEGIN.format(log=str(self.log.path)) + RESUMED)

    def begin(self) -> Session:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pyshell", "run", "-s", "r", str(self._path)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._session = reach("r")
        return self._session

    def kill(self, with_host: bool) -> None:
        pid = self._session.pid
        assert pid is not None
        kill(*([host_of(self._session)] if with_host else []), pid)
        self._session.close()
        assert self._process.wait(SECONDS)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._session.kill()
        self._session.close()


@pytest.fixture(params=["plain", "resumed", "script"])
def work(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Work]:
    if request.param == "script":
        found: Cell | Script = Script(tmp_path)
    else:
        found = Cell(pyshell.start("s"), PLAIN if request.param == "plain" else RESUMED, tmp_path)
    try:
        yield found
    finally:
        found.end()


def saves(session: Session, after: int, count: int) -> list[Event]:
    """The next saves in the middle of a cell."""
    found: list[Event] = []

    def is_last(event: Event) -> bool:
        if isinstance(event.body, Saved) and event.body.line is not None:
            found.append(event)
        return len(found) >= count

    until(session, is_last, after)
    return found


def test_a_kill_costs_what_was_done_since_the_save_before_the_newest(work: Work) -> None:
    chance = random.Random(7)
    safe = -1
    for life in range(KILLS):
        before = len(work.log.items())
        session = work.begin()
        work.log.wait_for(before + 1)
        again = work.log.items()[before][0]
        assert again > safe, "what was saved is done again"
        if before:
            assert again <= work.log.items()[before - 1][0] + 1, "something is left out"
        told = saves(session, session.status().last_event, chance.randint(2, 4))[-2].time
        work.log.wait_for(len(work.log.items()) + chance.randrange(60))
        work.kill(with_host=bool(life % 2))
        safe = max(number for number, stamp in work.log.items()[before:] if stamp <= told)
