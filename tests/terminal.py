"""A person at a terminal: types, looks at the screen, waits until something is there.

Runs in: tests and benchmarks.
"""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyte

ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[()][0-9A-Z]|\x1b[=>78M]")

# What a terminal answers to the questions that programs put to it; prompt_toolkit waits for the first.
ANSWERS = {b"\x1b[6n": b"\x1b[1;1R", b"\x1b[c": b"\x1b[?62;22c", b"\x1b[0c": b"\x1b[?62;22c"}


class _Screen(pyte.Screen):
    def select_graphic_rendition(self, *attributes: int, private: bool = False) -> None:
        """A sequence of xterm's own, which vim sends, is no colour; pyte takes it for one."""
        if not private:
            super().select_graphic_rendition(*attributes)


class Terminal:
    """A program on a pseudo-terminal of its own. Not thread-safe: its owner reads and writes.

    `emulate=False` keeps the bytes only: for floods, through which an emulator would not come in time.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        size: tuple[int, int] = (100, 30),
        emulate: bool = True,
        answers: Mapping[bytes, bytes] = ANSWERS,
    ) -> None:
        self.text = ""
        """Everything shown so far, without escape sequences."""
        self.raw = ""
        """The same with them."""
        self._screen = _Screen(*size)
        self._stream = pyte.ByteStream(self._screen)
        self._emulate = emulate
        self._answers = answers
        self._held = ""
        self.master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", size[1], size[0], 0, 0))
        environ = {**os.environ, "TERM": "xterm-256color", **(env or {}), "COLUMNS": "", "LINES": ""}
        environ = {name: value for name, value in environ.items() if value}
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            list(command), stdin=slave, stdout=slave, stderr=slave, env=environ, cwd=cwd,
            preexec_fn=lambda: os.login_tty(0),
        )  # fmt: skip
        os.close(slave)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def screen(self) -> str:
        """The screen as a person sees it, a line each."""
        return "\n".join(line.rstrip() for line in self._screen.display)

    def send(self, text: str) -> None:
        """Type."""
        os.write(self.master, text.encode())

    def read(self, seconds: float) -> bool:
        """Take what comes within that time, at least once; False when nothing did, or the program is gone."""
        ready, _, _ = select.select([self.master], [], [], max(0.0, seconds))
        if not ready:
            return False
        try:
            data = os.read(self.master, 1 << 16)
        except OSError:  # EIO: no process has the terminal any more
            return False
        self._take(data)
        return bool(data)

    def wait(self, is_there: Callable[[], object], seconds: float, what: str = "") -> float:
        """Read until that is true; return when it was seen (perf_counter). TimeoutError shows the screen."""
        deadline = time.perf_counter() + seconds
        while not is_there():
            left = deadline - time.perf_counter()
            if left <= 0 or not self.read(left):
                raise TimeoutError(f"waited {seconds} s for {what or is_there}; on the screen:\n{self.view()}")
        return time.perf_counter()

    def wait_text(self, pattern: str, seconds: float = 60.0, start: int = 0) -> float:
        """Wait until the pattern was shown, after the first `start` characters of `text`."""
        found = re.compile(pattern)
        seen = start

        def is_shown() -> bool:
            # A flood is megabytes long: look at what is new, and a little before it.
            nonlocal seen
            match = found.search(self.text, max(start, seen - 500))
            seen = len(self.text)
            return match is not None

        return self.wait(is_shown, seconds, repr(pattern))

    def wait_screen(self, pattern: str, seconds: float = 60.0) -> float:
        """Wait until the pattern is on the screen."""
        found = re.compile(pattern, re.MULTILINE)
        return self.wait(lambda: found.search(self.screen), seconds, repr(pattern))

    def settle(self, quiet: float = 0.05, seconds: float = 5.0) -> None:
        """Read until nothing has come for that long."""
        deadline = time.perf_counter() + seconds
        while time.perf_counter() < deadline and self.read(quiet):
            continue

    def view(self) -> str:
        return self.screen if self._emulate else self.text[-2000:]

    def resize(self, columns: int, rows: int) -> None:
        """What a window manager does."""
        self._screen.resize(rows, columns)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def hang_up(self) -> None:
        """What closing the window does."""
        os.close(self.master)
        self.master = -1

    def close(self) -> None:
        """End the program, if it is there still, and the terminal."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        if self.master >= 0:
            self.hang_up()

    def _take(self, data: bytes) -> None:
        for question, answer in self._answers.items():
            for _ in range(data.count(question)):
                os.write(self.master, answer)
        if self._emulate:
            self._stream.feed(data)
            self.raw += data.decode(errors="replace")
        shown = self._held + data.decode(errors="replace")
        # A sequence may be cut in the middle; keep its beginning for the next time.
        cut = shown.rfind("\x1b", max(0, len(shown) - 40))
        whole = cut < 0 or ESCAPES.match(shown, cut)
        self._held = "" if whole else shown[cut:]
        self.text += ESCAPES.sub("", shown if whole else shown[:cut])
