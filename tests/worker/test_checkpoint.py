"""Saving and restoring when things go wrong: crashes, hangs, full disks, threads, damage, another Python.

Runs in: tests.
"""

from __future__ import annotations

import json
import os
import select
import signal
from pathlib import Path
from typing import Any

import pytest

from pyshell.errors import StoreError
from pyshell.worker.forking import NICENESS, ChildRules
from tests.worker.conftest import Died

CRASH = """
import ctypes, os
class Crash:
    def __reduce__(self):
        ctypes.string_at(0)
"""
HANG = """
import threading
class Hang:
    def __init__(self, fifo):
        self.fifo = fifo
    def __reduce__(self):
        open(self.fifo, "w").close()
        threading.Event().wait()
"""
SPY = """
import gc, json, os, signal, sys
class Spy:
    def __reduce__(self):
        print("printed"); os.write(1, b"written"); print("error", file=sys.stderr)
        with open(path, "w") as file:
            json.dump({
                "pid": os.getpid(), "session": os.getsid(0), "gc": gc.isenabled(), "nice": os.nice(0),
                "signals": [signal.getsignal(number).name for number in watched],
                "oom": open("/proc/self/oom_score_adj").read().strip(), "alarm": signal.alarm(100),
                "fds": [os.readlink(f"/proc/self/fd/{fd}") for fd in (0, 1, 2, connection.fileno())],
                "modules": "dill" in sys.modules,
            }, file)
        return list, ()
"""
MINES = """
import os, signal
class Mine:
    def __reduce__(self):
        return explode, (self.how,)
def explode(how):
    if not os.path.exists(flag):
        return Mine()
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    raise {"exit": SystemExit(3), "interrupt": KeyboardInterrupt(), "error": OSError("boom")}[how]
"""


def test_a_namespace_comes_back(session: Any) -> None:
    session.run("import os\nx = 1\ndef f(n): return 1 if n == 0 else n * f(n - 1)")
    session.run("class C:\n  k = 3\n  def m(self): return f(self.k)\nc = C()\nl = [c]")
    session.run("h = lambda: x")
    assert session.save() == {}
    session.restart()
    assert session.names == ["os", "x", "f", "C", "c", "l", "h"]
    assert session.ask("c.m(), l[0] is c, h(), os.sep") == "(6, True, 1, '/')"
    assert session.ask("f.__globals__ is globals(), C.m.__globals__ is globals()") == "(True, True)"


def test_what_cannot_be_saved_costs_itself_only(session: Any) -> None:
    session.run("x = 1")
    session.run("g = (i for i in [1])\ny = [g]")
    missing = session.save()
    assert missing.keys() == {"g", "y[0]"}
    assert all("generator" in reason for reason in missing.values())
    session.restart()
    assert session.names == ["x", "y"]
    assert session.missing["g"][2] == 2


def test_the_lent_modules_are_not_to_be_seen(session: Any) -> None:
    session.run("import sys, weakref\nclass C: pass\nc = C()\nw = weakref.WeakKeyDictionary()")
    session.save()
    session.restart()
    assert session.ask("[n for n in sys.modules if n in ('dill', 'dill._dill', '__pyshell__')]") == "[]"


def test_a_value_that_crashes_the_child_is_named_and_left_out(session: Any) -> None:
    session.run(CRASH + "a = 1; crash = Crash(); b = 2")
    assert session.propose()[1] == "the process that saves was killed by signal 11"
    assert session.crumb == "crash"
    missing = session.save(set_aside=("crash",))
    assert missing == {"crash": "saving it crashed or hung the process that saves"}
    session.restart()
    assert session.ask("a, b, Crash.__name__") == "(1, 2, 'Crash')"


def test_a_value_that_ends_the_child_leaves_no_proposal(session: Any) -> None:
    session.run("import os\nclass Leave:\n  def __reduce__(self): os._exit(0)\nleave = Leave()")
    assert session.propose()[1] == "the process that saves left with code 0"
    assert (session.crumb, session.store.waiting()) == ("leave", [])


def begin_to_hang(session: Any, directory: Path) -> tuple[int, str]:
    """The pid of a child that hangs in the value `hang`, and the name of the proposal that it does not make."""
    os.mkfifo(directory / "fifo")
    session.run(f"{HANG}\nhang = Hang({str(directory / 'fifo')!r})")
    pid, name = session.begin()
    (directory / "fifo").read_text()
    return pid, name


def test_a_hanging_child_can_be_killed_and_outlives_the_worker_unseen(session: Any, xdg: Path) -> None:
    pid, name = begin_to_hang(session, xdg)
    child = os.pidfd_open(pid)
    # Everything that the worker held open ends with it, though its child hangs: end() waits for that.
    assert session.end() == ""
    assert session.crumb == "hang"
    assert session.store.parts() == [name]
    signal.pidfd_send_signal(child, signal.SIGKILL)
    os.close(child)
    session.start()


def test_a_child_killed_by_the_host_is_said_to_be_killed(session: Any, xdg: Path) -> None:
    pid, _ = begin_to_hang(session, xdg)
    os.kill(pid, signal.SIGKILL)
    assert session.call("finish") == "the process that saves was killed by signal 9"
    assert session.save(set_aside=("hang",)).keys() == {"hang"}


