"""Somebody else's analysis with a crash in its middle: the numbers are those of `python script.py`.

The scripts are published examples of lmfit (numpy, scipy, pandas, matplotlib), taken from its source distribution. They
run in a virtual environment that has lmfit and knows nothing of pyshell.

Runs in: tests.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import pyshell
from pyshell.client import Session
from tests.live import wait_until_saved
from tests.terminal import Terminal

pytestmark = [pytest.mark.science, pytest.mark.slow, pytest.mark.timeout(400)]

SEPARATOR = re.compile(r"^#{20,}$", re.MULTILINE)
"""What the authors put between the cells of an example."""

CRASH = "import ctypes; ctypes.string_at(0)"


@dataclass(frozen=True)
class Example:
    """A script, and what to ask for at its end: numbers that depend on all of it."""

    script: str
    ask: str


EXAMPLES = [
    Example("example_use_pandas.py", "print(dframe.y.sum(), result.chisqr, result.params['center'].value)"),
    Example("example_fit_multi_datasets.py", "print(data.sum(), out.chisqr, [p.value for p in out.params.values()])"),
    Example("example_detect_outliers.py", "print(chi_sq.sum(), best_vals['a'].mean(), stderrs['b'].max())"),
]


@dataclass(frozen=True)
class Place:
    """Where the examples lie, and the interpreter that can run them."""

    directory: Path
    python: Path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    root = tmp_path_factory.mktemp("analysis")
    venv.create(root / "venv", with_pip=True)
    python = root / "venv" / "bin" / "python"
    _pip(python, "install", "--no-compile", "lmfit", "numpy", "pandas", "matplotlib")
    _pip(python, "download", "--no-deps", "--no-binary", "lmfit", "--dest", str(root), "lmfit")
    (archive,) = root.glob("lmfit-*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(root, filter="data")
    (directory,) = root.glob("lmfit-*/examples")
    return Place(directory, python)


def _pip(python: Path, *arguments: str) -> None:
    answer = subprocess.run([python, "-m", "pip", "-q", *arguments], capture_output=True, text=True)
    if answer.returncode:
        pytest.skip(f"pip cannot fetch lmfit: {answer.stderr[-300:]}")


@pytest.fixture(autouse=True)
def no_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLBACKEND", "Agg")


def cells(script: Path) -> list[str]:
    return [cell.strip("\n") for cell in SEPARATOR.split(script.read_text()) if cell.strip()]


def plain_run(place: Place, example: Example) -> str:
    """What `python script.py` prints, and then the numbers asked for."""
    program = (place.directory / example.script).read_text() + "\n" + example.ask + "\n"
    command = [place.python, "-c", program]
    return subprocess.run(command, cwd=place.directory, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def console(place: Place) -> Iterator[Terminal]:
    command = [sys.executable, "-m", "pyshell", "new", "-s", "analysis", "--python", str(place.python)]
    path = os.pathsep.join(filter(None, [str(Path(__file__).parent.parent.parent), os.environ.get("PYTHONPATH")]))
    with Terminal(command, cwd=place.directory, env={"PYTHONPATH": path}, size=(110, 40)) as terminal:
        terminal.wait_screen(r"^In \[1\]:")
        try:
            yield terminal
        finally:
            with pyshell.connect("analysis") as session:
                session.kill()


def submit(terminal: Terminal, number: int, code: str) -> None:
    """Paste a cell, press Enter, and look at the status line until it has run and is saved."""
    terminal.send(f"\x1b[200~{code}\x1b[201~")
    terminal.settle()
    # After an indented block an empty line is what ends the cell.
    for _ in range(2 if code.splitlines()[-1].startswith(" ") else 1):
        terminal.send("\r")
        terminal.settle()
    if code == CRASH:
        terminal.wait_screen("Restored in")
        terminal.wait_screen(rf"epoch 2 · idle · In \[{number + 1}\]", 60.0)
    else:
        terminal.wait_screen(rf"idle · In \[{number + 1}\] .*saved In \[{number}\]", 60.0)


def output(session: Session, cell: int) -> str:
    """What the cell printed, from the journal."""
    reply = session.wait(cell, timeout=60.0)
    assert reply.status == "ok", reply
    return reply.output


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.script)
def test_a_crash_in_the_middle_does_not_change_the_numbers(place: Place, console: Terminal, example: Example) -> None:
    wanted = plain_run(place, example)
    parts = [*cells(place.directory / example.script), example.ask]
    assert len(parts) >= 4
    middle = len(parts) // 2
    for number, code in enumerate([*parts[:middle], CRASH, *parts[middle:]], 1):
        submit(console, number, code)
    with pyshell.connect("analysis") as session:
        died = session.wait(middle + 1, timeout=60.0)
        assert died.status == "died" and died.died is not None and died.died.signal == "SIGSEGV"
        assert session.epoch == 2
        numbers = [*range(1, middle + 1), *range(middle + 2, len(parts) + 2)]
        assert "".join(output(session, number) for number in numbers) == wanted
    # Without spaces: a long line is folded at one, and a screen does not tell which cells are blank.
    last = "".join(wanted.splitlines()[-1].split())
    assert last in "".join(console.screen.split()), console.screen


def test_the_same_from_a_program(place: Place) -> None:
    example = EXAMPLES[-1]
    parts = [*cells(place.directory / example.script), example.ask]
    shown = ""
    with pyshell.start("analysis", python=str(place.python), cwd=str(place.directory)) as session:
        try:
            for number, code in enumerate(parts):
                if number == len(parts) // 2:
                    wait_until_saved(session)
                    assert session.run(CRASH, timeout=60.0).status == "died"
                reply = session.run(code, timeout=60.0)
                assert reply.status == "ok", reply
                shown += reply.output
        finally:
            session.kill()
    assert shown == plain_run(place, example)
