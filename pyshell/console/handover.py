"""Lend the person's terminal to a program that draws or reads keys itself, and take it back clean.

Runs in: console.

While it is lent urwid is stopped: what is typed goes to the worker's terminal as it comes, what the program writes goes
out as it comes. The window's size is followed.
"""

from __future__ import annotations

import os
import select
import signal
import termios
import tty
from collections.abc import Callable
from typing import Any, NamedTuple

from pyshell import protocol
from pyshell.console.display import Display
from pyshell.console.farewell import printed
from pyshell.console.frames import Frames
from pyshell.console.model import Model
from pyshell.console.outside import put
from pyshell.console.theme import Colors

STDIN = 0
CHUNK = 65536
TIMES = 3
"""So many times in a row the key that ends typing to a program takes the terminal back from it."""

# What a program may leave behind: colours, a scroll region, keys and marks of its own, the mouse, a hidden cursor. The
# cursor stays where it is: what is written next belongs below.
RESET = (
    "\x1b7\x1b[r\x1b8\x1b[0m\x1b[?1l\x1b>\x1b[?5l\x1b[?7h\x1b[?25h\x1b[4l\x1b(B\x0f"
    "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1004l\x1b[?1005l\x1b[?1006l\x1b[?1015l\x1b[?2004l\x1b[?2026l"
    "\x1b[>4;0m\x1b[0 q"
)
ORIGIN = "\x1b[?6l"
"""Rows count from the screen's top again. It moves the cursor there, so it is for our own screen alone."""
LEAVE_SCREEN = "\x1b[?1049l"


class Lending(NamedTuple):
    """Who is told of what happens meanwhile."""

    typed: Callable[[bytes], None]
    resized: Callable[[], None]
    """Called in a signal handler."""
    taken_back: Callable[[], None]
    """The person has asked for it; the program goes on."""
    end: int = 0x1D
    """The byte with which that is asked for, by itself Ctrl-]."""


class Handover:
    """Owned by the UI thread."""

    def __init__(self, loop: Frames, colors: Colors, lending: Lending) -> None:
        self.is_on = False
        self._loop = loop
        self._colors = colors
        self._lending = lending
        self._cell: int | None = None
        """For which it was lent last, or taken back by the person."""
        self._recent = b""
        self._on_screen = False
        self._shown = 0
        """The lines of the transcript before this one are on the normal screen already, as far as they belong there."""
        self._modes: list[Any] = []
        self._watch: Any = None
        self._previous: Any = None

    def follow(self, model: Model, event: protocol.Event, client: str) -> None:
        """Do what an event asks for, which `model` knows already: only for cells of this client, and once for each."""
        if self.is_on and isinstance(event.body, protocol.Output):
            self.write(event.body.text)
        elif self.is_on and model.terminal == "lines":
            self._shown = model.end - (not model.tail.is_empty)  # the last one may go on
            self.end()
            self._cell = None  # it may want it again
        elif (
            isinstance(event.body, protocol.TerminalUsed)
            and model.terminal != "lines"
            and event.client == client
            and self._cell != model.running
        ):
            self.begin(model)

    def begin(self, model: Model) -> None:
        """Lend it, on the normal screen, below what the cell has shown so far."""
        terminal = STDIN
        self._loop.stop()
        self._modes = termios.tcgetattr(terminal)
        tty.setraw(terminal, termios.TCSADRAIN)
        self._previous = signal.signal(signal.SIGWINCH, lambda *_: self._lending.resized())
        self._watch = self._loop.event_loop.watch_file(terminal, lambda: self._forward(_pending(terminal)))
        self._recent = b""
        self._cell = model.running
        self.is_on = True
        if model.terminal == "keys":
            self.write(_shown(model, self._shown, os.get_terminal_size(terminal).lines - 1, self._colors))

    def write(self, text: str) -> None:
        """What the program writes."""
        if (entered := text.rfind("\x1b[?1049h")) != (left := text.rfind("\x1b[?1049l")):
            self._on_screen = entered > left
        put(text)

    def end(self, *, is_leaving: bool = False) -> None:
        """Take it back, whatever the program has left it like."""
        if not self.is_on:
            return
        self.write((LEAVE_SCREEN if self._on_screen else "") + RESET + ("" if self._on_screen else "\r\n"))
        self.is_on = self._on_screen = False
        self._loop.event_loop.remove_watch_file(self._watch)
        signal.signal(signal.SIGWINCH, self._previous)
        termios.tcsetattr(STDIN, termios.TCSADRAIN, self._modes)
        self._loop.screen_size = None
        if not is_leaving:
            self._loop.start()
            screen = self._loop.screen
            assert isinstance(screen, Display)
            screen.write(ORIGIN)

    def _forward(self, data: bytes) -> None:
        if not data:
            return
        self._recent = (self._recent + data)[-TIMES:]
        self._lending.typed(data)
        if self._recent == bytes([self._lending.end]) * TIMES:
            self.end()
            self._lending.taken_back()


def _shown(model: Model, since: int, rows: int, colors: Colors) -> str:
    """The newest lines of the running cell from `since` on, as a program finds them on a terminal of its own."""
    first = model.end
    oldest = max(model.log.first, since)
    while first > oldest and model.end - first < rows and model.line(first - 1).cell == model.running:
        first -= 1
    text = "\r\n".join([printed(model.line(number), colors) for number in range(first, model.end)])
    return text if model.end > model.log.end else text + "\r\n"


def _pending(terminal: int) -> bytes:
    """What has been typed and not been read."""
    data = b""
    while select.select([terminal], [], [], 0)[0] and (part := os.read(terminal, CHUNK)):
        data += part
    return data
