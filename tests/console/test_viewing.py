"""A picture on the whole screen, on terminals that can do more and less.

Runs in: tests.
"""

from __future__ import annotations

import os
import re
import termios
from collections.abc import Mapping

import pytest

from tests.console.test_app import start
from tests.console.test_gallery import two_halves
from tests.console.test_sixel import decode
from tests.terminal import ANSWERS, Terminal

pytestmark = pytest.mark.scenario
F5 = "\x1b[15~"
ASKED = b"\x1b[c"
SIXEL = {**ANSWERS, ASKED: b"\x1b[?62;4;22c"}
NO_SIXEL = {**ANSWERS, ASKED: b"\x1b[?62;22c"}
SILENT: Mapping[bytes, bytes] = {}
XTERM = {
    b"\x1b[?2;1;0S": b"\x1b[?2;0;20;1000S", b"\x1b[?1;1;0S": b"\x1b[?1;0;16S", b"\x1b[16t": b"\x1b[6;20;10t",
    ASKED: b"\x1b[?64;1;2;4;6;22c",
}  # fmt: skip
"""In the order in which they are asked, and answered."""
RED, BLUE = (255, 0, 0), (0, 0, 255)


def shown(console: Terminal) -> int:
    """A picture in the transcript, and its cell selected; how much the terminal has been sent by then."""
    console.send(f"picture({two_halves()!r})\r")
    console.wait_screen(r"saved In \[1\]")
    console.send(F5)
    console.wait_screen("v picture, i in a viewer")
    return len(console.raw)


def returns(console: Terminal, key: str = "q") -> None:
    """Whether everything is as it was, and the key was not taken for another one."""
    console.send(key)
    console.wait_screen(r"^▀{40}$")
    console.wait_screen(r"^In \[2\]: *$")
    console.send(F5 + "6 * 7\r")  # back to the prompt
    console.wait_screen(r"^Out\[2\]: 42$")
    assert termios.tcgetattr(console.master)[3] & (termios.ICANON | termios.ECHO) == 0


def sixels(console: Terminal, start: int) -> list[str]:
    return re.findall(r"\x1bP0;1q.*?\x1b\\", console.raw[start:], re.DOTALL)


def halves(picture: list[list[object]]) -> None:
    assert {pixel for row in picture[: len(picture) // 2] for pixel in row} == {RED}
    assert {pixel for row in picture[len(picture) // 2 :] for pixel in row} == {BLUE}


def test_a_terminal_that_answers_so_gets_it_in_sixel() -> None:
    with start(answers=SIXEL) as console:
        sent = shown(console)
        console.send("v")
        console.wait(lambda: sixels(console, sent), 30)
        picture, colors = decode(sixels(console, sent)[0])
        assert (len(picture[0]), len(picture), colors) == (40, 20, 2)
        halves(picture)
        assert "\x1b[?1049h" in console.raw[sent:]
        returns(console)
        assert len(sixels(console, sent)) == 1  # on a screen of its own, and nowhere else


def test_it_is_no_larger_than_the_terminal_takes_and_in_no_more_colours() -> None:
    with start(answers=XTERM) as console:
        sent = shown(console)
        console.send("v")
        console.wait(lambda: sixels(console, sent), 30)
        picture, _ = decode(sixels(console, sent)[0])
        assert (len(picture[0]), len(picture)) == (20, 10)
        halves(picture)
        returns(console, "\x1b[A")  # a key of several bytes is one key


def test_a_terminal_without_it_gets_half_blocks() -> None:
    with start(answers=NO_SIXEL) as console:
        sent = shown(console)
        console.send("v")
        console.wait(lambda: "any key goes back" in console.raw[sent:], 30)
        console.wait(lambda: len(re.findall("▀{40}", console.raw[sent:])) == 10, 30)
        assert sixels(console, sent) == []
        returns(console)


def test_a_terminal_that_never_answers_is_not_waited_for() -> None:
    with start(answers=SILENT) as console:
        sent = shown(console)
        console.send("v")
        console.wait(lambda: "\x1b[c" in console.raw[sent:], 30)
        console.send("q")  # a key ends the waiting
        console.wait_screen(r"^In \[2\]: *$")
        os.write(console.master, b"\x1b[?1;0;256S\x1b[6;20;10t\x1b[?62;4;22c")  # and what comes then is no typing
        console.send(F5 + "'still' + ' here'\r")
        console.wait_screen(r"^Out\[2\]: 'still here'$")


def test_an_answer_that_comes_late_is_heeded() -> None:
    with start(answers=SILENT) as console:
        sent = shown(console)
        console.send("v")
        console.wait(lambda: "any key goes back" in console.raw[sent:], 30)
        os.write(console.master, b"\x1b[?62;4;22c")
        console.wait(lambda: sixels(console, sent), 30)
        returns(console)


def test_the_window_is_followed() -> None:
    with start(answers={b"\x1b[16t": b"\x1b[6;8;4t", **SIXEL}) as console:
        sent = shown(console)
        console.send("v")
        console.wait(lambda: len(sixels(console, sent)) == 1, 30)
        console.resize(80, 4)  # a row for the foot, one for the cursor, and two of 8 pixels
        console.wait(lambda: len(sixels(console, sent)) == 2, 30)
        console.resize(80, 24)
        console.wait(lambda: len(sixels(console, sent)) == 3, 30)
        assert [len(decode(one)[0]) for one in sixels(console, sent)] == [20, 16, 20]
        returns(console)


def test_what_is_typed_behind_the_key_is_not_lost() -> None:
    with start(answers=SIXEL) as console:
        sent = shown(console)
        console.send("v")
        console.wait(lambda: sixels(console, sent), 30)
        console.send("qq'typed at once'\r")  # the second one leaves the transcript
        console.wait_screen(r"^Out\[2\]: 'typed at once'$")


def test_kitty_draws_it_itself_and_is_not_asked() -> None:
    with start("--kitty") as console:
        console.send(f"picture({two_halves()!r})\r")
        console.wait_screen(r"saved In \[1\]")
        sent = len(console.raw)
        console.send(F5 + "v")
        console.wait(lambda: "i=15,c=40,r=10" in console.raw[sent:] and "any key goes back" in console.raw[sent:], 30)
        console.send("q")
        console.wait(lambda: "a=d,d=I,q=2,i=15" in console.raw[sent:], 30)
        console.wait(lambda: "i=17,c=40" in console.raw[sent:], 30)  # the transcript's own is sent anew
        assert "\x1b[c" not in console.raw[sent:]


@pytest.mark.parametrize(("flag", "words"), [("--no-images", "Pictures are not drawn"), ("--plain", "too few colours")])
def test_why_it_cannot_be_shown_is_said(flag: str, words: str) -> None:
    with start(flag, size=(160, 24)) as console:
        console.send(f"picture({two_halves()!r})\r")
        console.wait_screen(r"saved In \[1\]")
        console.send(F5 + "v")
        console.wait_screen(words)
        console.send(F5 + "6 * 7\r")
        console.wait_screen(r"^Out\[2\]: 42$")


def test_what_can_only_be_named_is_opened_elsewhere() -> None:
    with start(size=(160, 24)) as console:
        console.send("picture(b'no picture')\r")
        console.wait_screen(r"saved In \[1\]")
        console.send(F5 + "v")
        console.wait_screen(r"\[image/png, 12 bytes\] cannot be drawn here\.")
        console.send("i")
        console.wait_screen(r"There is no viewer here|is opened by")
