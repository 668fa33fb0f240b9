"""Sessions whose worker cannot fork: what is not small is saved by the worker itself, while no cell runs.

Runs in: tests, against real hosts and workers; the kernel refuses the forks.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyshell import Session
from pyshell.protocol import Saved
from tests.kills import store_of
from tests.refusing import write_startup
from tests.sessions import SECONDS, becomes_true, host_of, kill, started, until

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="the filter knows x86-64 only"
)

LARGE = "large = [str(n) for n in range(100_000)]"
PATIENCE = 2 * SECONDS


@pytest.fixture
def session(xdg: Path, tmp_path: Path) -> Iterator[Session]:
    """Every worker of it refuses to fork."""
    with started(env={**os.environ, "PYTHONSTARTUP": write_startup(tmp_path)}, cwd=str(tmp_path)) as session:
        run(session, "import refusing")
        yield session
    with store_of("s") as store:
        assert store.check() == []


def run(session: Session, code: str) -> str | None:
    """A cell that must go well; what it shows."""
    reply = session.run(code, PATIENCE)
    assert reply.status == "ok", reply
    return reply.result


def saved(session: Session, cell: int) -> Saved:
    """Wait until the state after that cell survives."""
    found = until(session, lambda event: isinstance(event.body, Saved) and (event.cell or 0) >= cell)[-1].body
    assert isinstance(found, Saved)
    return found


def run_saved(session: Session, code: str) -> Saved:
    run(session, code)
    return saved(session, session.status().next_cell - 1)


def die(session: Session) -> None:
    epoch = session.epoch
    kill(session.pid or 0)
    until(session, lambda event: event.kind == "restored" and event.epoch == epoch + 1)


def is_told(session: Session, text: str) -> bool:
    last = session.status().last_event
    return any(text in str(event.body) for event in until(session, lambda event: event.seq >= last))


def test_what_is_large_is_saved_and_it_is_told_how(session: Session) -> None:
    run_saved(session, f"x = 1; {LARGE}")
    run_saved(session, "x = 2")
    assert run_saved(session, "x = 3; large.append(x)").unsaved == ()
    assert is_told(session, "fork: Resource temporarily unavailable. What is not small is saved in the session's own")
    die(session)
    assert run(session, "x, len(large)") == "(3, 100001)"
    run_saved(session, "large.append('again')")


ENDED = "import os, signal; os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), signal.SIGKILL))"


def test_where_two_processes_were_ended_it_is_saved_in_slices(xdg: Path) -> None:
    with started() as session:
        run_saved(session, "x = 1")
        run(session, ENDED)
        assert run_saved(session, f"x = 2; {LARGE}; run = lambda: large").unsaved == ()
        assert is_told(session, "was killed by signal 9. What is not small is saved in the session's own process")
        assert run_saved(session, "large.append(x)").unsaved == ()
        die(session)
        assert run(session, "x, len(large), run() is large") == "(2, 100001, True)"
        run_saved(session, "large.append('by a process')")
    with store_of("s") as store:
        assert store.check() == []


def test_cells_go_first_and_are_in_the_checkpoint(session: Session) -> None:
    run(session, "import numpy as np; big = np.arange(20_000_000.0); state = []")
    for number in range(20):
        run(session, f"state.append({number}); big[{number}] = -1")
    saved(session, session.status().next_cell - 1)
    die(session)
    assert run(session, "state == list(range(20)), int(big[:21].sum()), len(big)") == "(True, 0, 20000000)"


def test_killed_in_the_middle_the_state_before_comes_back(session: Session) -> None:
    run_saved(session, f"{LARGE}; n = 0")
    for number in range(1, 5):
        run(session, f"n = {number}; large.append(str(n)); other = [list(map(str, range(n * 30_000)))]")
        die(session)
        found = run(session, "n, len(large), 'other' in vars() and len(other[0])")
        allowed = [(n, 100_000 + n, n * 30_000 if n else False) for n in (number - 1, number)]
        assert found is not None and eval(found) in allowed
        run_saved(session, f"n = {number}; large[100_000:] = ['more'] * n; other = [list(map(str, range(n * 30_000)))]")


def test_undo_and_restore_lead_to_the_same(session: Session) -> None:
    first = run_saved(session, f"{LARGE}; x = [1]").checkpoint
    run_saved(session, "large.append('two'); x.append(2)")
    run_saved(session, "large.append('three'); x.append(3)")
    session.undo(PATIENCE)
    assert run(session, "len(large), x") == "(100001, [1, 2])"
    session.restore(first, PATIENCE)
    assert run(session, "len(large), x") == "(100000, [1])"
    run_saved(session, "large.append('other way')")
    die(session)
    assert run(session, "large[-1], x") == "('other way', [1])"


HANGS = """
import threading, signal, sys
class Sleeper:
    def __reduce__(self): threading.Event().wait()
