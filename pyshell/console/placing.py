"""Pictures by kitty's graphics protocol: sent once, then drawn by characters that stand for their cells.

Runs in: console.

The characters (U+10EEEE with marks that say which row and column) are text to urwid and to tmux, so pictures scroll,
are covered and go away as text does (https://sw.kovidgoyal.net/kitty/graphics-protocol/#unicode-placeholders). Which
terminal can do that is read from `TERM`: the protocol's own question tells of the protocol only, and some that know it
lack these characters.
"""

from __future__ import annotations

import subprocess
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any, Literal, Protocol

from pyshell.console import theme
from pyshell.console.gallery import Gallery
from pyshell.console.pictures import Picture
from pyshell.console.rows import Row

TERMINALS = ("xterm-kitty", "xterm-ghostty")
CHUNK = 4096
"""Characters of base64 in one sequence, as the protocol says."""
NUMBERS = range(16, 256)
"""A picture's number is the colour of its characters; those below have names, and are written in another way."""
MAX_KEPT = 20
"""So many pictures the terminal has to remember."""
MAX_SENT = 4_000_000
"""Characters of base64 that are sent at once; the terminal takes nothing else meanwhile."""
PLACE = "\U0010eeee"
MARKS = (
    "\u0305\u030d\u030e\u0310\u0312\u033d\u033e\u033f\u0346\u034a\u034b\u034c\u0350\u0351\u0352\u0357\u035b\u0363\u0364\u0365"
    "\u0366\u0367\u0368\u0369\u036a\u036b\u036c\u036d\u036e\u036f\u0483\u0484\u0485\u0486\u0487\u0592\u0593\u0594\u0595\u0597"
    "\u0598\u0599\u059c\u059d\u059e\u059f\u05a0\u05a1\u05a8\u05a9\u05ab\u05ac\u05af\u05c4\u0610\u0611\u0612\u0613\u0614\u0615"
)
"""The first of the marks that stand for numbers."""
TMUX_SECONDS = 2.0

Way = Literal["", "kitty", "tmux"]
"""Not at all, straight, or through tmux."""


def way(terminal: Mapping[str, str]) -> Way:
    """How the terminal takes pictures. In tmux that one is asked which terminal it is shown on."""
    if not terminal.get("TMUX"):
        return "kitty" if terminal.get("TERM") in TERMINALS else ""
    question = ["tmux", "display-message", "-p", "#{client_termname} #{allow-passthrough}"]
    try:
        answer = subprocess.run(question, capture_output=True, text=True, timeout=TMUX_SECONDS).stdout.split()
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return "tmux" if answer[:1] and answer[0] in TERMINALS and answer[1:] not in ([], ["off"], ["0"]) else ""


def fits(picture: Picture) -> bool:
    """Whether it can be sent, and its rows and columns be numbered."""
    return picture.rows <= len(MARKS) and len(picture.data.data) <= MAX_SENT and picture.data.mime == "image/png"


def sent(picture: Picture, number: int, through: Way) -> Iterator[str]:
    """The sequences that make the terminal know the picture by its number, in that many cells."""
    head = f"a=T,U=1,q=2,f=100,i={number},c={picture.columns},r={picture.rows},"
    data = "".join(picture.data.data.split())
    for at in range(0, len(data), CHUNK):
        more = at + CHUNK < len(data)
        yield _wrapped(f"\x1b_G{head}m={int(more)};{data[at : at + CHUNK]}\x1b\\", through)
        head = "q=2,"


def forgotten(number: int, through: Way) -> str:
    """The sequence that makes the terminal forget it."""
    return _wrapped(f"\x1b_Ga=d,d=I,q=2,i={number}\x1b\\", through)


def row(picture: Picture, number: int, at: int) -> Row:
    """One row of it: the first cell says which, those after it count on from there."""
    data = (PLACE + MARKS[at] + MARKS[0] + PLACE * (picture.columns - 1)).encode()
    return data, [(theme.from_pen(f"38;5;{number}", 256), len(data))]


def _wrapped(sequence: str, through: Way) -> str:
    return sequence if through != "tmux" else "\x1bPtmux;" + sequence.replace("\x1b", "\x1b\x1b") + "\x1b\\"


class Terminal(Protocol):
    """What is asked of urwid's screen."""

    era: int
    """Another one whenever the terminal was taken over anew: it has forgotten all pictures then."""

    def write(self, data: str) -> None: ...

    def flush(self) -> None: ...


class Placed:
    """Pictures as the terminal draws them; those that it cannot take are drawn by a Gallery. Owned by the UI thread."""

    def __init__(self, others: Gallery, terminal: Terminal, environ: Mapping[str, str]) -> None:
        self._others = others
        self._terminal = terminal
        self._environ = environ
        self._way: Way | None = None if environ.get("TMUX") else way(environ)
        """None: tmux has not been asked."""
        self._era = -1
        self._count = 0
        self._numbers: OrderedDict[int, int] = OrderedDict()
        """Of what the terminal knows, by the line in which it begins."""

    @property
    def way(self) -> Way:
        """How the terminal takes pictures, as far as that is known."""
        return self._way or ""

    def row(self, start: int, picture: Picture, at: int) -> Row | None:
        """A row of the picture that begins in line `start`; None while it is not there."""
        if self._way is None:
            self._way = ""  # what is looked at before the answer comes
            self._others.draw(lambda: way(self._environ), self._told)
        if not self._way or not fits(picture):
            return self._others.row(start, picture, at)
        if self._era != self._terminal.era:
            self._era = self._terminal.era
            self._numbers.clear()
        if start not in self._numbers:
            self._send(start, picture)
        return row(picture, self._numbers[start], at)

    def _told(self, found: Any) -> None:
        self._way = found if found in ("kitty", "tmux") else ""
        self._others.changed()

    def _send(self, start: int, picture: Picture) -> None:
        assert self._way is not None
        if len(self._numbers) >= MAX_KEPT:
            self._terminal.write(forgotten(self._numbers.popitem(last=False)[1], self._way))
        number = self._numbers[start] = NUMBERS[self._count % len(NUMBERS)]
        self._count += 1
        for sequence in sent(picture, number, self._way):
            self._terminal.write(sequence)
        self._terminal.flush()
