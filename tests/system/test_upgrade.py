"""Pyshell is upgraded while a session runs: what the old version started is ended and taken up by the new one.

Runs in: tests, against a real host and worker of a copy of pyshell with other numbers.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pyshell
from pyshell import Session, starting
from pyshell.errors import VersionMismatch

PACKAGE = Path(pyshell.__file__).parent
START = """
import pyshell, sys
assert pyshell.__version__ == "0.0.0"
with pyshell.start("old") as session:
    session.run("kept = [1, 2]; late = (n for n in 'ab')")
    session.wait_saved(session.run("def double(): return [2 * n for n in kept]").cell, 30)
    session.execute(sys.argv[1])
    for event in session.events():
        if event.kind == "output" and "on" in event.body.text:
            break
"""


@pytest.fixture
def old(tmp_path: Path) -> dict[str, str]:
    """The environment of a pyshell with another version of itself and of the wire."""
    copy = tmp_path / "old" / "pyshell"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for file, name, number in (("__init__.py", "__version__", '"0.0.0"'), ("protocol.py", "VERSION", "0")):
        text, count = re.subn(rf"^{name} = .*$", f"{name} = {number}", (copy / file).read_text(), flags=re.MULTILINE)
        assert count == 1, (file, name)
        (copy / file).write_text(text)
    return {**os.environ, "PYTHONPATH": str(copy.parent)}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    command = [sys.executable, "-m", "pyshell", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL)


def test_a_session_of_an_older_pyshell_is_ended_and_taken_up(old: dict[str, str], tmp_path: Path) -> None:
    waits = "import signal; print('on', flush=True); signal.sigwait([signal.SIGUSR2])"
    subprocess.run([sys.executable, "-c", START, waits], env=old, cwd=tmp_path, check=True)
    with pytest.raises(VersionMismatch, match=r"protocol 0, this one speaks \d+\): .pyshell kill. ends it"):
        starting.connect("old")
    attached = run("attach", "-t", "old")
    assert attached.returncode == 1 and "another version of pyshell" in attached.stderr
    assert "of another version" in run("ls").stdout
    unsure = run("kill", "-t", "old")
    assert unsure.returncode == 2 and "-f" in unsure.stderr
    ended = run("kill", "-t", "old", "-f")
    assert ended.returncode == 0 and "brings its saved state back" in ended.stdout, ended
    with pyshell.start("old") as session:
        try:
            check(session)
        finally:
            session.kill()


def check(session: Session) -> None:
    assert session.run("kept, double()").result == "([1, 2], [2, 4])"
    codes = [(entry.cell, entry.status) for entry in session.history()]
    assert codes[:2] == [(1, "ok"), (2, "ok")] and codes[2][0] == 3, codes
    assert any(event.kind == "output" and event.cell == 3 for event in session.so_far(3))