class Spinner:
    def __reduce__(self):
        while True:
            try:
                while True: pass
            except Exception: pass
heard = []
def hear(*_): heard.append(1)
signal.signal(signal.SIGINT, hear);
"""


@pytest.mark.parametrize("kind", ["Sleeper", "Spinner"])
def test_a_value_that_hangs_is_set_aside_and_no_handler_hears_of_it(session: Session, kind: str) -> None:
    run(session, HANGS)
    found = run_saved(session, f"bad = {kind}(); good = list(map(str, range(100_000)))")
    assert [lost.name for lost in found.unsaved] == ["bad"]
    assert "did not get on" in found.unsaved[0].reason
    assert run(session, "heard") == "[]"
    assert [lost.name for lost in run_saved(session, "good.append(1)").unsaved] == ["bad"]
    assert run_saved(session, "bad = 1").unsaved == ()
    die(session)
    assert run(session, "bad, len(good)") == "(1, 100001)"


CRASH = "import ctypes\nclass Crash:\n  def __reduce__(self): ctypes.string_at(0)"


def test_a_value_that_kills_the_worker_is_not_tried_by_the_next(session: Session) -> None:
    run_saved(session, f"{CRASH}\n{LARGE}")
    epoch = session.epoch
    run(session, "bad = Crash(); large.append(1)")
    until(session, lambda event: event.kind == "restored" and event.epoch == epoch + 1)
    assert run(session, "'bad' in vars(), len(large)") == "(False, 100000)"
    found = run_saved(session, "bad = Crash(); large.append(1)")
    assert [(lost.name, lost.reason[:14]) for lost in found.unsaved] == [("bad", "a worker ended")]
    assert session.epoch == epoch + 1
    assert run_saved(session, "bad = 1").unsaved == ()


def test_beside_threads_it_is_saved_and_not_called_verified(session: Session) -> None:
    run(session, "import threading; stop = threading.Event(); shared = {}")
    run(session, "def churn():\n  n = 0\n  while not stop.is_set(): n += 1; shared[n % 999] = n; shared.pop(n % 7, 0)")
    run(session, "thread = threading.Thread(target=churn); thread.start()")
    found = run_saved(session, f"{LARGE}; kept = [large]")
    assert {lost.name for lost in found.unsaved} == {"thread"}
    assert session.status().verified_cell is None
    last = run_saved(session, "stop.set(); thread.join(); del thread; size = len(shared)")
    assert last.unsaved == ()
    die(session)
    assert run(session, "len(shared) == size, kept[0] is large") == "(True, True)"


def test_idle_it_is_audited(session: Session) -> None:
    run_saved(session, LARGE)
    run_saved(session, "import logging; heard = []")
    run_saved(session, "class Keep(logging.Handler):\n  def emit(self, record): heard.append(record.getMessage())")
    run_saved(session, "logging.getLogger('a').addHandler(Keep()); del Keep")
    run_saved(session, "logging.getLogger('a').error('seen'); x = 1")
    cell = session.status().next_cell - 1
    assert becomes_true(lambda: session.status().verified_cell == cell)
    die(session)
    assert run(session, "heard") == "['seen']"


def test_a_worker_whose_host_is_killed_saves_all_of_it_before_it_ends(session: Session) -> None:
    run_saved(session, f"{LARGE}; x = 0")
    cell = session.execute("x = 1; large += list(map(str, range(300_000)))")
    until(session, lambda event: event.kind == "finished" and event.cell == cell)
    kill(host_of(session))
    session.close()
    with started(env=dict(os.environ)) as again:
        assert again.run("x, len(large)", PATIENCE).result == "(1, 400000)"

