"""The console without a screen, on a terminal and on pipes, with a session that follows a script.

Runs in: tests.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.console.test_app import SCRIPT
from tests.terminal import Terminal

pytestmark = pytest.mark.scenario


@pytest.fixture
def console() -> Iterator[Terminal]:
    with Terminal([sys.executable, str(SCRIPT), "--lines"], env={"NO_COLOR": "1"}) as terminal:
        terminal.wait_text(r"In \[1\]: $")
        yield terminal


def test_cells_values_and_errors(console: Terminal) -> None:
    console.send("6 * 7\n")
    console.wait_text(r"Out\[1\]: 42\r\n(.*\n)*In \[2\]: $")
    console.send("def f(x):\n    return x + 1\n\nf(41)\n")
    console.wait_text(r"   \.\.\.: (.*\n)*Out\[3\]: 42\r\n")
    console.send("1 / 0\n")
    console.wait_text(r"ZeroDivisionError: division by zero\r\n(.*\n)*In \[5\]: $")
    assert "\x1b[?1049h" not in console.raw
    assert "\x1b[H" not in console.raw


def test_output_comes_as_it_is_and_without_colours_where_there_are_none(console: Terminal) -> None:
    console.send("write('\\x1b[31mred\\x1b[0m\\r\\n50%\\r100%\\n')\n")
    console.wait_text(r"\nred\r+\n50%\r100%\r\n(.*\n)*In \[2\]: $")
    assert "\x1b[31m" not in console.raw.replace("\\x1b[31m", "")


def test_what_a_terminal_echoes_of_an_answer_is_not_shown_again(console: Terminal) -> None:
    console.send("ask('name? '); write('Bob\\n'); write('Bob\\n')\n")
    console.wait_text(r"\nname\? $")
    answered = len(console.text)
    console.send("Bob\n")
    console.wait_text(r"In \[2\]: $")
    assert console.text[answered:].count("Bob\r\n") == 2


def test_tab_completes_what_the_session_knows(console: Terminal) -> None:
    pytest.importorskip("readline")
    console.send("if 1:\n\talphab\t = 42\n\n")
    console.wait_text(r"    alphabet = 42\r\n(.*\n)*In \[2\]: $")
    console.send("alpha\t\t")
    console.wait_text(r"alpha +alphabet")
    console.send("bet\n")
    console.wait_text(r"Out\[2\]: 42")
    console.send("ask('? ')\n")
    console.wait_text(r"\n\? $")
    console.send("alphab\t\n")
    console.wait_text(r"Out\[3\]: 'alphab\\t'")


def test_questions_and_passwords(console: Terminal) -> None:
    console.send("ask('name? ')\n")
    console.wait_text(r"\nname\? $")
    console.send("Bob\n")
    console.wait_text(r"Out\[1\]: 'Bob'")
    console.send("ask('Password: ', True)\n")
    console.wait_text(r"\nPassword: $")
    console.send("s3cret\n")
    console.wait_text(r"Out\[2\]: 's3cret'")
    assert console.text.count("s3cret") == 1
    console.send("ask('more? ')\n")
    console.wait_text(r"\nmore\? $")
    console.send("\x04")
    console.wait_text("EOFError")


def test_ctrl_c_interrupts_the_cell_and_clears_the_line(console: Terminal) -> None:
    console.send("write('on\\n'); until(lambda: interrupted())\n")
    console.wait_text(r"\non\r\n")
    console.process.send_signal(signal.SIGINT)
    console.wait_text(r"In \[2\]: $")
    console.send("not wanted\x03\n")  # a signal right before a line is waited for is seen with the next key
    console.wait_text(r"In \[2\]: (.*\n)+In \[2\]: $")
    console.send("'wanted'\n")
    console.wait_text(r"Out\[2\]: 'wanted'")


def test_a_death_a_lost_host_and_the_end(console: Terminal) -> None:
    console.send("die('x')\n")
    console.wait_text("killed by SIGSEGV while it ran")
    console.wait_text(r"Restored in 50 ms: x\.(.*\n)*In \[2\]: $")
    console.send("lose()\n")
    console.wait_text("host went away. Connecting again…")
    console.send("draft('6 * 7')\n")
    console.wait_text(r"6 \* 7\r\nEnter runs this; another cell takes its place\.\r\nIn \[4\]: $")
    console.send("\n")
    console.wait_text(r"Out\[4\]: 42")
    console.wait_text(r"In \[5\]: $")
    console.send("\x04")
    console.wait_text("Come back with: pyshell attach -t scripted")
    assert console.process.wait(30) == 0


def test_on_pipes_there_are_no_prompts() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--lines"], input="x = 6\nwrite('one\\n')\nif x:\n    x *= 7\n\nx\n",
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    shown = done.stdout.splitlines()
    assert [line for line in shown if not line.startswith(("scripted", "Detached"))] == ["one", "Out[4]: 42"]


def test_python_has_prompts_of_its_own() -> None:
    with Terminal([sys.executable, str(SCRIPT), "--lines", "--python-prompt"], env={"NO_COLOR": "1"}) as console:
        console.wait_text(r">>> $")
        console.send("6 * 7\n")
        console.wait_text(r"\n42\r\n>>> $")
