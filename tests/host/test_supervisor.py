"""Cells, the queue, the interrupt ladder, restarts and deaths, with real hosts and workers.

Runs in: tests.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import pyshell
from pyshell import Session
from pyshell.errors import PyshellError, SessionStopped, UsageError, WorkerBusy, WorkerStartFailed
from pyshell.protocol import Died, Error, Event, Held, Notice, Reordered, Restored, StateChanged
from tests.sessions import SECONDS, becomes_true, started, until, until_computing, until_output, until_state

BLOCK = "import os\nprint('waits', flush=True)\nos.read(0, 1)"
"""A cell that runs until somebody types something."""


@pytest.fixture(scope="module")
def shared() -> Iterator[Session]:
    """One session for tests that leave it idle."""
    with started("shared") as session:
        yield session


@pytest.fixture
def session() -> Iterator[Session]:
    with started() as session:
        yield session


def block(session: Session) -> int:
    """Submit a cell that waits; returns when it does."""
    cell = session.execute(BLOCK)
    until_output(session, "waits", cell)
    return cell


def go_on(session: Session) -> None:
    session.keys(b"\n")


def test_cells_run_in_the_order_in_which_they_came(shared: Session) -> None:
    first = block(shared)
    second, third = shared.execute("order = [2]"), shared.execute("order.append(3)")
    assert (second, third) == (first + 1, first + 2)
    queue = shared.queue()
    assert [cell.cell for cell in queue.cells] == [second, third]
    assert [cell.code for cell in queue.cells] == ["order = [2]", "order.append(3)"]
    assert not queue.held
    status = shared.status()
    assert (status.state, status.cell, status.queued) == ("busy", first, (second, third))
    go_on(shared)
    assert shared.run("order").result == "[2, 3]"


def test_a_cell_that_waits_can_be_cancelled_and_moved(shared: Session) -> None:
    block(shared)
    first, second, third = (shared.execute(f"ran = {number}") for number in (1, 2, 3))
    newest = shared.status().last_event
    shared.move(third, 0)
    told = next(event.body for event in shared.events(after=newest) if isinstance(event.body, Reordered))
    assert told.cells == (third, first, second)
    assert [cell.cell for cell in shared.queue().cells] == [third, first, second]
    shared.move(third, 99)
    assert [cell.cell for cell in shared.queue().cells] == [first, second, third]
    shared.move(third, -1)
    shared.cancel(second)
    assert [cell.cell for cell in shared.queue().cells] == [third, first]
    go_on(shared)
    assert shared.wait(second).status == "aborted"
    assert shared.run("ran").result == "1"


def test_cells_that_do_not_wait_cannot_be_cancelled_or_moved(shared: Session) -> None:
    running = block(shared)
    for number in (running, running + 1, 0):
        with pytest.raises(UsageError, match=r"not waiting"):
            shared.cancel(number)
        with pytest.raises(UsageError, match=r"not waiting"):
            shared.move(number, 0)
    go_on(shared)
    shared.wait(running)


def test_the_events_of_a_cell_come_in_order(shared: Session) -> None:
    cell = shared.execute("print('out')\n7")
    shared.wait(cell)
    kinds = []
    for event in shared.events(cell=cell):
        kinds.append(event.kind)
        if event.kind == "saved":
            break
    assert kinds == ["queued", "started", "output", "result", "finished", "saved"]


def test_an_interrupt_ends_a_sleep(shared: Session) -> None:
    cell = shared.execute("import time\nprint('sleeps', flush=True)\ntime.sleep(600)")
    until_output(shared, "sleeps", cell)
    assert shared.interrupt() == "signal"
    reply = shared.wait(cell)
    assert reply.status == "interrupted"
    assert reply.error is not None and reply.error.kind == "KeyboardInterrupt"
    assert shared.interrupt() == "nothing"


def test_an_interrupt_reaches_the_program_in_front(shared: Session) -> None:
    program = "import os, signal; os.setpgid(0, 0); os.tcsetpgrp(0, os.getpid()); print('in front'); signal.pause()"
    code = (
        "import signal, subprocess, sys, os\n"
        "signal.signal(signal.SIGTTOU, signal.SIG_IGN)\n"
        f"ended = subprocess.run([sys.executable, '-uc', {program!r}]).returncode\n"
        "os.tcsetpgrp(0, os.getpgid(0))\nended"
    )
    cell = shared.execute(code)
    until_output(shared, "in front", cell)
    assert shared.interrupt() == "signal"
    reply = shared.wait(cell)
    assert reply.status == "ok"
    assert reply.result in ("1", "-2")
    assert "KeyboardInterrupt" in reply.output


def test_the_ladder_ends_an_endless_loop_of_c_code_and_keeps_the_state(session: Session) -> None:
    session.run("kept = [1, 2]")
    until(session, lambda event: event.kind == "saved")
    cell = session.execute("print('counts', flush=True)\nsum(range(10**12))")
    waiting = session.execute("kept.append(3)")
    until_output(session, "counts", cell)
    until_computing(session)
    assert [session.interrupt() for _ in range(2)] == ["signal", "stack"]
    stack = until(session, lambda event: event.kind == "stack")[-1]
    assert stack.cell == cell and "<module>" in stack.body.text
    assert session.interrupt() == "kill"
    reply = session.wait(cell)
    assert reply.status == "died"
    assert reply.died is not None and reply.died.signal == "SIGKILL" and reply.died.cell == cell
    assert "as you asked" in reply.died.reason
    assert "kept" in reply.restored
    assert session.queue().held and [item.cell for item in session.queue().cells] == [waiting]
    held = until(session, lambda event: isinstance(event.body, Held))[-1]
    assert held.body == Held((waiting,))
    session.release()
    assert session.wait(waiting).status == "ok"
    assert session.run("kept").result == "[1, 2, 3]"
    assert session.epoch == 2


def test_a_held_queue_goes_when_its_last_cell_is_cancelled(session: Session) -> None:
    cell = session.execute(BLOCK + "\nos._exit(3)")
    until_output(session, "waits", cell)
    waiting = session.execute("1")
    go_on(session)
    assert session.wait(cell).status == "died"
    assert session.queue().held
    typed_after = session.execute("2")
    assert [item.cell for item in session.queue().cells] == [waiting, typed_after]
    session.cancel(waiting)
    session.cancel(typed_after)
    assert not session.queue().held
    assert session.run("40 + 2").result == "42"


def test_a_death_is_told_in_order_and_to_the_last_byte(session: Session) -> None:
    cell = session.execute("import os\nprint('last words', end='')\nos.kill(os.getpid(), 11)")
    reply = session.wait(cell)
    assert reply.output == "last words"
    assert reply.died is not None and reply.died.signal == "SIGSEGV" and reply.died.peak_rss > 0
    events = until_state(session, "idle", after=next(e.seq for e in session.events() if e.kind == "died"))
    kinds = [event.kind for event in events]
    assert kinds[0] == "state_changed" and events[0].body.state == "restarting"
    assert kinds.index("restored") < kinds.index("finished") < len(kinds)
    assert events[-1].epoch == 2 and events[-1].body.pid == session.pid


def test_a_restart_keeps_the_state_and_numbers_go_on(session: Session) -> None:
    session.run("x = 1")
    before = session.status()
    session.restart()
    until_state(session, "idle", before.last_event)
    after = session.status()
    assert (after.epoch, after.next_cell) == (2, 2)
    assert after.pid not in (None, before.pid)
    assert session.run("x").cell == 2


def test_a_restart_while_a_cell_runs_interrupts_it(session: Session) -> None:
    cell = session.execute("done = [1]\nimport time\nprint('x', flush=True)\ntime.sleep(600)")
    until_output(session, "x", cell)
    waiting = session.execute("2")
    session.restart()
    with pytest.raises(WorkerBusy):
        session.restart()
    assert session.wait(cell).status == "interrupted"
    until(session, lambda event: isinstance(event.body, Held))
    session.release()
    assert session.wait(waiting).status == "ok"
    assert session.run("done").result == "[1]"


def test_a_restart_ends_a_cell_that_does_not_listen(session: Session) -> None:
    cell = session.execute("kept = 1\nprint('x', flush=True)\nsum(range(10**12))")
    until_output(session, "x", cell)
    until_computing(session)
    session.restart()
    assert session.wait(cell).status == "aborted"
    assert session.run("40 + 2").result == "42"


def test_after_a_fresh_restart_the_old_names_never_come_back(session: Session) -> None:
    session.run("old = 1")
    until(session, lambda event: event.kind == "saved")
    last = session.status().last_event
    session.restart(fresh=True)
    until_state(session, "restarting", last)
    # Typed at once, so that it dies before anything of the new worker can have been saved.
    reply = session.run("import os\nos._exit(1)")
    assert reply.status == "died"
    assert "old" not in reply.restored
    assert session.run("'old' in globals()").result == "False"
    session.run("new = 2")
    session.kill()
    with started() as again:
        assert again.run("new, 'old' in globals()").result == "(2, False)"
        assert session.name == again.name


def test_ending_an_idle_session_keeps_its_state(xdg: Path) -> None:
    with started() as session:
        session.run("x = 1")
        session.run("x += 1")
        session.kill()
        with pytest.raises(pyshell.errors.SessionNotFound):
            pyshell.connect("s")
    with started() as again:
        status = again.status()
        assert (status.next_cell, status.epoch, status.saved_cell) == (3, 2, 2)
        assert again.run("x").result == "2"
        numbers = [event.seq for event in until(again, lambda event: event.cell == 3 and event.kind == "finished")]
        assert numbers == list(range(1, len(numbers) + 1))


def test_ending_a_busy_session_interrupts_and_saves(xdg: Path) -> None:
    with started() as session:
        cell = session.execute("x = 5\nimport time\nprint('x', flush=True)\ntime.sleep(600)")
        until_output(session, "x", cell)
        session.kill()
    with started() as again:
        assert again.run("x").result == "5"
        assert again.wait(cell).status == "interrupted"


def test_cells_that_waited_at_the_end_are_held_by_the_next_host(xdg: Path) -> None:
    with started() as session:
        block(session)
        waiting = session.execute("y = 7")
        session.kill()
        with pytest.raises(PyshellError):
            session.execute("too late")
    with started() as again:
        until_state(again, "idle", session_end(again))
        assert again.queue().held
        assert [cell.cell for cell in again.queue().cells] == [waiting]
        again.release()
        assert again.wait(waiting).status == "ok"


def session_end(session: Session) -> int:
    return max(e.seq for e in until(session, lambda e: e.kind == "state_changed" and e.body.state == "stopped"))


def test_who_follows_sees_the_end(session: Session) -> None:
    seen: list[Event] = []
    with pyshell.connect("s") as other:
        following = threading.Thread(target=lambda: seen.extend(other.events()))
        following.start()
        session.run("1")
        session.kill()
        following.join(SECONDS)
        assert not following.is_alive()
    assert [event.seq for event in seen] == list(range(1, len(seen) + 1))
    assert isinstance(seen[-1].body, StateChanged) and seen[-1].body.state == "stopped"


def test_who_waits_for_a_cell_is_told_that_the_session_ended(session: Session) -> None:
    block(session)
    waiting = session.execute("1")
    with pyshell.connect("s") as other:
        session.kill()
        with pytest.raises((SessionStopped, pyshell.errors.ConnectionLost)):
            other.wait(waiting)


def test_an_interrupt_while_the_worker_starts_does_no_harm(xdg: Path) -> None:
    with started() as session:
        for _ in range(5):
            session.interrupt()
        assert session.run("40 + 2").result == "42"


def test_cells_that_lost_nothing_run_when_the_worker_died_before_them(tmp_path: Path) -> None:
    """The worker was up, and had nothing to bring back: whoever submitted the cell need not say go."""
    startup = tmp_path / "startup.py"
    startup.write_text("import os, signal\nif not os.path.exists('seen'):\n    open('seen', 'w')\n    signal.pause()\n")
    environ = {**os.environ, "PYTHONSTARTUP": str(startup)}
    with started(env=environ, cwd=tmp_path) as session:
        assert becomes_true((tmp_path / "seen").exists)
        cell = session.execute("40 + 2")
        assert session.interrupt() == "kill"
        assert session.wait(cell, timeout=30.0).result == "42"


def test_a_startup_file_that_kills_the_worker_ends_in_a_clear_sentence(tmp_path: Path) -> None:
    startup = tmp_path / "startup.py"
    startup.write_text("import os\nif not os.path.exists('mended'):\n    os.kill(os.getpid(), 11)\n")
    environ = {**os.environ, "PYTHONSTARTUP": str(startup)}
    with started(env=environ, cwd=tmp_path) as session:
        until_state(session, "dead")
        assert session.status().epoch == 3
        with pytest.raises(WorkerStartFailed, match="SIGSEGV.*restart"):
            session.run("1")
        (tmp_path / "mended").touch()
        session.restart()
        until_state(session, "restarting")
        until_state(session, "idle")
        assert session.run("40 + 2").result == "42"


REFUSES = """\
#!{python}
import json, os, socket, sys
sys.path[:0] = {path!r}
from pyshell import handshake
from pyshell.errors import UsageError
from pyshell.protocol import REPORT_OPERATIONS, WORKER_OPERATIONS, Ready, Report, Reports
from pyshell.transport import Link

