"""The worker's standard streams: fast on a terminal, and complete to the last byte.

Runs in: worker.

A terminal takes 80,000 single lines a second, or 50 MB/s in larger pieces. So bursts are collected in
the black box, where the host finds them if the worker dies, and written some milliseconds later. The
first lines of a burst go out at once: a loop that prints and starts programs keeps its order.
"""

from __future__ import annotations

import _posixsubprocess
import builtins
import contextlib
import functools
import getpass
import io
import os
import queue
import select
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable
from typing import Any

from pyshell.blackbox import BlackBox
from pyshell.protocol import InputDone, InputRequest, Output, Stream
from pyshell.worker.interrupts import Interrupts

BURST_SECONDS = 0.01
BURST_LINES = 50
"""Lines in BURST_SECONDS that are written at once; starting a program takes over a millisecond, so
a loop that does so is never taken for a burst."""
FLUSH_SECONDS = 0.008
FLUSH_BYTES = 32768
MAX_PROMPT = 10_000
MAX_PIECE = 1 << 20

_ERROR = b"\x1b]5379;stderr\x1b\\", b"\x1b]5379;stdout\x1b\\"
"""Around what is written to sys.stderr: tell the host which of the terminal's text that is."""

_write = os.write
"""The real one: the user's flushes our streams first."""

Announce = Callable[..., None]
"""Takes a report's body, and a fence that it follows."""
Show = Callable[..., bool]
"""Writes the prompt of a question whose other arguments are given, too; whether it has."""

elsewhere: dict[int, Callable[[Stream, bytes], None]] = {}
"""Threads whose output does not go to the terminal, by their numbers; no bytes at all: what is there goes out now."""


