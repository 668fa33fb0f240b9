"""A spare worker comes up when nothing happens, takes over when the worker dies, and is nobody's burden.

Runs in: tests.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyshell import Session
from pyshell.blackbox import LOADING
from pyshell.host.loop import Loop
from pyshell.host.processes import process
from pyshell.host.processes.birth import Place
from pyshell.host.processes.process import Listener, WorkerProcess
from pyshell.host.workers import spare
from pyshell.host.workers.spare import Spare, Standby
from pyshell.protocol import Ready, Report, RestoreNamespace, RunCell
from tests.sessions import SECONDS, becomes_true, host_of, kill, started, until, wait_gone

# --- in a session


def spare_of(session: Session) -> int:
    """The process that waits beside the worker; comes when the session has rested."""
    host, found = host_of(session), list[int]()

    def is_there() -> bool:
        found[:] = [pid for pid in workers_of(host) if pid != session.pid]
        return bool(found)

    assert becomes_true(is_there)
    return found[0]


def workers_of(host: int) -> list[int]:
    every = {int(pid) for task in Path(f"/proc/{host}/task").iterdir() for pid in content(task / "children").split()}
    return [pid for pid in every if b"bootstrap.py" in content(Path(f"/proc/{pid}/cmdline"))]


def content(file: Path) -> bytes:
    """Empty for what has ended since it was listed: threads and processes come and go beside the test."""
    try:
        return file.read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def wait_up(pid: int) -> None:
    """Until it has come up: it sleeps, and has the threads of a worker."""
    assert becomes_true(lambda: len(os.listdir(f"/proc/{pid}/task")) >= 5)


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    startup = tmp_path / "startup.py"
    startup.write_text(f"with open({str(tmp_path / 'ran')!r}, 'a') as file: file.write('started')\ndel file")
    monkeypatch.setenv("PYTHONSTARTUP", str(startup))
    with started() as session:
        yield session


def test_the_spare_takes_over_and_has_done_nothing_before(session: Session, tmp_path: Path) -> None:
    session.run("import numpy\nx = [1, 2]")
    waiting = spare_of(session)
    wait_up(waiting)
    assert Path(f"/proc/{waiting}/oom_score_adj").read_text() == "1000\n"
    assert os.sched_getscheduler(waiting) == os.SCHED_BATCH
    before = session.status().last_event
    reply = session.run("import os; os.abort()")
    assert (session.pid, session.epoch, reply.status) == (waiting, 2, "died")
    assert reply.restored == ("numpy", "x")
    assert reply.died is not None and reply.died.signal == "SIGABRT"
    assert reply.died.stack.startswith("Fatal Python error: Aborted")
    assert "".join([getattr(event.body, "text", "") for event in until_restored(session, before)]) == ""
    assert (tmp_path / "ran").read_text() == "started"
    assert session.run("import os; x, numpy.__name__, os.get_terminal_size().columns").result == "([1, 2], 'numpy', 80)"
    assert Path(f"/proc/{waiting}/oom_score_adj").read_text() == Path("/proc/self/oom_score_adj").read_text()
    assert {os.sched_getscheduler(int(task)) for task in os.listdir(f"/proc/{waiting}/task")} == {os.SCHED_OTHER}


def until_restored(session: Session, after: int) -> list[object]:
    return until(session, lambda event: event.kind == "restored", after)


def test_another_spare_follows_and_a_restart_takes_none(session: Session) -> None:
    first = spare_of(session)
    session.run("import os; os._exit(1)")
    assert session.pid == first
    second = spare_of(session)
    gone = os.pidfd_open(second)
    session.restart()
    assert session.run("1").status == "ok"
    wait_gone(gone)
    assert session.pid not in (first, second)


def test_the_spare_ends_with_its_host(session: Session) -> None:
    waiting, worker = spare_of(session), session.pid
    assert worker is not None
    gone = [os.pidfd_open(pid) for pid in (waiting, worker)]
    kill(host_of(session))
    for fd in gone:
        wait_gone(fd)


def test_the_spare_ends_with_a_session_that_is_asked_to(session: Session) -> None:
    gone = [os.pidfd_open(pid) for pid in (spare_of(session), host_of(session))]
    os.kill(host_of(session), signal.SIGTERM)
    for fd in gone:
        wait_gone(fd)


# --- one spare by itself


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """In an interpreter whose user's site-packages are ours."""
    environment = {**os.environ, "PYTHONUSERBASE": str(tmp_path)}
    python: str = getattr(sys, "_base_executable", sys.executable)
    return Place("s", python, str(tmp_path), tuple(environment.items()), tmp_path / "store", tmp_path / "orphan")


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    directory = tmp_path / "lib" / version / "site-packages"
    directory.mkdir(parents=True)
    return directory


