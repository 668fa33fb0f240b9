"""The terminal, as urwid drives it, without losing what was typed while it changed hands.

Runs in: console.
"""

from __future__ import annotations

import codecs
import os
import termios
from collections.abc import Callable
from typing import Any

from urwid.display.raw import Screen

from pyshell.console.keyboard import Pasted

STDIN = 0

PASTE, PASTE_END = b"\x1b[200~", b"\x1b[201~"
INTERRUPT = b"\x03"
_AS_TEXT = {code: None for code in (*range(32), 127) if code != 9} | {10: "\n", 13: "\n"}
"""What becomes of control characters in what is pasted."""


class Display(Screen):
    """urwid's screen. Its way of switching the terminal's mode throws away what has been typed and not been read, each
    time that an editor, a pager or a shell gets the terminal or gives it back; here the keys wait for who reads next.
    """

    def __init__(self) -> None:
        super().__init__(bracketed_paste_mode=True, focus_reporting=True)
        self.hyperlinks = True
        self.era = 0
        """How many times the terminal was taken over."""
        self._mode_before: list[Any] | None = None
        self._has_asked = False
        self._is_switching = False
        self._paste: Paste | None = None

    def parse_input(
        self,
        event_loop: Any,
        callback: Callable[[list[Any], list[int]], Any] | None,
        codes: list[int],
        wait_for_more: bool = True,
    ) -> Any:
        """What is pasted is told in pieces of text: urwid would make keys of it, one by one, for seconds."""
        if callback is None or max(codes, default=0) > 255:
            return super().parse_input(event_loop, callback, codes, wait_for_more)
        data = bytes(codes)
        if self._paste is None:
            end = data.find(PASTE) + len(PASTE)
            if end < len(PASTE):
                return super().parse_input(event_loop, callback, codes, wait_for_more)
            super().parse_input(event_loop, callback, codes[:end], wait_for_more)
            self._paste = Paste()  # not before: a key in front of it may have given the terminal away
        elif data == INTERRUPT:  # its end was lost
            self._paste, end = None, 0
            return super().parse_input(event_loop, callback, codes, wait_for_more)
        else:
            end = 0
        text, raw, rest = self._paste.take(data[end:])
        if raw:
            callback([Pasted(text)], list(raw))
        if rest:
            self._paste = None
            super().parse_input(event_loop, callback, list(rest[: len(PASTE_END)]), wait_for_more)
            if len(rest) > len(PASTE_END):
                self.parse_input(event_loop, callback, list(rest[len(PASTE_END) :]), wait_for_more)
        return None

    def _input_fileno(self) -> int | None:
        """None for urwid when it would switch the mode."""
        return None if self._is_switching else super()._input_fileno()

    def _start(self, *args: Any, **kwargs: Any) -> None:
        """Take the terminal over: at the start, after a suspension, and back from another program."""
        if os.isatty(STDIN):
            self._mode_before = termios.tcgetattr(STDIN)
            termios.tcsetattr(STDIN, termios.TCSANOW, _by_keys(termios.tcgetattr(STDIN)))
        self.era += 1
        self._paste = None
        self._is_switching = True
        super()._start(*args, **kwargs)
        self._is_switching = False

    def _stop(self) -> None:
        self._is_switching = True
        super()._stop()
        self._is_switching = False
        if self._mode_before is not None:
            termios.tcsetattr(STDIN, termios.TCSADRAIN, self._mode_before)

    def _is_real_terminal(self) -> bool:
        return os.isatty(STDIN)

    def _detect_terminal_modes(self) -> None:
        """Ask once: an answer that comes when an editor has the terminal would be typed into its text."""
        if not self._has_asked:
            self._has_asked = True
            super()._detect_terminal_modes()


class Paste:
    """One paste, which comes in pieces that end anywhere."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = b""

    def take(self, data: bytes) -> tuple[str, bytes, bytes]:
        """The text of this piece, its bytes, and all from the end of the paste on, if that is in it."""
        data = self._held + data
        at = data.find(PASTE_END)
        if at < 0:
            at = len(data) - _begun(data)
            self._held, rest = data[at:], b""
        else:
            rest = data[at:]
        return self._decoder.decode(data[:at]).translate(_AS_TEXT), data[:at], rest


def _begun(data: bytes) -> int:
    """How many bytes at the end may be the begin of the end."""
    return next((size for size in range(len(PASTE_END) - 1, 0, -1) if data.endswith(PASTE_END[:size])), 0)


def _by_keys(mode: list[Any]) -> list[Any]:
    """The mode in which each key comes at once and as it is, also those that are signals or stop the output."""
    mode[0] &= ~(termios.ICRNL | termios.IXON)
    mode[3] &= ~(termios.ICANON | termios.ECHO)
    keys = mode[6]
    for key in (termios.VINTR, termios.VQUIT, termios.VSUSP):
        keys[key] = b"\0"
    keys[termios.VMIN], keys[termios.VTIME] = 1, 0
    return mode
