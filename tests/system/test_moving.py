"""Sessions whose files lie where their people want them, on this computer and on another one.

Runs in: tests, against real hosts, workers and commands.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pyshell
from pyshell import Session, starting
from tests.sessions import started
from tests.terminal import Terminal

ROOT = str(Path(pyshell.__file__).parents[1])
COMMAND = [sys.executable, "-m", "pyshell"]


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, cwd=cwd, timeout=120, stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": ROOT},
    )  # fmt: skip


def done(*arguments: str, cwd: Path | None = None) -> str:
    answer = run(*arguments, cwd=cwd)
    assert (answer.returncode, answer.stderr) == (0, "")
    return answer.stdout


def ended(name: str = "s") -> None:
    """A session with a value, which has ended."""
    with started(name) as session:
        put(session)


def put(session: Session) -> None:
    session.wait_saved(session.run("x = [1, 2]\ndef double(): return [2 * n for n in x]").cell)


def comes_back(name: str = "s") -> None:
    """And ends again."""
    with started(name) as session:
        session.wait_up()
        assert session.run("double()").result == "[2, 4]"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (directory := tmp_path / "here").mkdir()
    return directory


def test_its_files_can_be_seen_where_one_works(here: Path) -> None:
    files = here / "fit.pyshell"
    assert str(files) in done("new", "-s", "fit", "--here", "-d", cwd=here)
    with pyshell.connect("fit") as session:
        put(session)
        session.kill()
    assert files.stat().st_mode & 0o077 == 0 and (files / "journal").exists()
    assert "fit " in done("ls")
    comes_back("fit")
    again = run("new", "-s", "fit", "--here", "-d", cwd=here)
    assert again.returncode == 1 and 'session "fit" is saved' in again.stderr
    done("delete", "-f", "-t", "fit")
    assert not files.exists() and starting.names() == []


def test_it_is_moved_there_and_back(here: Path, xdg: Path) -> None:
    ended()
    (other := here / "other").mkdir()
    for target in (here, other, None, here):
        done("move", "-t", "s", *([str(target)] if target else []))
        places = [path for path in (here, other) if (path / "s.pyshell").exists()]
        assert places == ([target] if target else [])
        assert starting.names() == ["s"]
        comes_back()
    state = xdg / "state" / "pyshell"
    assert [path for name in ("moving", "deleted") for path in (state / name).iterdir()] == []
    taken = run("move", "-t", "s", str(here))
    assert taken.returncode == 2 and "is there already" in taken.stderr
    with started():
        refused = run("move", "-t", "s", str(other))
        assert refused.returncode == 1 and "is running" in refused.stderr
        assert run("copy", "-t", "s", str(other)).returncode == 1


def elsewhere(monkeypatch: pytest.MonkeyPatch, xdg: Path) -> None:
    """From here on it is another computer: another key, and no session."""
    monkeypatch.setenv("XDG_STATE_HOME", str(xdg / "elsewhere"))


def test_a_copy_is_opened_on_another_computer_after_a_question(
    here: Path, xdg: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cwd := here / "gone").mkdir()
    with started(cwd=cwd) as session:
        put(session)
    done("copy", "-t", "s", str(here))
    comes_back()  # the original, which is still there
    elsewhere(monkeypatch, xdg)
    shutil.rmtree(cwd)
    files = here / "s.pyshell"
    asked = run("open", str(files))
    assert asked.returncode == 2 and "Do you trust" in asked.stderr and starting.names() == []
    with Terminal([*COMMAND, "open", str(files)], env={"PYTHONPATH": ROOT}, size=(250, 20)) as terminal:
        terminal.wait_screen("1 cell, and was not written here", 30.0)
        terminal.wait_screen(r"Do you trust .*\[y/N\]", 30.0)
        terminal.send("n\r")
        assert terminal.process.wait(30) == 1
    assert starting.names() == []
    with Terminal([*COMMAND, "open", str(files)], env={"PYTHONPATH": ROOT}, cwd=here, size=(120, 20)) as terminal:
        terminal.wait_screen(r"Do you trust .*\[y/N\]", 30.0)
        terminal.send("y\r")
        terminal.wait_screen('session "s" is there', 30.0)
        assert terminal.process.wait(30) == 0
    comes_back()
    assert done("check", "-t", "s") == 'what session "s" has saved is sound\n'
    taken = run("open", str(files))
    assert taken.returncode == 1 and "give another name with -s" in taken.stderr


def test_ones_own_is_opened_without_a_question(here: Path) -> None:
    ended()
    done("copy", "-t", "s", str(here))
    done("open", "-s", "second", str(here / "s.pyshell"))
    comes_back("second")
    assert starting.names() == ["s", "second"]


def test_what_is_no_session_is_not_opened(here: Path, xdg: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = run("open", str(here))
    assert nothing.returncode == 2 and "holds no session" in nothing.stderr
    ended()
    done("copy", "-t", "s", str(here))
    elsewhere(monkeypatch, xdg)
    (victim := here / "precious").write_text("mine")
    (here / "s.pyshell" / "host.log").unlink(missing_ok=True)
    (here / "s.pyshell" / "host.log").symlink_to(victim)
    linked = run("open", "--yes", str(here / "s.pyshell"))
    assert linked.returncode == 2 and "symbolic link" in linked.stderr and starting.names() == []
    assert victim.read_text() == "mine"