class TerminalOutput(io.BufferedIOBase):
    """What `sys.stdout.buffer` is. Any thread may write; one lock guards the tail."""

    mode = "wb"
    name = "<stdout>"

    def __init__(self, box: BlackBox, announce: Announce, interrupts: Interrupts) -> None:
        self._box = box
        self._announce = announce
        self._interrupts = interrupts
        # Fences go to the terminal even when the user's code has redirected descriptor 1.
        self._terminal = os.dup(1)
        self._device = os.fstat(1).st_rdev
        self._modes = self._read_modes()
        self._lock = threading.RLock()
        self._is_child = False
        self._childs_line = b""
        self._window = 0.0
        self._lines = 0
        self._bursting = False
        self._fences = 0
        # Not an Event: an interrupt in the middle of its set() can leave its lock locked for ever.
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._awake = False
        os.register_at_fork(before=self._before_fork, after_in_parent=self._lock.release, after_in_child=self._in_child)
        threading.Thread(target=self._flush_late, name="pyshell-flusher", daemon=True).start()

    def write(self, data: Any, /) -> int:
        # Twice for every print: what is not needed in a burst is not done in a burst.
        raw = data if type(data) is bytes else memoryview(data).tobytes()
        if elsewhere and (take := elsewhere.get(threading.get_ident())) is not None:
            take("stdout", raw)
            return len(raw)
        with self._lock:
            if self._is_child:
                self._write_as_child(raw)
            elif (end := self._box.append(raw)) == 0:
                self.flush()
                self._write_all(raw)
            elif end > FLUSH_BYTES:
                self.flush()
            elif not self._bursting:
                self._write_calmly(raw)
        return len(raw)

    def _write_calmly(self, raw: bytes) -> None:
        """Lines go out at once, parts of lines a little later."""
        if b"\n" in raw:
            if not self._begins_burst():
                self.flush()
                return
            self._bursting = True
        if not self._awake:
            self._wake.put(None)
            self._awake = True

    def _write_as_child(self, raw: bytes) -> None:
        # Whole lines: print() brings the text and its newline apart, and a parent or sibling may print too.
        self._childs_line += raw
        if b"\n" in raw or len(self._childs_line) > FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        if elsewhere and (take := elsewhere.get(threading.get_ident())) is not None:
            take("stdout", b"")
        if self._is_child:
            line, self._childs_line = self._childs_line, b""
            self._write_all(line)
            return
        # An interrupt between the write and the note of how much was taken would print text twice.
        with self._lock, self._interrupts:
            try:
                self._box.drain(1)
            except OSError:
                self._save_for_next_host(self._box.take())

    def _read_modes(self) -> list[Any]:
        try:
            return termios.tcgetattr(self._terminal)
        except termios.error:  # the host has hung up
            return []

    def put_back_modes(self) -> None:
        """After a cell: it may have left the terminal without echo or lines, or a program that was killed has."""
        if self._modes and self._read_modes() != self._modes:
            with contextlib.suppress(OSError, termios.error):
                if os.tcgetpgrp(self._terminal) == os.getpgrp():  # who is not in front would be stopped
                    termios.tcsetattr(self._terminal, termios.TCSADRAIN, self._modes)

    def fence(self) -> int:
        """Mark the place in the output that has been reached; return the mark's number."""
        with self._lock, self._interrupts:
            self.flush()
            if self._is_child:
                return 0  # the parent counts on
            self._fences += 1
            try:
                _write(self._terminal, b"\x1b]5379;fence;%d\x1b\\" % self._fences)
            except OSError:
                return 0  # the host is gone: nobody compares
            return self._fences

    def is_terminal(self, fd: int) -> bool:
        """Whether that is this terminal, and not what the user's code has put in its place."""
        try:
            return os.fstat(fd).st_rdev == self._device
        except OSError:
            return False

    def fileno(self) -> int:
        return 1

    def isatty(self) -> bool:
        return os.isatty(1)

    def writable(self) -> bool:
        return True

    def _begins_burst(self) -> bool:
        now = time.monotonic()
        if now - self._window > BURST_SECONDS:
            self._window = now
            self._lines = 0
        self._lines += 1
        return self._lines > BURST_LINES

    def _flush_late(self) -> None:
        while True:
            self._wake.get()
            time.sleep(FLUSH_SECONDS)
            while self._bursting and self._box.pending:
                self.flush()
                time.sleep(FLUSH_SECONDS)  # as long as there is more each time, writers need not wake this thread
            with self._lock:
                self._awake = False
                self._bursting = False
                self.flush()

    def _write_all(self, data: bytes) -> None:
        try:
            while data:
                data = data[_write(1, data) :]
        except OSError:
            self._save_for_next_host(data)

    def _save_for_next_host(self, data: bytes) -> None:
        # The terminal is hung up because the host was killed. The cell goes on.
        for start in range(0, len(data), MAX_PIECE):
            self._announce(Output(data[start : start + MAX_PIECE].decode("utf-8", "replace")))

    def _before_fork(self) -> None:
        self._lock.acquire()
        self.flush()

    def _in_child(self) -> None:
        # The black box is the parent's: what a child took out of it would be lost.
        self._is_child = True
        self._lock = threading.RLock()


class TerminalError(io.BufferedIOBase):
    """What `sys.stderr.buffer` is: unbuffered, and after everything that was printed before."""

    mode = "wb"
    name = "<stderr>"

    def __init__(self, output: TerminalOutput) -> None:
        self._output = output

    def write(self, data: Any, /) -> int:
        raw = memoryview(data).tobytes()
        if elsewhere and (take := elsewhere.get(threading.get_ident())) is not None:
            take("stderr", raw)
            return len(raw)
        self._output.flush()
        rest = _ERROR[0] + raw + _ERROR[1] if self._output.is_terminal(2) else raw
        try:
            while rest:
                rest = rest[_write(2, rest) :]
        except OSError:
            self._output._save_for_next_host(rest.removeprefix(_ERROR[0]).removesuffix(_ERROR[1]))
        return len(raw)

    def fileno(self) -> int:
        return 2

    def isatty(self) -> bool:
        return os.isatty(2)

    def writable(self) -> bool:
        return True


class TerminalInput(io.FileIO):
    """What `sys.stdin.buffer.raw` is: tells the host before it waits for a line."""

    def __init__(self, output: TerminalOutput, announce: Announce) -> None:
        super().__init__(0, "r", closefd=False)
        self.name = "<stdin>"
        self._output = output
        self._announce = announce

    def readinto(self, buffer: Any, /) -> int:
        _check_in_front()
        if select.select([0], [], [], 0)[0]:
            return super().readinto(buffer) or 0
        self._announce(InputRequest("", False), self._output.fence())  # after what was printed before it
        try:
            return super().readinto(buffer) or 0
        finally:
            self._announce(InputDone())

    def readall(self) -> bytes:
        # FileIO's own reads without asking readinto: a sys.stdin.read() would wait unannounced.
        data = b""
        buffer = bytearray(4096)
        while count := self.readinto(buffer):
            data += buffer[:count]
        return data


