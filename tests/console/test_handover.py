"""Programs that want the terminal for themselves, on a real pseudo-terminal with a session that follows a script.

Runs in: tests.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyte
import pytest

from pyshell import protocol
from pyshell.console import model
from pyshell.console.handover import RESET
from tests.console.test_app import start
from tests.terminal import Terminal

pytestmark = pytest.mark.scenario
DRAW = "write('\\x1b[?1049h\\x1b[2J\\x1b[HFULL SCREEN')"
TYPED = "until(lambda: ('keys', {!r}) in session.calls)"


@pytest.fixture
def console() -> Iterator[Terminal]:
    with start() as terminal:
        yield terminal


def test_a_program_gets_the_terminal_and_gives_it_back(console: Terminal) -> None:
    leave = "write('\\x1b[?1049l'); use('lines'); write('after\\n')"
    console.send(f"use('screen'); {DRAW}; {TYPED.format(b'q')}; {leave}\r")
    console.wait_screen("^FULL SCREEN$")
    assert "In [1]" not in console.screen
    console.send("q")
    console.wait_screen(r"^In \[2\]:")
    console.wait_screen("^after$")
    assert "FULL SCREEN" not in console.screen.replace("HFULL", "")
    console.send("6 * 7\r")
    console.wait_screen(r"^Out\[2\]: 42$")


def test_a_cell_that_ends_gives_the_terminal_back(console: Terminal) -> None:
    console.send(f"use('screen'); {DRAW}; {TYPED.format(b'q')}; 1 / 0\r")
    console.wait_screen("^FULL SCREEN$")
    console.send("q")
    console.wait_screen("^ZeroDivisionError")
    console.wait_screen(r"^In \[2\]:")


def test_a_death_gives_the_terminal_back(console: Terminal) -> None:
    console.send(f"use('screen'); {DRAW}; {TYPED.format(b'q')}; die('x')\r")
    console.wait_screen("^FULL SCREEN$")
    console.send("q")
    console.wait_screen(r"═ RESTART: epoch 2 ═")
    console.send("6 * 7\r")
    console.wait_screen(r"^Out\[2\]: 42$")


def test_a_lost_connection_gives_the_terminal_back(console: Terminal) -> None:
    console.send(f"use('screen'); {DRAW}; {TYPED.format(b'q')}; lose()\r")
    console.wait_screen("^FULL SCREEN$")
    console.send("q")
    console.wait_screen("Connecting again…")


def test_keys_are_taken_as_they_are_below_what_was_shown(console: Terminal) -> None:
    console.send(f"write('press a key '); use('keys'); {TYPED.format(bytes([3, 27]))}; write('taken\\r\\n')\r")
    console.wait_screen("^press a key$")
    console.send("\x03\x1b")
    console.wait_screen("^taken$")
    console.wait_screen(r"^In \[2\]:")


def test_the_window_is_followed(console: Terminal) -> None:
    console.send(f"use('screen'); {DRAW}; until(lambda: ('resize', 77, 21) in session.calls)\r")
    console.wait_screen("^FULL SCREEN$")
    console.resize(77, 21)
    console.wait_screen(r"^In \[2\]:")


def test_the_person_takes_the_terminal_back_and_gives_it_again(console: Terminal) -> None:
    console.send(f"use('screen'); {DRAW}; until(lambda: ('resize', 80, 25) in session.calls); write('AGAIN');"
                 f" {TYPED.format(b'q')}\r")  # fmt: skip
    console.wait_screen("^FULL SCREEN$")
    console.send("\x1d\x1d\x1d")
    console.wait_screen("The program goes on; F4 gives it the terminal again")
    console.send("typed")
    console.wait_screen("typed")
    console.send("\x1bOS")  # F4
    console.wait_screen("AGAIN")
    console.send("q")
    console.wait_screen(r"^In \[2\]: typed")


def test_what_is_left_of_a_program_is_put_right_and_the_cursor_stays() -> None:
    """What is written next belongs below: otherwise each program writes over what the one before has left."""
    screen = pyte.Screen(40, 10)
    stream = pyte.Stream(screen)
    stream.feed("one\r\ntwo\r\n(Pdb) \x1b[31m\x1b[3;6r\x1b[3;7H" + RESET)
    assert (screen.cursor.y, screen.cursor.x, screen.cursor.attrs.fg) == (2, 6, "default")
    assert screen.margins in (None, (0, 9))


def test_what_was_shown_to_a_program_is_not_shown_again_to_the_next(console: Terminal) -> None:
    """As pdb does it: its prompt reads keys, and between two prompts it prints lines."""
    step = f"use('keys'); write('(Pdb) '); {TYPED}; write('{{}}\\r\\n'); use('lines'); write('sai' 'd {{}}\\n')"
    console.send(f"write('begin\\n'); {step.format(b'a', 'a', 1)}; {step.format(b'b', 'b', 2)}\r")
    console.wait_screen(r"^\(Pdb\)$")
    console.send("a")
    console.wait(lambda: console.raw.count("\x1b[?1049l") == 2, 20.0, "the terminal to be lent again")
    console.send("b")
    console.wait_screen(r"^In \[2\]:")
    lent = [part.partition("\x1b[?1049h")[0] for part in console.raw.split("\x1b[?1049l")[1:]]
    assert ["begin" in part for part in lent] == [True, False]
    assert "said 1" in lent[1] and "said 1" not in lent[0]


def test_what_a_program_draws_is_not_in_the_transcript() -> None:
    bodies = [
        protocol.Queued("x"), protocol.Started(), protocol.Output("before\n"), protocol.TerminalUsed("screen"),
        protocol.Output("\x1b[?1049hdrawn\x1b[?1049l"), protocol.TerminalUsed("lines"), protocol.Output("after\n"),
    ]  # fmt: skip
    known = model.Model()
    for seq, body in enumerate(bodies, 1):
        known = model.apply(known, protocol.Event(seq, 1, 1, "test", 0.0, body))
    texts = [known.line(number).text for number in range(known.end)]
    assert texts[-2:] == ["before", "after"]
