"""A picture on the whole screen, as well as the terminal can: by kitty's graphics, in sixel, or with half blocks.

Runs in: console.

The terminal is taken from urwid for that, as for a pager. A picture in sixel lies at a place of the screen and not in
cells: here nothing is drawn beside it, and nothing scrolls (docs/decisions/0028-sixel-on-a-screen-of-its-own.md).

What the terminal can do is asked here, where the answers are read. They all have a form in which urwid, too, knows them
for no keys, if one comes when the picture has been left.
"""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import struct
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple

from pyshell.console import placing, sixel
from pyshell.console.displays import label
from pyshell.console.frames import Frames
from pyshell.console.gallery import rows_of
from pyshell.console.outside import put
from pyshell.console.pictures import Picture, fit, measures, pixels
from pyshell.console.placing import MARKS, Way, forgotten, sent
from pyshell.console.rows import Row
from pyshell.console.theme import Attribute, Colors
from pyshell.protocol import MimeData

STDIN = 0
ENTER = "\x1b[?1049h\x1b[?25l\x1b[0m"
CLEAR = "\x1b[2J\x1b[H"
LEAVE = "\x1b[0m\x1b[2J\x1b[?25h\x1b[?1049l"
QUESTIONS = "\x1b[?2;1;0S\x1b[?1;1;0S\x1b[16t\x1b[14t\x1b[c"
"""How large a picture in sixel may be and how many colours it may have, how many pixels a cell has, and the window;
last what every terminal answers: what it is, and whether it has sixel."""
SECONDS = 2.0
"""A terminal behind a slow line may take so long to answer; a key ends the waiting."""
REST_SECONDS = 0.1
"""The rest of what begins with Esc comes within that time."""
SIXEL = "4"
SMALL_CELL = (6, 12)
"""Pixels, where nobody tells: what is too small is seen, what is too large scrolls the screen."""
NUMBER = 15
"""None of those that pictures in the transcript get (see placing.py)."""
ROWS_A_TIME = 64
NO_KEY = re.compile(r"\x1b\[(\?[\d;]*[cS]|[46];\d+;\d+t|[IO])")
"""Answers, and what tells of the focus."""

Heard = Literal["key", "answer", "resized", "nothing"]


class Told(NamedTuple):
    """What the terminal has answered so far."""

    has_answered: bool = False
    has_sixel: bool = False
    colors: int = sixel.COLORS
    largest: tuple[int, int] = (10_000, 10_000)
    cell: tuple[int, int] | None = None
    window: tuple[int, int] | None = None
    """All three as width and height in pixels."""


def hear(told: Told, answer: str) -> Told:
    """With one answer more."""
    final = answer[-1]
    numbers = [int(number) for number in re.findall(r"\d+", answer)]
    if final == "c":
        return told._replace(has_answered=True, has_sixel=SIXEL in answer[3:-1].split(";")[1:])
    if final == "S" and numbers[:2] == [1, 0] and len(numbers) == 3:
        return told._replace(colors=max(2, min(numbers[2], sixel.COLORS)))
    if final == "S" and numbers[:2] == [2, 0] and len(numbers) == 4 and all(numbers[2:]):
        return told._replace(largest=(numbers[2], numbers[3]))
    if final == "t" and all(numbers):
        size = (numbers[2], numbers[1])
        return told._replace(cell=size) if numbers[0] == 6 else told._replace(window=size)
    return told


class Shown(NamedTuple):
    """What is to be shown, and what is known of the terminal."""

    data: MimeData
    way: Way
    """How it takes pictures of kitty's."""
    colors: Colors
    look: Callable[[Attribute], str]
    """The sequence that makes a look."""


def view(loop: Frames, shown: Shown) -> str:
    """Show it until a key is pressed; why that cannot be, or nothing.

    Nothing else happens in the UI thread meanwhile. What the session prints waits in the host.
    """
    if fit(shown.data, 1, 1, None) is None:
        return f"{label(shown.data)} cannot be drawn here."
    loop.stop()
    modes = termios.tcgetattr(STDIN)
    tty.setraw(STDIN, termios.TCSADRAIN)
    put(ENTER)
    try:
        with _resizes() as resized:
            return Viewing(shown, resized).run()
    finally:
        put((forgotten(NUMBER, shown.way) if shown.way else "") + LEAVE)
        termios.tcsetattr(STDIN, termios.TCSADRAIN, modes)
        loop.screen_size = None
        loop.start()