class Heir:
    """Takes a spare, and hears what it says."""

    def __init__(self) -> None:
        self.said: list[object] = []
        self.news = threading.Condition()
        self.ended = threading.Event()
        self.worker: WorkerProcess | None = None

    def listener(self) -> Listener:
        return Listener(self.hear, lambda reports: [self.hear(report) for report in reports.reports], self.ended.set)  # type: ignore[return-value,arg-type]

    def hear(self, what: object) -> None:
        with self.news:
            self.said.append(what)
            self.news.notify_all()
        if not isinstance(what, Report) and self.worker is not None:
            self.worker.terminal.taken()

    def wait(self, text: str) -> None:
        with self.news:
            assert self.news.wait_for(lambda: text in self.text, SECONDS), self.said

    @property
    def text(self) -> str:
        return "".join([said for said in self.said if isinstance(said, str)])


@pytest.fixture
def heir() -> Iterator[Heir]:
    heir = Heir()
    yield heir
    if heir.worker is not None:
        heir.worker.kill()
        assert heir.ended.wait(SECONDS)
        heir.worker.terminal.close()


def ask(heir: Heir, code: str, shown: str) -> None:
    assert heir.worker is not None and becomes_true(lambda: heir.worker and heir.worker.control)
    control = heir.worker.control
    assert control is not None
    control.call("restore", RestoreNamespace(None, (), ()))
    control.call("execute", RunCell(1, code))
    heir.wait(shown)


def prepared(waiting: Spare) -> bool:
    return becomes_true(lambda: waiting._stamp is not None)


def test_what_is_installed_is_imported_ahead_and_nothing_else(place: Place, packages: Path, heir: Heir) -> None:
    (packages / "quiet.py").write_text("x = 1")
    (packages / "loud.py").write_text("import quiet\nprint('a' * 200_000, 'loud', flush=True)")
    (packages / "broken.py").write_text("raise SystemExit(3)")
    (packages / "mpi4py.py").write_text("open('joined', 'w')")
    (Path(place.cwd) / "mine.py").write_text("raise OSError")
    waiting = Spare(place)
    waiting.prepare(("broken", "mine", "absent.part", "json", "mpi4py", "quiet"))
    waiting.prepare(("quiet", "loud"))
    assert prepared(waiting)
    heir.worker = waiting.give(heir.listener())
    ask(heir, "import sys; print([m for m in ('quiet', 'loud', 'mine', 'broken') if m in sys.modules])", "']\n")
    assert heir.text.endswith("loud\n['quiet', 'loud']\n")
    assert not (Path(place.cwd) / "joined").exists()
    assert [type(said.body) for said in heir.said if isinstance(said, Report)][0] is Ready


def test_a_spare_is_out_of_date_when_something_was_installed(place: Place, packages: Path) -> None:
    (packages / "__pycache__").mkdir()  # made by the import, it would look like an installation
    (packages / "quiet.py").write_text("x = 1")
    waiting = Spare(place)
    waiting.prepare(("quiet",))
    assert prepared(waiting) and waiting.is_current
    (packages / "quiet-2.dist-info").mkdir()
    assert not waiting.is_current
    (packages / "quiet-2.dist-info").rmdir()
    drop(waiting)


def drop(waiting: Spare) -> None:
    gone = os.pidfd_open(waiting.worker.pid)
    waiting.drop()
    assert select.select([gone], [], [], SECONDS)[0]
    os.close(gone)
    assert becomes_true(lambda: waiting.worker.terminal.master < 0), "its threads have not cleaned up"


def test_a_spare_that_is_killed_for_memory_is_not_taken_for_the_worker(
    place: Place, monkeypatch: pytest.MonkeyPatch, heir: Heir
) -> None:
    kills = [3]
    monkeypatch.setattr(process, "oom_kills", lambda: kills[0])
    first, second = Spare(place), Spare(place)
    kills[0] = 4  # the worker before it
    heir.worker = first.give(heir.listener())
    kills[0] = 5
    kill_spare(second)
    assert second.was_killed
    heir.worker.discount_oom_kill()
    heir.worker.kill()
    assert heir.ended.wait(SECONDS)
    assert not heir.worker.exit_info(None).out_of_memory
    kills[0] = 6
    assert heir.worker.exit_info(None).out_of_memory
    drop_dead(second)


def kill_spare(waiting: Spare) -> None:
    os.kill(waiting.worker.pid, signal.SIGKILL)
    assert becomes_true(lambda: not waiting.is_fit)


def drop_dead(waiting: Spare) -> None:
    waiting.drop()
    assert becomes_true(lambda: waiting.worker.terminal.master < 0)