def refuse(request):
    raise UsageError("not today")

settings = json.loads(sys.argv[2])
sockets = [socket.socket(fileno=settings[name]) for name in ("control", "reports")]
for sock in sockets:
    handshake.introduce(sock, b"")
reports = Link(sockets[1], asks=REPORT_OPERATIONS)
reports.start("replies")
control = Link(sockets[0], operations=WORKER_OPERATIONS, answers=dict.fromkeys(WORKER_OPERATIONS, refuse))
reports.submit("report", Reports((Report(0, None, Ready(os.getpid(), "3.99.0", sys.executable)),)))
control.serve()
"""


def test_a_worker_that_refuses_everything_is_not_waited_for(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(REFUSES.format(python=sys.executable, path=sys.path))
    python.chmod(0o700)
    with started(python=str(python)) as session:
        until_state(session, "dead")
        with pytest.raises(WorkerStartFailed, match="refused 'restore': not today"):
            session.execute("1")


def test_cells_and_listings_have_bounds(shared: Session) -> None:
    with pytest.raises(UsageError, match="put the data into a file"):
        shared.execute("#" + "漢" * (1 << 20))
    running = block(shared)
    cells = [shared.execute(f"{number}#" + "x" * (1 << 20)) for number in range(12)]
    queue = shared.queue()
    assert [cell.cell for cell in queue.cells] == cells
    assert [cell.code[:3] for cell in queue.cells[:2]] == ["0#x", "1#x"]
    for cell in cells:
        shared.cancel(cell)
    go_on(shared)
    shared.wait(running)
    assert len(shared.history()) > 0


def test_many_names_of_status(shared: Session) -> None:
    status = shared.status()
    assert status.name == shared.name == "shared"
    assert status.state == shared.state == "idle"
    assert status.executable and status.python.startswith("3.")
    assert status.last_event >= status.next_cell
    assert os.path.isdir(f"/proc/{shared.pid}")


def test_the_events_of_a_death_carry_the_cell(session: Session) -> None:
    cell = session.execute("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    session.wait(cell)
    events = until(session, lambda event: event.kind == "finished")
    bodies = [event.body for event in events if event.cell == cell]
    assert [type(body) for body in bodies if isinstance(body, (Died, Restored))] == [Died, Restored]
    assert not any(isinstance(body, (Error, Notice)) for body in bodies)
    assert signal.SIGKILL.name in next(body for body in bodies if isinstance(body, Died)).exit.reason
