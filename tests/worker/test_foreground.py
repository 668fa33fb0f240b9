"""A program in front of the terminal: what ends with it, and what a Ctrl-C at any moment leaves.

Runs in: tests.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyshell.worker.commands import foreground
from tests.live import PATIENCE, WAITS, live, wait_for_output

ROUNDS = 40


@contextlib.contextmanager
def pressed() -> Iterator[None]:
    """Ctrl-C was pressed while it was held back."""
    yield
    raise KeyboardInterrupt


def test_ctrl_c_at_the_start_of_a_program_ends_it(tmp_path: Path) -> None:
    name = tmp_path / "pid"
    os.mkfifo(name)
    reading = os.open(name, os.O_RDONLY | os.O_NONBLOCK)
    code = f"import os, signal; os.write(os.open({str(name)!r}, os.O_WRONLY), b'here'); signal.pause()"
    with pytest.raises(KeyboardInterrupt):
        foreground.run([sys.executable, "-c", code], pressed())
    with open(reading, "rb") as pipe:
        assert pipe.read() in (b"", b"here")  # to its end, which would not be there while the program has it open


def test_a_program_that_is_not_there_leaves_nothing_open() -> None:
    before = os.listdir("/dev/fd")
    with pytest.raises(FileNotFoundError):
        foreground.run(["/nowhere/program"], contextlib.nullcontext(), lambda end: None)
    assert os.listdir("/dev/fd") == before


def test_ctrl_c_right_after_the_first_line_is_heard_each_time() -> None:
    """The program may not be in front yet, or the worker just beginning to wait for it."""
    with live("pressed") as session:
        for _ in range(ROUNDS):
            cell = session.execute(f"!{WAITS}")
            wait_for_output(session, cell, "begun")
            session.interrupt()
            assert session.wait(cell, PATIENCE).status == "interrupted"
        listed = subprocess.run(["ps", "-eo", "ppid=,args="], capture_output=True, text=True, check=True).stdout
        children = [line for line in listed.splitlines() if line.split()[0] == str(session.pid)]
        assert [line for line in children if "begun" in line] == []