@contextmanager
def _resizes() -> Iterator[int]:
    """A descriptor from which something can be read when the window has another size."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = signal.signal(signal.SIGWINCH, lambda *_: _ring(writing))
    try:
        yield reading
    finally:
        signal.signal(signal.SIGWINCH, before)
        os.close(reading)
        os.close(writing)


def _ring(descriptor: int) -> None:
    try:
        os.write(descriptor, b"!")
    except BlockingIOError:
        pass  # a full pipe tells it as well


class Viewing:
    """Has the terminal, in raw mode, for as long as it runs."""

    def __init__(self, shown: Shown, resized: int) -> None:
        self._shown = shown
        self._resized = resized
        self._told = Told()

    def run(self) -> str:
        """Draw it, and anew whenever something is different, until a key is pressed; why not, or nothing."""
        if not self._shown.way and not self._ask():
            return ""
        while not (why := self._draw()) and self._next(None) != "key":
            continue
        return why

    def _ask(self) -> bool:
        """Whether to go on: the terminal has answered, or does not; False if a key is pressed first."""
        put(QUESTIONS)
        deadline = time.monotonic() + SECONDS
        while not self._told.has_answered and (left := deadline - time.monotonic()) > 0:
            if self._next(left) == "key":
                return False
        return True

    def _next(self, seconds: float | None) -> Heard:
        ready, _, _ = select.select([STDIN, self._resized], [], [], seconds)
        if self._resized in ready:
            os.read(self._resized, 4096)
            return "resized"
        if not ready:
            return "nothing"
        told = _token()
        if NO_KEY.fullmatch(told) is None:
            return "key"
        self._told = hear(self._told, told)
        return "answer"

    # --- drawing ---

    def _draw(self) -> str:
        columns, rows = os.get_terminal_size(STDIN)
        told, room = self._told, rows - 1
        foot = f"{label(self._shown.data)} · any key goes back"[: columns - 1]
        put(f"{CLEAR}\x1b[{rows};1H{foot}")
        if self._shown.way and (picture := fit(self._shown.data, columns, min(room, len(MARKS)), None)):
            pieces = self._by_kitty(picture, (columns, room))
        elif told.has_sixel:
            pieces = self._in_sixel(columns, room)
        elif self._shown.colors >= 256:
            pieces = self._in_blocks(columns, room)
        else:
            return "The terminal shows no pictures and has too few colours to draw them."
        try:
            for piece in pieces:
                put(piece)
                if select.select([STDIN, self._resized], [], [], 0)[0]:
                    put(sixel.END)  # in the middle of a picture, maybe; elsewhere it means nothing
                    break
        except ValueError as error:
            return f"{label(self._shown.data)} cannot be drawn here: {error}."
        return ""

    def _by_kitty(self, picture: Picture, room: tuple[int, int]) -> Iterator[str]:
        if not placing.fits(picture):
            yield from self._in_blocks(*room)
            return
        yield from sent(picture, NUMBER, self._shown.way)
        for at in range(picture.rows):
            text, _ = placing.row(picture, NUMBER, at)
            yield f"{_middle(picture.columns, picture.rows, room, at)}\x1b[38;5;{NUMBER}m{text.decode()}\x1b[0m"

    def _in_blocks(self, columns: int, rows: int) -> Iterator[str]:
        picture = fit(self._shown.data, columns, rows, None)
        drawn = rows_of(picture, self._shown.colors) if picture else None
        if picture is None or drawn is None:
            raise ValueError("this kind of PNG is not known here")
        for at, row in enumerate(drawn):
            yield _middle(picture.columns, picture.rows, (columns, rows), at) + self._in_colour(row)

    def _in_colour(self, row: Row) -> str:
        text, attributes = row
        parts, at = [], 0
        for attribute, length in attributes:
            parts += [self._shown.look(attribute), text[at : at + length].decode()]
            at += length
        return "".join(parts) + "\x1b[0m"

    def _in_sixel(self, columns: int, rows: int) -> Iterator[str]:
        told = self._told
        across, down = self._cell(columns, rows + 1)
        width, height = measures(self._shown.data)
        # Behind the picture the cursor goes to the row below it, which must not be beyond the last.
        most = (min(columns * across, told.largest[0]), min(max(1, rows - 1) * down, told.largest[1]))
        scale = min(1.0, most[0] / width, most[1] / height)
        width, height = max(1, int(width * scale)), max(1, int(height * scale))
        drawn = []
        for row in pixels(self._shown.data, width, height):
            drawn.append(row)
            if len(drawn) % ROWS_A_TIME == 0:
                yield ""  # a moment in which a key is heard
        yield _middle(-(-width // across), -(-height // down), (columns, rows), 0)
        yield from sixel.encode(drawn, told.colors)

    def _cell(self, columns: int, rows: int) -> tuple[int, int]:
        """How many pixels a cell has: as the system knows it, or else as the terminal has told."""
        _, _, width, height = struct.unpack("4H", fcntl.ioctl(STDIN, termios.TIOCGWINSZ, bytes(8)))
        if not (width and height):
            if self._told.cell is not None:
                return self._told.cell
            width, height = self._told.window or (0, 0)
        return (width // columns, height // rows) if width >= columns and height >= rows else SMALL_CELL


def _middle(width: int, height: int, room: tuple[int, int], at: int) -> str:
    """To where a row of something of that size begins in the middle of the room."""
    left, above = (max(0, (has - needs) // 2) for has, needs in zip(room, (width, height), strict=True))
    return f"\x1b[{above + at + 1};{left + 1}H"


def _token() -> str:
    """One key, or one answer: no more than that is read, so that what follows is for whoever reads next."""
    data = _byte()
    while data.startswith(b"\x1b") and not _is_whole(data) and select.select([STDIN], [], [], REST_SECONDS)[0]:
        more = _byte()
        if not more:
            break
        data += more
    return data.decode("utf-8", "replace")


def _byte() -> bytes:
    try:
        return os.read(STDIN, 1)
    except OSError:  # the window was closed
        return b""


def _is_whole(data: bytes) -> bool:
    """Whether what begins with Esc is a whole key or answer."""
    if data[1:2] in (b"[", b"O"):
        return len(data) > 2 and 0x40 <= data[-1] <= 0x7E
    return len(data) > 1
