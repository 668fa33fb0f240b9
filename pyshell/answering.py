"""Lines of standard input for a script's questions, while what it shows goes on.

Runs in: clients (Python 3.11 and newer).

A program of the script's may listen all the time that it works and prints (`docker run -i`): whoever waited here for
its line would show nothing of it. Nothing is read while no question is open, so what is typed then is the shell's.
"""

from __future__ import annotations

import os
import select
import termios
import threading
from collections.abc import Callable
from contextlib import suppress

from pyshell.client import Session
from pyshell.errors import PyshellError

STDIN = 0


class Answers:
    """`ask` and `drop` are called by one thread; another one reads, from the first question on."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._news = threading.Condition()
        self._typed: Callable[[str], None] | None = None
        """Set while a question is open: told the line, and its end, before it is sent."""
        self._data = b""
        self._is_at_end = False
        self._thread = threading.Thread(target=self._serve, name="answers", daemon=True)

    def ask(self, typed: Callable[[str], None], hides_text: bool) -> None:
        """The next line is for this question; of a password our terminal, if there is one, shows nothing."""
        _echo(not hides_text)
        with self._news:
            self._typed = typed
            self._news.notify()
        if self._thread.ident is None:
            self._thread.start()

    def drop(self) -> None:
        """Nobody asks any more."""
        with self._news:
            was_asked, self._typed = self._typed is not None, None
        if was_asked:
            _echo(True)

    def _serve(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._typed is not None)
            if self._is_at_end or b"\n" in self._data:
                self._answer()
            else:
                self._read()

    def _read(self) -> None:
        try:
            select.select([STDIN], [], [])
            with self._news:
                if self._typed is None:
                    return
                piece = os.read(STDIN, 1 << 16)
        except OSError:  # there is none
            piece = b""
        self._data += piece
        self._is_at_end = not piece

    def _answer(self) -> None:
        line, end, rest = self._data.partition(b"\n")
        text = line.decode("utf-8", "replace")
        with self._news:
            typed, self._typed = self._typed, None
        if typed is None:
            return
        _echo(True)
        try:
            if line or end:
                typed(text + "\n")
                self._session.input(text)
            else:
                self._session.input_end()
        except PyshellError:  # nobody asks any more: the line is for the next question
            typed("")
        else:
            self._data = rest


def _echo(is_on: bool) -> None:
    with suppress(termios.error):  # no terminal
        modes = termios.tcgetattr(STDIN)
        if bool(modes[3] & termios.ECHO) != is_on:
            modes[3] ^= termios.ECHO
            termios.tcsetattr(STDIN, termios.TCSADRAIN, modes)