def test_the_child_finishes_without_the_worker(session: Any) -> None:
    session.run("x = list(range(300_000))")
    pid, name = session.begin()
    child = os.pidfd_open(pid)
    session.end()
    wait_for_exit(child)
    session.store.commit(name)
    session.restart()
    assert session.ask("len(x)") == "300000"


def wait_for_exit(pidfd: int) -> None:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    assert poll.poll(30_000)
    os.close(pidfd)


def test_the_child_is_quiet_and_out_of_the_way(session: Any, xdg: Path) -> None:
    path = xdg / "spied"
    session.run(f"import socket, signal\nconnection = socket.socket(); path = {str(path)!r}\n{SPY}\nspy = Spy()")
    session.run("watched = [signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1]")
    session.run("for number in watched: signal.signal(number, lambda *a: None)")
    session.save()
    seen = json.loads(path.read_text())
    assert seen["session"] == seen["pid"]
    niceness = min(19, os.nice(0) + NICENESS)
    assert (seen["gc"], seen["nice"], seen["oom"], seen["modules"]) == (False, niceness, "1000", False)
    assert seen["signals"] == ["SIG_IGN", "SIG_IGN", "SIG_DFL", "SIG_DFL"]
    assert 0 < seen["alarm"] <= ChildRules().seconds
    assert seen["fds"] == ["/dev/null"] * 4
    assert session.end() == ""


def test_other_code_may_take_the_childs_status(session: Any) -> None:
    session.run("import os, threading\nx = 1")
    pid, name = session.begin()
    session.run(f"os.waitpid({pid}, 0)")
    assert session.call("finish") == ""
    session.store.commit(name)


def test_one_child_at_a_time(session: Any, xdg: Path) -> None:
    pid, _ = begin_to_hang(session, xdg)
    assert session.begin() == (0, "WorkerBusy: a checkpoint is being saved already; wait until it is done")
    os.kill(pid, signal.SIGKILL)
    session.call("finish")


def test_a_store_that_is_gone_is_a_reason(session: Any) -> None:
    session.run("x = 1")
    packs = session.store.path / "packs"
    packs.rename(packs.with_name("elsewhere"))
    assert session.propose()[1].startswith("saving failed: StoreError: cannot ")
    packs.with_name("elsewhere").rename(packs)
    assert session.save() == {}


def test_threads_may_change_the_namespace_meanwhile(session: Any) -> None:
    session.run(
        "import threading\nstop = threading.Event()\ndef churn():\n  n = 0\n  while not stop.is_set():\n"
        "    n += 1; globals()[f't{n % 50}'] = [n]; globals().pop(f't{n * 7 % 50}', None)\n"
        "threads = [threading.Thread(target=churn) for _ in range(3)]; [t.start() for t in threads]\nx = [1]"
    )
    for _ in range(20):
        assert session.save().keys() == {"threads[0]", "threads[1]", "threads[2]"}
    session.run("stop.set(); [t.join() for t in threads]")
    session.save()
    session.restart()
    assert session.ask("x, stop.is_set()") == "([1], True)"


def test_busy_numerical_threads_do_not_hang_parent_or_child(session: Any) -> None:
    session.run(
        "import numpy as np, threading\na = np.random.rand(300, 300); go = [1]\ndef work():\n  while go: a @ a\n"
        "threads = [threading.Thread(target=work) for _ in range(2)]; [t.start() for t in threads]"
    )
    for _ in range(30):
        assert session.save().keys() == {"threads[0]", "threads[1]"}
    session.run("go.clear(); [t.join() for t in threads]")


def test_code_with_processes_of_its_own_goes_on(session: Any) -> None:
    session.run("import multiprocessing\ndef f(n): return n + 1")
    session.run("context = multiprocessing.get_context('fork'); pool = context.Pool(2); queue = context.Queue()")
    session.run("a = pool.map(f, [1, 2])")
    missing = session.save()
    assert missing.keys() == {"pool", "queue"}
    session.run("b = pool.map(f, a); queue.put(1); c = queue.get(); queue.close(); pool.close(); pool.join()")
    assert session.ask("b, c") == "([3, 4], 1)"


def test_a_trial_finds_what_would_fail_to_load(session: Any) -> None:
    session.run("class C:\n  def __setstate__(self, s): raise SystemExit('no')\nc = C(); c.x = 1; d = 2")
    assert session.save() == {"c": "it could be saved, but not loaded: SystemExit: no"}


@pytest.mark.parametrize("how", ["exit", "error"])
def test_a_group_that_fails_to_load_costs_itself_only(session: Any, xdg: Path, how: str) -> None:
    lay_mine(session, xdg, how)
    session.restart()
    assert session.names == ["flag", "before", "os", "signal", "Mine", "explode", "after"]
    assert session.missing["mine"][2] == 2
    assert session.missing["mine"][1] in ("SystemExit: 3", "OSError: boom")


