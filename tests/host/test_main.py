"""A host as a process: a daemon, alone with its session, private, and orderly when it ends.

Runs in: tests.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
from pathlib import Path

import pytest

import pyshell
from pyshell.errors import AuthenticationFailed, SessionError, SessionExists, SessionNotFound, StoreError
from pyshell.host.__main__ import lock_session
from pyshell.paths import SessionPaths
from pyshell.private import kept_secret
from pyshell.starting import roots
from tests.sessions import host_of, kill, started, until, until_output, wait_gone


def paths_of(name: str = "s") -> SessionPaths:
    return roots().session(name)


def stat_fields(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def test_it_is_a_daemon_of_its_own(xdg: Path) -> None:
    with started() as session:
        host = host_of(session)
        session_of_host, terminal = stat_fields(host)[3:5]
        assert (int(session_of_host), int(terminal)) == (host, 0)
        assert os.readlink(f"/proc/{host}/cwd") == "/"
        assert os.readlink(f"/proc/{host}/fd/0") == "/dev/null"
        assert os.readlink(f"/proc/{host}/fd/1") == os.readlink(f"/proc/{host}/fd/2") == str(paths_of().log)
        for number in (signal.SIGHUP, signal.SIGINT):
            os.kill(host, number)
        assert session.run("1").result == "1"


def test_what_the_worker_starts_has_usual_signals_and_few_descriptors(xdg: Path) -> None:
    """Also where the host does not: a shell's script starts it with `&` and two of them ignored."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGQUIT)}
    try:
        session = pyshell.start("s")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    with session:
        ignored = "import subprocess\nsubprocess.run(['sh', '-c', 'grep SigIgn /proc/self/status; ls /proc/self/fd'])"
        shown = session.run(ignored).output.split()
        session.kill()
    # Python itself ignores SIGPIPE and SIGXFSZ, and gives them back to what it starts.
    assert int(shown[1], 16) == 0
    assert [int(fd) for fd in shown[2:]] == [0, 1, 2, 3]


def test_secrets_of_the_environment_are_in_no_process_list(xdg: Path) -> None:
    with started(env={**os.environ, "API_KEY": "not-for-others"}) as session:
        assert session.run("import os\nos.environ['API_KEY']").result == "'not-for-others'"
        for pid in (host_of(session), session.pid):
            assert b"not-for-others" not in Path(f"/proc/{pid}/cmdline").read_bytes()
        assert Path(f"/proc/{host_of(session)}/cmdline").read_bytes().endswith(b"pyshell.host\0s\0")


def test_a_large_environment_is_no_hindrance(xdg: Path) -> None:
    with started(env={**os.environ, "BIG": "x" * 120_000, "BIGGER": "y" * 100_000}) as session:
        assert session.run("import os\nlen(os.environ['BIG'] + os.environ['BIGGER'])").result == "220000"


def test_its_files_are_this_users_alone(xdg: Path) -> None:
    before = os.umask(0o002)
    try:
        with started() as session:
            session.run("print('x' * 3_000_000)")
            until(session, lambda event: event.kind == "saved")
            entries = [*(xdg / "state" / "pyshell").rglob("*"), *(xdg / "pyshell").rglob("*")]
            modes = {str(path): stat.S_IMODE(path.stat().st_mode) for path in entries}
            open_to_others = {path: oct(mode) for path, mode in modes.items() if mode & 0o077}
            assert len(modes) > 10
            assert open_to_others == {}
            assert session.run("import os\nos.umask(0)").result == "2"  # the user's own files are the user's business
    finally:
        os.umask(before)


def test_a_directory_that_others_can_enter_is_refused(xdg: Path) -> None:
    (xdg / "pyshell").mkdir(mode=0o755)
    with pytest.raises(AuthenticationFailed, match="chmod 700"):
        pyshell.start("s")
    (xdg / "pyshell").chmod(0o700)
    with started():
        pass


def test_a_session_runs_once(xdg: Path) -> None:
    with started():
        with pytest.raises(SessionExists, match="pyshell attach -t s"):
            pyshell.start("s")
        with started("other") as other:
            assert other.name == "other"


def test_the_lock_is_free_when_the_session_has_ended(xdg: Path) -> None:
    for _ in range(3):
        with started() as session:
            session.kill()
            os.close(lock_session(paths_of()))


def test_a_stale_socket_and_token_are_in_nobodys_way(xdg: Path) -> None:
    with started() as session:
        session.run("x = 1")
        worker = session.pid
        assert worker is not None
        kill(host_of(session), worker)
    assert paths_of().socket.exists() and paths_of().token.exists()
    with pytest.raises(SessionNotFound):
        pyshell.connect("s")
    with started() as again:
        assert again.run("1").result == "1"
        again.kill()
    assert not paths_of().socket.exists() and not paths_of().token.exists()


def test_a_journal_of_another_format_is_refused_with_advice(xdg: Path) -> None:
    with started() as session:
        session.kill()
    with sqlite3.connect(paths_of().journal) as db:
        db.execute("update meta set value = '99' where key = 'format'")
    db.close()
    with pytest.raises(SessionError, match=r"format 99.*another name"):
        pyshell.start("s")
    paths_of().journal.write_bytes(b"no journal at all" * 1000)
    for name in ("journal-wal", "journal-shm"):
        (paths_of().directory / name).unlink(missing_ok=True)
    with pytest.raises(SessionError, match="move it away"):
        pyshell.start("s")
    paths_of().journal.unlink()
    with started() as again:
        assert again.run("1").result == "1"


def test_a_store_of_another_key_is_refused_with_its_reason(xdg: Path) -> None:
    with started() as session:
        session.run("x = 1")
        session.kill()
    paths_of().roots.key.write_bytes(b"k" * 32)
    with pytest.raises(StoreError, match="key"):
        pyshell.start("s")


def test_a_polite_end_saves(xdg: Path) -> None:
    with started() as session:
        cell = session.execute("x = 7\nimport time\nprint('on', flush=True)\ntime.sleep(600)")
        until_output(session, "on", cell)
        host = host_of(session)
        fd = os.pidfd_open(host)
        os.kill(host, signal.SIGTERM)
        wait_gone(fd)
    with started() as again:
        assert again.run("x").result == "7"


def test_the_key_is_made_once_and_private(tmp_path: Path) -> None:
    key = kept_secret(tmp_path / "key")
    assert len(key) == 32
    assert kept_secret(tmp_path / "key") == key
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["key"]
    for damaged in (b"", key[:31]):
        (tmp_path / "key").write_bytes(damaged)
        with pytest.raises(AuthenticationFailed, match="bring it back from a copy"):
            kept_secret(tmp_path / "key")


def test_the_interpreter_and_the_directory_are_kept(xdg: Path, tmp_path: Path, pythons: dict[str, str]) -> None:
    python = pythons.get("3.12") or pythons["3.11"]
    with started(python=python, cwd=tmp_path) as session:
        session.run("x = 1")
        session.kill()
    with started() as again:
        assert again.run("import os\nos.getcwd()").result == repr(str(tmp_path))
        status = again.status()
        assert (status.executable, status.cwd) == (python, str(tmp_path))
