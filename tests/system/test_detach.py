"""A session that its people leave and come back to, whatever ends in between.

Runs in: tests, against real hosts, workers and clients.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

import pyshell
from pyshell import starting
from pyshell.errors import PyshellError, UsageError
from pyshell.listing import last_line, table
from pyshell.protocol import Event, Queued
from tests.kills import start_again
from tests.sessions import becomes_true, environment, host_of, kill, started, until, until_output
from tests.terminal import Terminal

LAST = "'the last one'"
WAITS = "import os\nprint('before', flush=True)\nwhile not os.path.exists({gate!r}):\n    pass\n"


def state_of(name: str) -> str:
    (line,) = (line for line in table(0.0) if line.startswith(f"{name} "))
    return re.split(r" {2,}", line)[1]


def test_a_host_that_died_is_listed_with_what_its_worker_still_does(xdg: Path) -> None:
    gate = xdg / "gate"
    with started() as session:
        cell = session.execute(WAITS.format(gate=str(gate)) + "x = 'done'\nprint('after')")
        until_output(session, "before", cell)
        kill(host_of(session))
        assert state_of("s").startswith(f"host died; In[{cell}] goes on")
        gate.touch()
        assert becomes_true(lambda: state_of("s").startswith("saved"))
    with started() as again:
        assert again.wait(cell).output == "before\nafter\n"
        assert again.run("x").result == "'done'"


def test_after_a_reboot_the_session_is_saved_and_comes_back(xdg: Path) -> None:
    """All processes are killed at once, and the directory of sockets is empty, as after a power cut."""
    with started() as session:
        session.wait_saved(session.run("x = list(range(1000))\nprint('so far')").cell)
        cell = session.execute("x = None\nprint('before', flush=True)\nimport signal\nwhile True: signal.pause()")
        until_output(session, "before", cell)
        assert session.pid is not None
        kill(host_of(session), session.pid)
        shutil.rmtree(session._paths.roots.runtime)
    assert state_of("s").startswith("saved")
    with starting.connect_or_start("s") as again:
        try:
            reply = again.wait(cell)
            assert reply.status == "died" and reply.died is not None and "machine went down" in reply.died.reason
            assert "x" in reply.restored
            assert again.run("len(x)").result == "1000"
            events = until(again, lambda event: event.seq == again.status().last_event)
            assert [event.seq for event in events] == list(range(1, len(events) + 1))
        finally:
            again.kill()


def follow(name: str) -> list[Event]:
    """All events up to the cell that says so, by a client that comes back whenever its host is gone."""
    seen: list[Event] = []

    def is_done() -> bool:
        with suppress(PyshellError), pyshell.connect(name) as session:
            for event in session.events(seen[-1].seq if seen else 0):
                seen.append(event)
                if isinstance(event.body, Queued) and event.body.code == LAST:
                    return True
        return False

    assert becomes_true(is_done)
    return seen


def test_who_follows_gets_each_event_once_and_in_order_over_many_hosts() -> None:
    """Two clients follow, a third works; the host is killed while cells run, wait and end."""
    session = pyshell.start("followed")
    with ThreadPoolExecutor(2) as pool:
        followers = [pool.submit(follow, "followed") for _ in range(2)]
        for number in range(3):
            cells = [session.execute(f"for n in range(300): print({number}, n)") for _ in range(3)]
            until(session, lambda event, cell=cells[number]: event.cell == cell and event.kind == "output")  # type: ignore[misc]
            kill(host_of(session))
            session.close()
            session = start_again("followed")
            session.release()
            session.wait(cells[-1])
            session.wait_up()  # the killed host's worker may have run the last cell, and the next one not be there
        session.execute(LAST)
        first, second = (follower.result() for follower in followers)
    session.kill()
    session.close()
    assert [event.seq for event in first] == list(range(1, len(first) + 1))
    assert first == second
    assert {event.epoch for event in first} >= {1, 2, 3, 4}


def test_who_only_looks_on_sees_everything_and_changes_nothing() -> None:
    with started() as session, starting.connect("s", read_only=True) as looking:
        session.run("x = 1")
        assert [v.name for v in looking.variables()] == ["x"] and looking.state == "idle"
        assert any(event.kind == "saved" for event in until(looking, lambda event: event.kind == "saved"))
        looking.resize(10, 10)  # what a terminal does by itself is no mistake of its person's
        changes: list[Callable[[], object]] = [
            lambda: looking.execute("x = 2"), looking.interrupt, looking.restart, looking.kill, looking.undo,
            looking.release, looking.save, looking.prune, lambda: looking.input("x"), lambda: looking.keys(b"x"),
            lambda: looking.cancel(1), lambda: looking.move(1, 0), lambda: looking.label(1, "x"),
            lambda: looking.load(1, "x"), lambda: looking.restore(1),
        ]  # fmt: skip
        for change in changes:
            with pytest.raises(UsageError, match="only looks on"):
                change()
        assert session.run("x").result == "1"
        assert session.status().clients == 1  # both are this process


def test_consoles_see_who_sends_what_and_exit_leaves_the_one_that_says_so(tmp_path: Path) -> None:
    with started("shared", cwd=str(tmp_path)) as session:
        command = [sys.executable, "-m", "pyshell", "attach", "-t", "shared"]
        found = environment(session)
        with (
            Terminal(command, env=found, cwd=tmp_path) as one,
            Terminal([*command, "--read-only"], env=found, cwd=tmp_path) as two,
        ):
            for terminal in (one, two):
                terminal.wait_screen(r"idle · ")
            assert "read-only" in two.text
            one.send("y = 6 * 7\ry\r")
            two.wait_screen(r"— console \d+ —")
            two.wait_screen(r"\b42$")
            two.send("y = 0\r")
            two.wait_screen("only looks on")
            session.run("'from a program'")
            one.wait_screen(r"— pid \d+ —")
            one.wait_screen("'from a program'")
            one.send("exit()\r")
            while one.read(60):
                continue
            assert one.process.wait(60) == 0
            session.run("print('still', y)")
            two.wait_screen("still 42")
        # Who comes later is not sent away by what was said before.
        with Terminal(command, env=environment(session), cwd=tmp_path) as again:
            again.wait_screen("still 42")
            again.wait_screen(r"idle · ")
            again.send("\x04")
            while again.read(60):
                continue
            assert again.process.wait(60) == 0
        assert session.state == "idle"


def test_the_last_line_is_what_a_terminal_would_show() -> None:
    assert last_line("\x1b[32mok\x1b[0m") == "ok"
    assert last_line("  3%\r 50%\r100% |####|") == "100% |####|"
    assert last_line("a\tb\x07") == "a b"
    assert last_line("") == last_line("\x1b[0m\r") == ""
