"""Pictures in the transcript, on a real pseudo-terminal with a session that follows a script.

Runs in: tests.
"""

from __future__ import annotations

import io
import re
from typing import Any

import pytest

from tests.console.test_app import start

pytestmark = pytest.mark.scenario
image = pytest.importorskip("PIL.Image")


def two_halves() -> bytes:
    """Red above, blue below."""
    picture: Any = image.new("RGB", (40, 20), (255, 0, 0))
    picture.paste((0, 0, 255), (0, 10, 40, 20))
    file = io.BytesIO()
    picture.save(file, "png")
    return file.getvalue()


def test_a_picture_is_drawn_where_it_was_shown() -> None:
    with start() as console:
        console.send(f"picture({two_halves()!r})\r")
        console.wait_screen("^▀{40}$")
        rows = console.screen.split("\n")
        drawn = [n for n, row in enumerate(rows) if row.startswith("▀")]
        assert len(drawn) == 10 and rows[drawn[0] - 1] == "a picture"
        first, last = (console._screen.buffer[drawn[at]][0] for at in (0, -1))
        assert first.fg == first.bg != last.fg == last.bg
        console.send("'below'\r")
        console.wait_screen(r"^Out\[2\]: 'below'$")


def test_a_terminal_that_can_show_it_gets_the_picture_itself_and_again_when_it_comes_back() -> None:
    with start("--kitty") as console:
        console.send(f"picture({two_halves()!r})\r")
        console.wait(lambda: "\x1b_Ga=T,U=1,q=2,f=100,i=16,c=40,r=10,m=0;" in console.raw, 30)
        first_row = re.compile("38;5;16(;49)?m\U0010eeee\u0305\u0305\U0010eeee")
        console.wait(lambda: first_row.search(console.raw), 30)
        console.send("x\x1bOQ")  # F2: an editor has the terminal, and gives it back
        console.wait(lambda: "i=17,c=40" in console.raw, 30)


def test_pictures_can_be_refused_and_need_colours() -> None:
    for flag in ("--no-images", "--plain"):
        with start(flag) as console:
            console.send(f"picture({two_halves()!r})\r")
            console.wait_screen(r"^\[image/png 40x20, \d+ bytes\]$")


def test_a_window_too_narrow_names_the_picture() -> None:
    with start() as console:
        console.send(f"picture({two_halves()!r})\r")
        console.wait_screen("^▀{40}$")
        console.resize(30, 24)
        console.wait_screen(r"^\[image/png 40x20, \d+ bytes\]$")


def test_a_value_is_laid_out_in_the_width() -> None:
    with start(size=(60, 24)) as console:
        console.send("{'name': 'x' * 30, 'sizes': list(range(20))}\r")
        console.wait_screen(r"^Out\[1\]:$")
        console.wait_screen(r"^    'name': 'x{30}',$")
        console.wait_screen(r"^         0,  1,  2,")
