"""Sessions are found, started and connected to; what cannot be is said clearly.

Runs in: tests.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import pyshell
from pyshell import Session, starting
from pyshell.errors import PyshellError, SessionExists, SessionNotFound, UsageError, WorkerStartFailed
from pyshell.interpreters import interpreter
from pyshell.protocol import Error
from tests.sessions import SECONDS, started, until, until_state


def test_a_session_is_there_from_its_start_to_its_end(xdg: Path) -> None:
    assert starting.names() == []
    assert not starting.exists("s")
    with pytest.raises(SessionNotFound, match=r'no session "s".*pyshell new -s s'):
        pyshell.connect("s")
    with started() as session:
        assert starting.names() == ["s"]
        with pyshell.connect("s") as other:
            assert other.run("1").cell == 1
        session.kill()
    assert starting.names() == ["s"] and starting.exists("s")
    with pytest.raises(SessionNotFound):
        pyshell.connect("s")


def test_a_saved_session_is_brought_back_by_who_connects(xdg: Path) -> None:
    with pytest.raises(SessionNotFound):
        starting.connect_or_start("s")
    with started() as session:
        session.run("x = 1")
        with starting.connect_or_start("s") as other:
            assert other.pid == session.pid
        session.kill()
    with starting.connect_or_start("s") as again:
        assert again.run("x").result == "1"
        again.kill()


def test_of_many_that_start_it_at_once_one_does(xdg: Path) -> None:
    outcomes: list[Session | PyshellError] = []

    def start() -> None:
        try:
            outcomes.append(pyshell.start("s"))
        except PyshellError as exc:
            outcomes.append(exc)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    (session,) = [outcome for outcome in outcomes if isinstance(outcome, Session)]
    with session:
        assert len([outcome for outcome in outcomes if isinstance(outcome, SessionExists)]) == 3
        assert session.run("1").result == "1"
        session.kill()


@pytest.mark.parametrize("name", ["", ".hidden", "-x", "a/b", "a b", "x" * 65, "..", "é"])
def test_names_that_could_be_mistaken_are_refused(name: str) -> None:
    for function in (pyshell.start, pyshell.connect):
        with pytest.raises(UsageError, match="cannot name a session"):
            function(name)
    assert starting.names() == []


def test_the_longest_name_works(xdg: Path) -> None:
    with started("n" * 64) as session:
        assert session.run("1").result == "1"


@pytest.mark.parametrize("python", ["/no/such/python", "no-such-python", "/etc/passwd", "/tmp"])
def test_an_interpreter_that_is_none_is_said_at_once(python: str) -> None:
    with pytest.raises(WorkerStartFailed, match="give the path of a Python interpreter"):
        pyshell.start("s", python=python)
    assert starting.names() == []


def test_a_directory_that_is_none_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a directory"):
        pyshell.start("s", cwd=tmp_path / "missing")


def test_an_interpreter_is_found_by_path_command_and_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = tmp_path / "venv"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python").symlink_to(sys.executable)
    link = str(environment / "bin" / "python")
    assert interpreter(None) is None
    assert interpreter(str(environment)) == link
    assert interpreter(link) == link  # not what it points to: that would be another environment
    monkeypatch.chdir(tmp_path)
    assert interpreter("venv/bin/python") == link
    monkeypatch.setenv("PATH", str(environment / "bin"))
    assert interpreter("python") == link


def test_the_environment_and_the_directory_are_the_workers(xdg: Path, tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(xdg), "COLOUR": "blue", "COLUMNS": "7"}
    with started(env=environ, cwd=tmp_path) as session:
        reply = session.run("import os\nos.getcwd(), os.environ['COLOUR'], os.environ['TERM'], 'COLUMNS' in os.environ")
        assert reply.result == repr((str(tmp_path), "blue", "xterm-256color", False))


def broken_python(directory: Path, script: str) -> Path:
    python = directory / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o700)
    return python


def test_an_interpreter_that_does_not_come_up_is_told_and_can_be_mended(xdg: Path, tmp_path: Path) -> None:
    os.mkfifo(gate := tmp_path / "gate")
    waits = f'if [ -e "{gate}" ]; then read line < "{gate}"; rm "{gate}"; fi'  # the first one, until there is a cell
    python = broken_python(tmp_path, f"{waits}; echo 'libpython is gone' >&2; exit 127")
    with started(python=str(python)) as session:
        cell = session.execute("6 * 7")
        gate.open("w").close()
        until_state(session, "dead")
        status = session.status()
        assert (status.state, status.pid, status.epoch) == ("dead", None, 3)
        reply = session.wait(cell)
        assert reply.status == "aborted"
        assert reply.error is not None and reply.error.kind == "WorkerStartFailed"
        assert "libpython is gone" in reply.error.message and str(python) in reply.error.message
        with pytest.raises(WorkerStartFailed, match=r"libpython is gone.*restart"):
            session.execute("1")
        broken_python(tmp_path, f'exec {sys.executable} "$@"')
        session.restart()
        until_state(session, "idle", status.last_event)
        assert session.run("6 * 7").result == "42"


def test_a_session_whose_interpreter_is_gone_is_dead_and_says_so(xdg: Path, tmp_path: Path) -> None:
    python = broken_python(tmp_path, f'exec {sys.executable} "$@"')
    with started(python=str(python)) as session:
        session.run("x = 1")
        session.kill()
    python.unlink()
    with started() as again:
        until_state(again, "dead", after=last_stop(again))
        with pytest.raises(WorkerStartFailed, match="No such file"):
            again.execute("1")
        again.kill()
    with started(python=sys.executable) as mended:
        assert mended.run("x").result == "1"


def last_stop(session: Session) -> int:
    def is_stop(event: pyshell.protocol.Event) -> bool:
        return event.kind == "state_changed" and getattr(event.body, "state", "") == "stopped"

    return until(session, is_stop)[-1].seq


def old_python() -> str | None:
    """A Python before 3.10, if this machine has one."""
    pyenv = shutil.which("pyenv")
    if pyenv is not None:
        root = Path(subprocess.run([pyenv, "root"], capture_output=True, text=True).stdout.strip())
        found = sorted(root.glob("versions/3.[89].*/bin/python"))
        if found:
            return str(found[-1])
    return shutil.which("python3.9") or shutil.which("python3.8")


def test_a_python_that_is_too_old_is_told(xdg: Path) -> None:
    python = old_python()
    if python is None:
        pytest.skip("no Python before 3.10 here")
    with started(python=python) as session:
        until_state(session, "dead")
        with pytest.raises(WorkerStartFailed, match=r"3\.10"):
            session.execute("1")
        assert not any(isinstance(event.body, Error) for event in until_state(session, "dead"))


def test_the_first_worker_does_not_hold_what_was_typed_before_it_came_up(xdg: Path, tmp_path: Path) -> None:
    """The interpreter fails once, as on a network disk that is just waking up."""
    flag = tmp_path / "failed"
    script = f'if [ -e {flag} ]; then exec {sys.executable} "$@"; fi\ntouch {flag}; exit 1'
    with started(python=str(broken_python(tmp_path, script))) as session:
        assert session.run("6 * 7").result == "42"
        assert session.epoch == 2


def test_a_host_that_cannot_start_says_why(xdg: Path) -> None:
    (xdg / "state" / "pyshell").mkdir(mode=0o700)
    (xdg / "state" / "pyshell" / "sessions").write_text("in the way")
    with pytest.raises(PyshellError, match="sessions"):
        pyshell.start("s")
