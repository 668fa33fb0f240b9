"""A host that is killed: its worker finishes and saves, and the next host tells what happened.

Runs in: tests.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import pyshell
from pyshell import Session, protocol
from pyshell.errors import ConnectionLost, SessionNotFound
from pyshell.host.workers.orphan import Orphan, read_reports
from pyshell.protocol import Finished, Notice, Output, Report
from tests.sessions import SECONDS, host_of, kill, started, until, until_computing, until_output, until_state, wait_gone


def start_process() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])


def test_a_process_is_known_by_its_number_and_its_birth() -> None:
    with start_process() as process:
        orphan = Orphan.of(process.pid)
        assert orphan.is_alive()
        assert Orphan.parse(str(orphan)) == orphan
        stranger = Orphan(process.pid, "1")  # the number is used again
        assert not stranger.is_alive()
        stranger.signal(signal.SIGKILL)
        assert process.poll() is None
        ended = threading.Event()
        orphan.when_ended(ended.set)
        orphan.signal(signal.SIGKILL)
        assert ended.wait(SECONDS)
        assert not orphan.is_alive()


@pytest.mark.parametrize("text", ["", "x", "-3 5", "none 7"])
def test_what_is_no_process_is_none(text: str) -> None:
    assert Orphan.parse(text) is None


def test_a_process_that_is_gone_has_ended_at_once() -> None:
    with start_process() as process:
        orphan = Orphan.of(process.pid)
        process.kill()
    ended = threading.Event()
    orphan.when_ended(ended.set)
    assert ended.wait(SECONDS)
    assert not Orphan.of(process.pid).is_alive()


def test_reports_are_read_up_to_a_torn_line(tmp_path: Path) -> None:
    reports = [Report(0, 1, Output("é")), Report(2, 1, Finished("ok", 0.5))]
    path = tmp_path / "orphan"
    assert read_reports(path) == []
    lines = [protocol.to_json(report) for report in reports]
    path.write_text("\n".join([*lines, lines[0][:-5]]))
    assert read_reports(path) == reports
    path.write_bytes(b"\xff\xfe garbage")
    assert read_reports(path) == []


WAITS = "import os\nprint('before', flush=True)\nwhile not os.path.exists({gate!r}):\n    pass\n"


def leave(session: Session, code: str) -> tuple[int, int]:
    """Kill the host while the cell runs; the cell and the worker."""
    cell = session.execute(code)
    until_output(session, "before", cell)
    if "sum(" in code:
        until_computing(session)
    worker = session.pid
    assert worker is not None
    kill(host_of(session))
    return cell, worker


def test_the_cell_goes_on_and_its_end_is_told_by_the_next_host(xdg: Path) -> None:
    gate = xdg / "gate"
    with started() as session:
        session.run("x = 1")
        cell, worker = leave(session, WAITS.format(gate=str(gate)) + "x += 1\nprint('after')\nx")
        with pytest.raises((ConnectionLost, SessionNotFound)):
            list(session.events())
        with pytest.raises(ConnectionLost):
            session.status()
    with pytest.raises(SessionNotFound):  # the socket and the token are still there
        pyshell.connect("s")
    with started() as again:
        notice = until(again, lambda event: isinstance(event.body, Notice))[-1].body
        assert isinstance(notice, Notice) and f"In[{cell}]" in notice.text
        assert again.status().cell == cell
        waiting = again.execute("x * 10")
        gate.touch()
        reply = again.wait(cell)
        assert (reply.status, reply.result) == ("ok", "2")
        assert reply.output == "before\nafter\n"
        assert again.wait(waiting).result == "20"
        numbers = [event.seq for event in until(again, lambda e: e.cell == waiting and e.kind == "finished")]
        assert numbers == list(range(1, len(numbers) + 1))
        assert not Orphan.of(worker).is_alive()
        assert not (again._paths.directory / "orphan").exists()


def test_a_cell_that_goes_on_can_be_interrupted_by_the_next_host(xdg: Path) -> None:
    with started() as session:
        cell, _ = leave(session, WAITS.format(gate=str(xdg / "never")))
    with started() as again:
        assert again.status().state == "starting"
        assert again.interrupt() == "signal"
        assert again.wait(cell).status == "interrupted"
        assert again.run("40 + 2").result == "42"


def test_a_cell_that_does_not_listen_is_ended_by_the_ladder_of_the_next_host(xdg: Path) -> None:
    with started() as session:
        session.run("x = 1")
        cell, worker = leave(session, "x = 2\nprint('before', flush=True)\nsum(range(10**12))")
    with started() as again:
        assert [again.interrupt() for _ in range(3)][-1] == "kill"
        assert again.wait(cell).status == "died"
        assert again.run("x").result == "1"
        assert not Orphan.of(worker).is_alive()


def test_the_session_can_be_ended_while_the_cell_of_a_dead_host_goes_on(xdg: Path) -> None:
    with started() as session:
        _, worker = leave(session, WAITS.format(gate=str(xdg / "never")))
    fd = os.pidfd_open(worker)
    with started() as again:
        again.kill()
    wait_gone(fd)


def test_host_and_worker_killed_together_lose_only_the_cell(xdg: Path) -> None:
    with started() as session:
        session.run("x = 1")
        until(session, lambda event: event.kind == "saved")
        cell = session.execute("x = 2\nprint('before', flush=True)\nimport signal\nwhile True: signal.pause()")
        waiting = session.execute("x * 10")
        until_output(session, "before", cell)
        worker = session.pid
        assert worker is not None
        kill(host_of(session), worker)
    with started() as again:
        reply = again.wait(cell)
        assert reply.status == "died"
        assert reply.died is not None and "together" in reply.died.reason
        assert "x" in reply.restored
        assert again.queue().held
        again.release()
        assert again.wait(waiting).result == "10"


def test_a_host_killed_while_idle_costs_nothing(xdg: Path) -> None:
    with started() as session:
        session.run("x = [1, 2, 3]")
        worker = session.pid
        assert worker is not None
        fd = os.pidfd_open(worker)
        kill(host_of(session))
        wait_gone(fd)  # it saves, and ends by itself
    with started() as again:
        last = again.run("x")
        assert (last.result, last.cell, last.status) == ("[1, 2, 3]", 2, "ok")
        assert again.epoch == 2
        events = until_state(again, "idle", after=next(e.seq for e in again.events() if e.epoch == 2))
        assert not [event for event in events if event.kind == "died"]


def test_a_host_killed_at_any_moment_tells_what_is_true(xdg: Path) -> None:
    """The cell may not have reached the worker, or have ended, or have been told: its end fits its effect."""
    true = "0"
    for number, instant in enumerate(["queued", "started", "finished", "saved", "queued", "finished"], 1):
        with started() as session:
            assert session.run("n if 'n' in globals() else 0").result == true
            events = session.events(session.status().last_event)
            cell = session.execute(f"n = {number}")
            while next(events).kind != instant:
                continue
            kill(host_of(session))
        with started() as again:
            reply = again.wait(cell)
            result = again.run("n if 'n' in globals() else 0").result
            assert (reply.status, result) in (("ok", str(number)), ("died", true)), instant
            true = result
            again.kill()
