"""Pictures by kitty's protocol: what is sent, and what stands for it.

Runs in: tests.
"""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import urwid

from pyshell.console import placing
from pyshell.console.gallery import Gallery
from pyshell.console.pictures import Picture
from pyshell.protocol import MimeData

urwid.set_encoding("utf-8")
KITTY = {"TERM": "xterm-kitty"}


def picture(size: int = 9000, columns: int = 5, rows: int = 3) -> Picture:
    return Picture(MimeData("image/png", base64.b64encode(b"x" * size).decode()), columns, rows, 1)


class Terminal:
    era = 1

    def __init__(self) -> None:
        self.written: list[str] = []

    def write(self, data: str) -> None:
        self.written.append(data)

    def flush(self) -> None: ...


def placed(terminal: Terminal, environ: dict[str, str]) -> placing.Placed:
    def at_once(work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        then(work())

    return placing.Placed(Gallery(256, at_once, lambda: None), terminal, environ)


def test_the_picture_is_sent_in_pieces() -> None:
    pieces = list(placing.sent(picture(), 20, "kitty"))
    assert pieces[0].startswith("\x1b_Ga=T,U=1,q=2,f=100,i=20,c=5,r=3,m=1;")
    assert [piece[:12] for piece in pieces[1:]] == ["\x1b_Gq=2,m=1;e"[:12], "\x1b_Gq=2,m=0;e"[:12]]
    data = "".join([piece.partition(";")[2].removesuffix("\x1b\\") for piece in pieces])
    assert base64.b64decode(data) == b"x" * 9000


def test_through_tmux_each_piece_is_wrapped() -> None:
    assert placing.forgotten(20, "tmux") == "\x1bPtmux;\x1b\x1b_Ga=d,d=I,q=2,i=20\x1b\x1b\\\x1b\\"


def test_a_row_is_as_wide_as_the_picture_and_has_its_number_as_colour() -> None:
    data, looks = placing.row(picture(), 20, 2)
    text = data.decode()
    assert urwid.calc_width(text, 0, len(text)) == 5
    assert text.startswith("\U0010eeee\u030e\u0305\U0010eeee")
    assert looks == [(urwid.AttrSpec("h20", "default", 256), len(data))]
    assert len(set(placing.MARKS)) == len(placing.MARKS) >= 60


def test_a_picture_is_sent_once_and_again_when_the_terminal_has_forgotten_it() -> None:
    terminal = Terminal()
    gallery = placed(terminal, KITTY)
    rows = [gallery.row(7, picture(10), at) for at in range(3)]
    assert None not in rows and len(set(map(str, rows))) == 3
    assert len(terminal.written) == 1
    terminal.era = 2
    gallery.row(7, picture(10), 0)
    assert len(terminal.written) == 2
    for start in range(100, 100 + placing.MAX_KEPT):
        gallery.row(start, picture(10), 0)
    assert [one for one in terminal.written if "a=d" in one] == [placing.forgotten(17, "kitty")]


def test_what_does_not_fit_is_drawn_in_another_way() -> None:
    terminal = Terminal()
    assert placed(terminal, KITTY).row(7, picture(rows=200), 0) is None  # that is no PNG, either
    assert placed(terminal, {"TERM": "xterm-256color"}).row(7, picture(), 0) is None
    assert terminal.written == []


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("xterm-kitty on", "tmux"), ("xterm-ghostty all", "tmux"), ("xterm-kitty off", ""), ("xterm-kitty", ""),
        ("xterm-256color on", ""), ("", ""),
    ],
)  # fmt: skip
def test_tmux_is_asked_what_it_is_shown_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, expected: str
) -> None:
    program = tmp_path / "tmux"
    program.write_text(f"#!/bin/sh\necho '{answer}'\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert placing.way({"TMUX": "x", "TERM": "tmux-256color"}) == expected
    terminal = Terminal()
    gallery = placed(terminal, {"TMUX": "x"})
    gallery.row(7, picture(10), 0)
    gallery.row(7, picture(10), 0)
    assert len(terminal.written) == (1 if expected else 0)
    assert all(one.startswith("\x1bPtmux;") for one in terminal.written)


def test_without_a_tmux_program_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert placing.way({"TMUX": "x", "TERM": "xterm-kitty"}) == ""
