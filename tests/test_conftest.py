"""A test that leaves a process behind fails, and the process goes.

Runs in: tests.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import conftest

ROOT = Path(__file__).parent.parent

LEAKS = """
import subprocess, sys
from pathlib import Path
import pytest

def start(directory):
    program = "import signal; print(1, flush=True); signal.pause()"
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, start_new_session=True)
    process.stdout.readline()
    Path(directory, "pid").write_text(str(process.pid))
"""

IN_A_TEST = (
    LEAKS
    + """
def test_leaks():
    start({directory!r})
"""
)

IN_A_MODULE = (
    LEAKS
    + """
@pytest.fixture(scope="module", autouse=True)
def shared():
    start({directory!r})

def test_uses_it():
    pass
"""
)


def run_pytest(tmp_path: Path, program: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "test_one.py").write_text(program.format(directory=str(tmp_path)))
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "PYSHELL_TEST_PATIENCE": "0.1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-p", "no:cacheprovider", str(tmp_path)]
    return subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True)


def is_gone(tmp_path: Path) -> bool:
    pid = (tmp_path / "pid").read_text()
    try:
        return Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_process_left_by_a_test_fails_that_test(tmp_path: Path) -> None:
    answer = run_pytest(tmp_path, IN_A_TEST)
    assert answer.returncode == 1
    assert "left running" in answer.stdout and "signal.pause" in answer.stdout
    assert is_gone(tmp_path)


def test_a_process_left_by_a_shared_fixture_fails_the_run(tmp_path: Path) -> None:
    answer = run_pytest(tmp_path, IN_A_MODULE)
    assert answer.returncode == 1
    assert "left running" in answer.stdout
    assert is_gone(tmp_path)


def test_a_process_that_ends_just_when_it_was_found_is_not_left(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    monkeypatch.setattr(conftest, "_processes", lambda _marker: [process.pid])
    assert conftest.end_processes("") == []


def test_every_test_has_directories_of_its_own(xdg: Path) -> None:
    assert os.environ["XDG_RUNTIME_DIR"] == str(xdg)
    assert Path(os.environ["XDG_STATE_HOME"]).is_relative_to(xdg)
    # Room for the longest name a socket may have: sun_path ends after 107 bytes.
    assert len(str(xdg)) < 40
