"""A person at `jupyter console` whose cells run in a session.

Runs in: tests.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import pyshell
from pyshell import cli
from tests.sessions import SECONDS, becomes_true, started
from tests.terminal import Terminal

pytest.importorskip("jupyter_console", reason="the test extra has it")

COMMAND = [
    sys.executable, "-m", "jupyter_console", "--kernel", "pyshell", "--no-confirm-exit",
    # On a busy machine its patience would end first, and the late reply would be taken for that to its next question.
    f"--ZMQTerminalInteractiveShell.kernel_is_complete_timeout={SECONDS}", f"--ZMQCompleter.timeout={SECONDS}",
]  # fmt: skip


@pytest.fixture
def session(xdg: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pyshell.Session]:
    """One that the kernel of this test's own Jupyter is a client of."""
    for variable in ("JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(variable, str(xdg / variable.lower()))
    monkeypatch.setenv("PYTHONPATH", str(Path(pyshell.__file__).parents[1]))
    with started("fit") as session:
        assert cli.main(["jupyter", "install", "--user", "-s", "fit"]) == 0
        yield session


def has_completed(console: Terminal, number: int = 2) -> bool:
    """Whether Tab has done it; on a busy machine the first answer may be what was known before the cell."""
    console.send("\t")
    console.settle(1.0)
    return re.search(rf"^In \[{number}\]: known_name$", console.screen, re.MULTILINE) is not None


def leave(console: Terminal) -> None:
    """By Ctrl-D at an empty prompt."""
    console.send("\x04")
    while console.read(SECONDS):
        continue
    assert console.process.wait(SECONDS) == 0


def test_a_console_completes_and_has_its_variables_after_a_crash(session: pyshell.Session) -> None:
    with Terminal(COMMAND) as console:
        # Each cell is typed when its prompt is there: nobody reads what comes before. Prompts are looked for on the
        # screen, output in the text: prompts cover it, as this terminal always says that the cursor is at its top.
        console.wait_screen(r"^In \[1\]:$")
        console.send("known_name = [1, 2]; print('sum', sum(known_name))\r")
        console.wait_text(r"sum 3")
        console.wait_screen(r"^In \[2\]:$")
        console.send("known_na")
        assert becomes_true(lambda: has_completed(console))
        console.send("\r")
        console.wait_text(r"Out\[2\]: \[1, 2\]")
        session.wait_saved(2, SECONDS)
        console.wait_screen(r"^In \[3\]:$")
        console.send("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)\r")
        console.wait_text(r"Restored in [0-9.]+ s: known_name\b")
        assert "The worker died of SIGSEGV" in console.text
        console.wait_screen(r"^In \[4\]:$")
        console.send("known_name\r")
        console.wait_text(r"Out\[4\]: \[1, 2\]")
        console.wait_screen(r"^In \[5\]:$")
        leave(console)
    assert session.run("known_name").result == "[1, 2]"  # it has a name, and goes on


def test_a_console_completes_while_another_client_runs_a_cell_and_misses_no_line_of_a_crash(
    session: pyshell.Session, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    with Terminal(COMMAND) as console:
        console.wait_screen(r"^In \[1\]:$")
        session.wait_saved(session.run("known_name = [1, 2]").cell, SECONDS)
        running = session.execute(f"open({str(gate)!r}).close()")
        console.send("known_na")
        assert becomes_true(lambda: has_completed(console, 1))
        assert session.status().cell == running
        console.send("\r")
        with gate.open("w"):
            console.wait_text(r"Out\[3\]: \[1, 2\]")
        session.wait_saved(3, SECONDS)
        console.wait_screen(r"^In \[4\]:$")
        before = len(console.text)
        console.send("import os; [print('line', n) for n in range(2_000)]; os.kill(os.getpid(), 9)\r")
        console.wait_text(r"Restored in [0-9.]+ s: known_name\b", start=before)
        assert re.findall(r"line (\d+)", console.text[before:]) == [str(n) for n in range(2_000)]
        console.wait_screen(r"^In \[5\]:$")
        console.send("known_name\r")
        console.wait_text(r"Out\[5\]: \[1, 2\]")
        console.wait_screen(r"^In \[6\]:$")
        leave(console)
    assert session.run("known_name").result == "[1, 2]"