# --- when there is one


class Rest:
    """A loop that a standby lives on, and what it is told."""

    def __init__(self, place: Place) -> None:
        self.loop = Loop()
        self.modules: tuple[str, ...] = ()
        self.idle = True
        self.standby = Standby(place, self.loop, lambda done: done(self.modules))
        self.thread = threading.Thread(target=self.loop.run, args=(lambda: None,))
        self.thread.start()

    @property
    def waiting(self) -> Spare | None:
        return self.standby._spare

    def rest(self) -> None:
        self.loop.ask(lambda: self.standby.rest(lambda: self.idle))

    def settle(self) -> None:
        """Rest, and let all that follows happen."""
        self.rest()
        done = threading.Event()
        # Posted, as what a timer begins is: of timers that are due together none would wait for that.
        self.loop.ask(lambda: self.loop.later(3 * spare.IDLE_SECONDS, lambda: self.loop.post(done.set)))
        assert done.wait(SECONDS)

    def end(self) -> None:
        last = self.waiting
        self.loop.ask(self.standby.drop)
        if last is not None:
            assert becomes_true(lambda: last.worker.terminal.master < 0)
        self.loop.post(self.loop.stop)
        self.thread.join(SECONDS)


@pytest.fixture
def rest(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rest]:
    monkeypatch.setattr(spare, "IDLE_SECONDS", 0.02)
    made = Rest(place)
    yield made
    made.end()


def test_a_spare_comes_when_the_session_rests_and_stays(rest: Rest) -> None:
    rest.idle = False
    rest.settle()
    assert rest.waiting is None
    rest.idle = True
    rest.settle()
    first = rest.waiting
    assert first is not None and first.is_fit
    rest.modules = ("json",)
    rest.settle()
    assert rest.waiting is first and prepared(first)


def test_without_memory_there_is_none(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    rest.settle()
    waiting = rest.waiting
    assert waiting is not None
    gone = os.pidfd_open(waiting.worker.pid)
    monkeypatch.setattr(spare, "free_memory", lambda: spare.MEMORY_RESERVE - 1)
    rest.settle()
    assert rest.waiting is None
    wait_gone(gone)
    rest.settle()
    assert rest.waiting is None


def test_one_that_nobody_needed_for_an_hour_ends(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spare, "KEEP_SECONDS", 0.2)
    born: list[int] = []
    bear = rest.standby._bear

    def watched() -> Spare | None:
        made = bear()
        assert made is not None
        born.append(os.pidfd_open(made.worker.pid))  # here: by the time the test looks, its hour may be over
        return made

    monkeypatch.setattr(rest.standby, "_bear", watched)
    rest.rest()
    assert becomes_true(lambda: born and rest.waiting is None)
    wait_gone(born[0])


def test_those_that_die_are_not_followed_for_ever(rest: Rest) -> None:
    rest.modules = ("json",)
    for _ in range(spare.MAX_DEATHS):
        rest.settle()
        waiting = rest.waiting
        assert waiting is not None
        kill_spare(waiting)
        assert rest.loop.ask(rest.standby.was_killed)
    assert waiting._modules == (), "what killed one is not imported again"
    rest.settle()
    assert rest.waiting is None


def test_one_that_is_dead_is_not_taken(rest: Rest, heir: Heir) -> None:
    rest.settle()
    waiting = rest.waiting
    assert waiting is not None
    kill_spare(waiting)
    assert rest.loop.ask(lambda: rest.standby.take(heir.listener())) is None
    assert becomes_true(lambda: waiting.worker.terminal.master < 0)


def test_one_that_hangs_in_an_import_is_not_taken(
    rest: Rest, packages: Path, monkeypatch: pytest.MonkeyPatch, heir: Heir
) -> None:
    (packages / "hang.py").write_text("import threading; threading.Event().wait()")
    rest.modules = ("hang",)
    rest.settle()
    waiting = rest.waiting
    assert waiting is not None
    assert becomes_true(lambda: waiting.worker.box.crumb(LOADING) == "import:hang")
    assert waiting.is_fit
    monkeypatch.setattr(spare, "PREPARE_SECONDS", 0.0)
    assert rest.loop.ask(lambda: rest.standby.take(heir.listener())) is None
    assert becomes_true(lambda: waiting.worker.terminal.master < 0)


def test_an_interpreter_that_cannot_be_started_is_no_matter(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spare, "IDLE_SECONDS", 0.02)
    rest = Rest(Place("s", "/no/such/python", place.cwd, (), place.store, place.orphan))
    try:
        rest.settle()
        assert rest.waiting is None
    finally:
        rest.end()
