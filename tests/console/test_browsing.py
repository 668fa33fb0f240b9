"""Moving in the transcript by cell, on a real pseudo-terminal with a session that follows a script.

Runs in: tests.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.console.test_app import start
from tests.terminal import Terminal

pytestmark = pytest.mark.scenario
F5, F6, UP, DOWN = "\x1b[15~", "\x1b[17~", "\x1b[A", "\x1b[B"


@pytest.fixture
def console() -> Iterator[Terminal]:
    with start(size=(100, 24)) as terminal:
        terminal.send("write('one\\ntwo\\n')\r")
        terminal.wait_screen(r"^two$")
        terminal.send("for n in range(1500): write(f'line {n}\\n')\r\r")
        terminal.wait_screen(r"^line 1499$")
        terminal.wait_screen(r"^In \[3\]:")
        yield terminal


def marked(console: Terminal) -> str:
    """The row that is marked as the selected cell's."""
    rows = enumerate(console._screen.display[:-1])
    return next((row.strip() for y, row in rows if console._screen.buffer[y][0].reverse), "")


def test_cells_are_selected_folded_and_opened(console: Terminal) -> None:
    console.send(F5)
    console.wait(lambda: marked(console).startswith("In [2]"), 30)
    console.send(UP)
    console.wait(lambda: marked(console).startswith("In [1]"), 30)
    console.send("\r")
    console.wait_screen(r"^… 2 lines$")
    console.send("\r")
    console.wait_screen(r"^one$")
    console.send(DOWN)
    console.wait(lambda: marked(console).startswith("In [2]"), 30)
    console.send("\x1b")
    console.wait_screen(r"^line 1499$")
    console.send("'typed again'\r")
    console.wait_screen(r"^Out\[3\]: 'typed again'$")


def test_what_is_folded_is_found_by_a_search_and_opened(console: Terminal) -> None:
    console.send(F5 + "/LINE 70")
    console.wait_screen("search: LINE 70")
    console.send("\r")
    console.wait_screen(r"^line 709$")
    console.send("n")
    console.wait_screen(r"^line 708$")
    console.send("nn")
    console.wait_screen(r"^line 706$\n^line 707$")
    console.send("/nothing of the kind\r")
    console.wait_screen("is not further up")


def test_code_and_output_are_copied(console: Terminal) -> None:
    sent = bytearray()
    take = console._take
    console._take = lambda data: (sent.extend(data), take(data))[1]  # type: ignore[method-assign]
    console.send(F5 + UP + "c")
    console.wait(lambda: b"\x1b]52;c;" + base64.b64encode(b"write('one\\ntwo\\n')") + b"\x07" in sent, 30)
    console.send("o")
    console.wait(lambda: b"\x1b]52;c;" + base64.b64encode(b"one\ntwo") + b"\x07" in sent, 30)
    console.send("e")
    console.wait_screen(r"^In \[3\]: write\('one")


def test_output_is_saved(console: Terminal, tmp_path: Path) -> None:
    path = tmp_path / "saved.txt"
    console.send(F5 + UP + "s\x15" + str(path) + "\r")
    console.wait(lambda: path.exists() and path.read_text() == "one\ntwo\n", 30)


def test_an_error_leads_to_its_cell(console: Terminal) -> None:
    console.send("def f(): return 1 / 0\r\rf.__code__ = f.__code__.replace(co_filename='<In[3]>')\rf()\r")
    console.wait_screen("^ZeroDivisionError")
    console.send(F5)
    console.wait(lambda: marked(console).startswith("In [5]"), 30)
    console.send("t")
    console.wait(lambda: marked(console).startswith("In [3]"), 30)


def test_everything_is_shown_in_a_pager() -> None:
    os.environ["PAGER"] = "less"
    with start(size=(100, 24)) as console:
        console.send("for n in range(3000): write(f'line {n}\\n')\r\r")
        console.wait_screen(r"saved In \[1\]")  # else the pager has what there is so far; "idle" is also before it runs
        console.send(F6)
        console.wait_screen(r"^line 22$")
        console.send("/line 1500\r")
        console.wait_screen(r"^line 1500$")
        console.send("q")
        console.wait_screen(r"^In \[2\]:")
        console.send("6 * 7\r")
        console.wait_screen(r"^Out\[2\]: 42$")