def install(box: BlackBox, announce: Announce, interrupts: Interrupts) -> TerminalOutput:
    """Put the streams in place of sys.stdin, sys.stdout and sys.stderr, and announce every wait for input."""
    output = TerminalOutput(box, announce, interrupts)
    sys.stdout = sys.__stdout__ = io.TextIOWrapper(output, "utf-8", write_through=True)  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = io.TextIOWrapper(  # type: ignore[misc]
        TerminalError(output), "utf-8", "backslashreplace", write_through=True
    )
    sys.stdin = sys.__stdin__ = io.TextIOWrapper(  # type: ignore[misc]
        io.BufferedReader(TerminalInput(output, announce)), "utf-8"
    )
    for stream, mode in ((sys.stdin, "r"), (sys.stdout, "w"), (sys.stderr, "w")):
        stream.mode = mode  # type: ignore[misc]
    _replace(builtins, "input", lambda ask: _announced(ask, False, _show_for_input, output, announce))
    # Not around getpass(): it throws away what is typed before it has switched the echo off, and then calls this.
    _replace(getpass, "_raw_input", lambda ask: _announced(ask, True, _show_for_getpass, output, announce))
    _flush_before_others(output)
    return output


def _check_in_front() -> None:
    """A cell in the background would take the line that is typed for another."""
    if threading.get_ident() in elsewhere:
        raise EOFError("a cell in the background cannot ask for input; run it without ;;")


def _announced(ask: Any, password: bool, show: Show, output: TerminalOutput, announce: Announce) -> Any:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        _check_in_front()
        prompt = str.__str__(str(args[0] if args else kwargs.get("prompt", "")))
        with contextlib.suppress(AttributeError, ValueError):  # no stdout, or a closed one: `ask` says it better
            sys.stdout.flush()
        fence = output.fence()
        # Before anybody is told: what is answered at once would be echoed in front of the prompt.
        if prompt and show(prompt, *args[1:], **kwargs):
            args = ("", *args[1:])
        announce(InputRequest(prompt[:MAX_PROMPT], password), fence)
        try:
            return ask(*args, **kwargs)
        finally:
            announce(InputDone())

    return wrapper


def _show_for_input(prompt: str, *args: Any, **kwargs: Any) -> bool:
    """Write it as input() would; False leaves it to that: readline wants it, or something is wrong or not ours."""
    is_ours = sys.stdout is sys.__stdout__ and sys.stdin is sys.__stdin__
    if args or kwargs or not is_ours or "\0" in prompt or "readline" in sys.modules:
        return False
    sys.stdout.write(prompt)
    sys.stdout.flush()
    return True


def _show_for_getpass(prompt: str, stream: Any = None, **kwargs: Any) -> bool:
    """Write it as getpass would; False leaves it to that."""
    if stream is None or "prompt" in kwargs:
        return False
    try:
        stream.write(prompt)
    except UnicodeEncodeError:
        return False
    stream.flush()
    return True


def _flush_before_others(output: TerminalOutput) -> None:
    """What writes to the terminal by itself, or takes our descriptor away, comes after what was printed before."""

    def flushing(start: Any) -> Any:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            output.flush()
            return start(*args, **kwargs)

        return wrapper

    def write(fd: int, data: Any, /) -> int:
        if fd == 1 or fd == 2:
            output.flush()
        return _write(fd, data)

    for name in ("system", "posix_spawn", "posix_spawnp", "execv", "execve", "dup2"):
        _replace(os, name, flushing)
    _replace(_posixsubprocess, "fork_exec", flushing)
    _replace(subprocess, "_fork_exec", flushing)
    _replace(os, "write", lambda _: write)


def _replace(module: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Put `make(original)` in its place; pickled by reference, as the original is."""
    original = getattr(module, name, None)
    if original is None:
        return  # subprocess has its own name for fork_exec from 3.11 on
    made = functools.wraps(original)(make(original))
    made.__module__, made.__name__, made.__qualname__ = module.__name__, name, name
    setattr(module, name, made)
