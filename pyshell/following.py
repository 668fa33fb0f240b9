"""Show what the cells of a script show, answer what they ask, and tell how they end.

Runs in: clients (Python 3.11 and newer).
"""

from __future__ import annotations

import re
import signal
import sys
from typing import TextIO

from pyshell.answering import Answers
from pyshell.client import Session
from pyshell.protocol import (
    Died,
    Error,
    Event,
    Finished,
    InputDone,
    InputRequest,
    Message,
    Notice,
    Output,
    Result,
    Stream,
)

_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[@-Z\\-_])")


class Following:
    """What one cell shows, and how it ends."""

    def __init__(self, session: Session, streams: Streams, answers: Answers) -> None:
        self._session = session
        self._streams = streams
        self._answers = answers
        self._echo = ""
        self.status = 0
        self.is_over = False

    def is_last(self, event: Event) -> bool:
        body: Message = event.body
        if isinstance(body, Output):
            self._streams.write(self._without_echo(body.text), body.stream)
        elif isinstance(body, Result):
            self._streams.write(body.text + "\n")
        elif isinstance(body, Error):
            self._take_error(body)
        elif isinstance(body, Died):
            say(body.exit.reason)
            number = getattr(signal, body.exit.signal or "", None)
            self.status = 128 + int(number) if number is not None else 1
        elif isinstance(body, Notice):
            say(body.text)
        elif isinstance(body, InputRequest):
            self._streams.pause()
            self._answers.ask(self._hidden if body.password else self._typed, body.password)
        elif isinstance(body, InputDone):
            self._answers.drop()
        elif isinstance(body, Finished):
            self._answers.drop()
            self._end(body.status)
            return True
        return False

    def _take_error(self, body: Error) -> None:
        error = body.error
        self.status = 130 if error.kind == "KeyboardInterrupt" else 1
        if error.kind != "SystemExit":
            if not body.printed:
                self._streams.write(error.traceback, "stderr")
            return
        self.is_over = True
        is_number = error.message.removeprefix("-").isdecimal()
        self.status = int(error.message) & 0xFF if is_number else int(error.message not in ("", "None"))
        if self.status and not is_number:
            self._streams.write(error.message + "\n", "stderr")

    def _end(self, status: str) -> None:
        if status != "ok":
            if not self.is_over:
                again = "start it again to go on" if status == "died" else "mend that and start it again, or mend the"
                rest = "" if status == "died" else " variables (attach) and go on with --resume"
                say(f'the script stopped; {again}{rest}. "pyshell attach -t {self._session.name}" looks at it')
            self.is_over = True
            self.status = self.status or (0 if status == "ok" else self.status)

    def _typed(self, line: str) -> None:
        self._echo = line

    def _hidden(self, _line: str) -> None:
        self._echo = ""

    def _without_echo(self, text: str) -> str:
        """The worker's terminal shows what is typed; ours has done so, or there is none."""
        while self._echo and text:
            if text[0] != "\r":
                self._echo = self._echo[1:] if text[0] == self._echo[0] else ""
            text = text[1:]
        return text


class Streams:
    """Standard output and standard error, each with what the script writes there."""

    def __init__(self) -> None:
        self._screens: dict[Stream, Screen] = {"stdout": Screen(sys.stdout), "stderr": Screen(sys.stderr)}

    def write(self, text: str, stream: Stream = "stdout") -> None:
        self._screens[stream].write(text)

    def pause(self) -> None:
        """Something else is about to be written, or read."""
        for screen in self._screens.values():
            screen.pause()


class Screen:
    """Where output goes: as it is to a terminal, as lines of plain text to anything else."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_plain = not stream.isatty()
        self._line = ""

    def write(self, text: str) -> None:
        if self._is_plain:
            *lines, self._line = (self._line + text).replace("\r\n", "\n").split("\n")
            text = "".join(f"{plain(line)}\n" for line in lines)
        self._stream.write(text)
        self._stream.flush()

    def pause(self) -> None:
        """Something else is about to be written, or read."""
        if self._line:
            self._stream.write(plain(self._line))
            self._stream.flush()
            self._line = ""


def plain(line: str) -> str:
    """A line without colours, and as it looks in the end where it was written over."""
    return _ESCAPES.sub("", line).rstrip("\r").rpartition("\r")[2]


def say(text: str) -> None:
    sys.stderr.write(f"pyshell: {text}\n")
    sys.stderr.flush()
