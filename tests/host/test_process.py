"""A worker process by itself: it speaks, it is signalled, it ends, and it is said why.

Runs in: tests.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pyshell.errors import ConnectionLost
from pyshell.host.processes import process
from pyshell.host.processes.birth import Place, bear, lend_places
from pyshell.host.processes.process import Listener, WorkerProcess, oom_kills
from pyshell.protocol import Finished, Message, Ready, Report, Reports, Restored, RestoreNamespace, Result, RunCell
from tests.sessions import SECONDS, becomes_true, kill


class Host:
    """Stands where the supervisor stands: keeps what comes, and waits for it."""

    def __init__(self, directory: Path) -> None:
        self.place = Place(
            session="s", python=sys.executable, cwd=str(directory), environment=tuple(os.environ.items()),
            store=directory / "store", orphan=directory / "orphan",
        )  # fmt: skip
        self.said: list[object] = []
        self.has_ended = threading.Event()
        self._news = threading.Condition()
        self.worker: WorkerProcess | None = None

    def start(self) -> WorkerProcess:
        listener = Listener(self._piece, self._reports, self.has_ended.set)
        self.worker = WorkerProcess(listener, bear(self.place))
        return self.worker

    def _piece(self, piece: str | int) -> None:
        self._hear(piece)
        if self.worker is not None:
            self.worker.terminal.taken()

    def _reports(self, reports: Reports) -> None:
        for report in reports.reports:
            self._hear(report)

    def _hear(self, what: object) -> None:
        with self._news:
            self.said.append(what)
            self._news.notify_all()

    def wait(self, is_there: Callable[[], object]) -> None:
        with self._news:
            assert self._news.wait_for(is_there, SECONDS), self.said

    def wait_report(self, kind: type[Message]) -> None:
        self.wait(lambda: self.has_heard(kind))

    def has_heard(self, kind: type[Message]) -> bool:
        return kind in [type(said.body) for said in self.said if isinstance(said, Report)]

    @property
    def text(self) -> str:
        return "".join([said for said in self.said if isinstance(said, str)])

    def end(self) -> WorkerProcess:
        assert self.worker is not None
        assert self.has_ended.wait(SECONDS)
        return self.worker

    def clean_up(self) -> None:
        if self.worker is not None:
            self.worker.kill()
            self.end()
            self.worker.terminal.close()


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    host = Host(tmp_path)
    try:
        yield host
    finally:
        host.clean_up()


def run(host: Host, code: str) -> WorkerProcess:
    """Start a worker and give it a cell."""
    worker = host.start()
    host.wait_report(Ready)
    assert worker.control is not None
    worker.control.call("restore", RestoreNamespace(None, (), ()))
    host.wait_report(Restored)
    with contextlib.suppress(ConnectionLost):  # the cell may end the worker before it has answered
        worker.control.call("execute", RunCell(1, code))
    return worker


def test_a_worker_speaks_in_order_and_answers(host: Host) -> None:
    worker = run(host, "print('out')\n6 * 7")
    host.wait_report(Finished)
    bodies = [said.body for said in host.said if isinstance(said, Report)]
    assert isinstance(bodies[0], Ready) and bodies[0].pid == worker.pid
    assert Result("42", "int") in bodies
    host.wait(lambda: "out\n" in host.text)


@pytest.mark.parametrize(
    ("code", "name", "words"),
    [
        ("os.kill(os.getpid(), 11)", "SIGSEGV", "segmentation fault"),
        ("os.abort()", "SIGABRT", "abort"),
        ("os.kill(os.getpid(), 9)", "SIGKILL", "somebody killed it"),
        ("os.kill(os.getpid(), 40)", "signal 40", "died of"),
        ("os._exit(3)", None, "exit code 3"),
    ],
)
def test_an_end_is_explained(host: Host, code: str, name: str | None, words: str) -> None:
    run(host, f"import os\nprint('last', end='')\n{code}")
    worker = host.end()
    info = worker.exit_info(1)
    assert (info.signal, info.cell, info.out_of_memory) == (name, 1, False)
    assert info.code == (3 if name is None else None)
    assert words in info.reason and info.reason.endswith(".")
    assert info.peak_rss > 5 << 20
    assert host.text + worker.unwritten == "last"
    if name in ("SIGSEGV", "SIGABRT"):
        assert 'File "<In[1]>", line 3 in <module>' in info.stack
        assert "executor.py" not in info.stack


def test_who_was_killed_for_memory_is_told_so(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = iter([4, 5])
    monkeypatch.setattr(process, "oom_kills", lambda: next(counts))
    host.start()
    host.wait_report(Ready)
    host.clean_up()
    info = host.end().exit_info(None)
    host.worker = None
    assert info.out_of_memory and "memory ran out" in info.reason


def test_the_count_of_memory_kills_is_read_where_the_kernel_tells_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = tmp_path / "memory.events"
    events.write_text("low 0\noom 7\noom_kill 3\noom_group_kill 1\n")
    assert process._oom_count(events) == 3
    assert process._oom_count(tmp_path / "missing") == 0
    assert oom_kills() >= 0


def test_an_interrupt_and_a_stack(host: Host) -> None:
    code = "import time\nprint('sleeps', flush=True)\ntry:\n    time.sleep(600)\nexcept KeyboardInterrupt:\n    pass"
    worker = run(host, code)
    host.wait(lambda: "sleeps" in host.text)
    stacks: list[str] = []

    def sleeps() -> bool:
        worker.ask_for_stack()  # anew: it may have printed, and not be asleep yet
        stacks.append(worker.read_stack())
        return "line 4 in <module>" in stacks[-1]

    assert becomes_true(sleeps), stacks
    assert "sender.py" not in "".join(stacks)
    # Python hears a signal that comes between the stack's and its going back to sleep only when it wakes.
    assert becomes_true(lambda: worker.interrupt() or host.has_heard(Finished))


def test_an_interpreter_that_is_none_is_an_error_and_leaves_nothing_open(host: Host, tmp_path: Path) -> None:
    before = set(os.listdir("/proc/self/fd"))
    script = tmp_path / "python"
    script.write_text("no program\n")
    script.chmod(0o700)
    for python, cwd in ((str(script), "."), ("/no/such/python", "."), (sys.executable, "/no/such/directory")):
        host.place = Place("s", python, cwd, (), tmp_path / "store", tmp_path / "orphan")
        with pytest.raises(OSError):
            host.start()
    assert set(os.listdir("/proc/self/fd")) <= before  # what other tests have left may go in the meantime


def test_a_program_that_is_no_python_ends_without_a_word(host: Host, tmp_path: Path) -> None:
    host.place = Place("s", "/bin/false", ".", (), tmp_path / "store", tmp_path / "orphan")
    worker = host.start()
    host.end()
    assert worker.exit_info(None).code == 1
    worker.interrupt()  # nobody is hit: the number may be another process's by now
    worker.ask_for_stack()
    worker.kill()


def test_a_death_is_not_hidden_by_what_the_worker_started(host: Host) -> None:
    run(
        host,
        "import os, signal, subprocess\n"
        "loud = subprocess.Popen(['sh', '-c', 'while :; do echo alive; sleep 0.001; done'], start_new_session=True)\n"
        "quiet = os.fork()\n"
        "if quiet == 0:\n    os.setsid()\n    signal.pause()\n"
        "print('pids', loud.pid, quiet, flush=True)\n"
        "os._exit(5)",
    )
    try:
        worker = host.end()
        assert worker.exit_info(1).code == 5
        worker.terminal.close()
        host.worker = None
    finally:
        pids = re.search(r"pids (\d+) (\d+)", host.text)
        assert pids is not None
        kill(*map(int, pids.groups()))


def test_what_is_lent_lies_where_it_is_said() -> None:
    places = lend_places()
    assert sorted(places) == ["dill", "pyshell", "rpyc"]
    for name, place in places.items():
        assert (Path(place) / name / "__init__.py").is_file()


def test_signals_reach_the_group_in_front(host: Host) -> None:
    worker = run(host, "import signal\nprint('waits', flush=True)\nsignal.pause()")
    host.wait(lambda: "waits" in host.text)
    assert worker.terminal.foreground() == worker.pid
    assert os.getsid(worker.pid) == worker.pid
    worker.interrupt()
    host.wait_report(Finished)
    finished = [said.body for said in host.said if isinstance(said, Report) and isinstance(said.body, Finished)]
    assert finished[0].status == "interrupted"
    worker.kill()
    assert host.end().exit_info(None).signal == signal.SIGKILL.name