def test_an_interrupt_ends_a_restore(session: Any, xdg: Path) -> None:
    lay_mine(session, xdg, "interrupt")
    session.restart()
    assert session.missing["mine"][1] == "restoring was interrupted"
    assert session.missing["after"][1] == "restoring was interrupted"
    assert "before" in session.names


def test_a_group_that_kills_the_worker_can_be_set_aside(session: Any, xdg: Path) -> None:
    lay_mine(session, xdg, "kill")
    with pytest.raises(Died):
        session.restart()
    culprit = session.crumb
    assert session.store.group(culprit).names == ("mine",)
    session.restart(set_aside=(culprit,))
    assert session.missing["mine"][1] == "bringing it back crashed or hung a worker before"
    assert session.ask("before, after") == "(1, [2])"
    assert session.crumb == ""


def lay_mine(session: Any, xdg: Path, how: str) -> None:
    """A name `mine` that loads in the saving child, and from then on does `how` when it is loaded."""
    session.run(f"flag = {str(xdg / 'flag')!r}; before = 1")
    session.run(f"{MINES}\nmine = Mine(); mine.how = {how!r}; after = [2]")
    assert session.save() == {}
    (xdg / "flag").touch()


def test_a_damaged_chunk_costs_its_group(session: Any) -> None:
    session.run("a = list(range(1000)); b = 'other'")
    session.save()
    group = next(g for g in session.store.groups(session.store.head).values() if g.names == ("a",))
    pack, offset, stored, *_ = session.store.index.place(group.stream[0])
    path = session.store.path / "packs" / f"{pack}.pack"
    sound = path.read_bytes()
    place = offset + stored // 2
    path.write_bytes(sound[:place] + bytes([sound[place] ^ 1]) + sound[place + 1 :])
    session.restart()
    assert session.names == ["b"]
    assert "damaged" in session.missing["a"][1]
    path.write_bytes(sound)


VERSIONS = ("3.10", "3.11", "3.12", "3.13")


@pytest.mark.parametrize("old", VERSIONS)
@pytest.mark.parametrize("new", VERSIONS)
def test_code_of_another_python_is_not_loaded(sessions: Any, pythons: dict[str, str], old: str, new: str) -> None:
    if not {old, new} <= pythons.keys():
        pytest.skip(f"needs Python {old} and {new}")
    session = sessions(pythons[old])
    session.run("def f(): return 1\nu = f; x = [1]; y = x; g = [f]\nimport os\nclass Plain: k = 1\np = Plain()")
    session.run("h = lambda: 1")
    session.run(
        "class A:\n  def m(self): return 'm'\nclass B(A):\n  def m(self): return super().m() * 2\nb = B(); b.n = [b]\n"
        "def twice(f): return lambda: f() * 2\n@twice\ndef t(): return 21"
    )
    session.run("from datetime import date\nd = {date(2026, 11, 21): (1.5, 'text', b'bytes', {3})}; r = range(9)")
    session.save()
    session.python = pythons[new]
    session.restart()
    assert session.ask("x is y, x, d, r, p.k, os.sep") == (
        "(True, [1], {datetime.date(2026, 11, 21): (1.5, 'text', b'bytes', {3})}, range(0, 9), 1, '/')"
    )
    if old == new:
        assert session.ask("f(), g[0] is f, u is f, h(), b.m(), t()") == "(1, True, True, 1, 'mm', 42)"
        return
    assert session.ask("f(), g[0] is f, u is f, b.m(), b.n[0] is b, t()") == "(1, True, True, 'mm', True, 42)"
    assert session.missing["h"][1] == f"saved by Python {old}; this is {new}; run In[2] again"
    # What the new one saves comes back in the old one, too.
    session.run("x.append(2)\ndef f(): return 2")
    session.save()
    session.python = pythons[old]
    session.restart()
    assert session.ask("x, y is x, p.k") == "([1, 2], True, 1)"
    assert session.ask("f()") == "2"


def test_without_memory_what_is_small_is_saved_and_the_rest_in_slices(session: Any) -> None:
    session.run("x = 1; large = list(range(300_000))")
    session.save()
    session.call("starve")
    session.run("x = 2")
    assert session.save() == {}
    session.run("large.append(x)")
    pid, why = session.begin()
    assert (pid, why) == (0, "NoFork: 5 MB of memory are free; free some and save again")
    session.begin_slices()
    session.commit_slices()
    session.restart()
    assert session.ask("x, len(large)") == "(2, 300001)"


def test_the_environment_is_recorded(session: Any) -> None:
    session.run("import numpy")
    session.save()
    environment = session.store.environment(session.store.head)
    assert environment.executable == session.python
    assert dict(environment.packages)["numpy"][0].isdigit()
    assert "pyshell" not in dict(environment.packages)


def test_a_proposal_on_another_head_is_refused_not_misread(session: Any) -> None:
    session.run("x = 1")
    session.save()
    session.call("committed", 0)
    session.run("y = 2")
    session.save()
    session.call("committed", 1)
    name, reason = session.propose()
    assert reason == ""
    with pytest.raises(StoreError):
        session.store.commit(name)
    session.store.discard(name)
