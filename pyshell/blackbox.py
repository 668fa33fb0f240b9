"""The black box: memory that the worker and the host share, readable when the worker is dead.

Runs in: host and worker (Python 3.10 and newer).

    offset      size  content
    0           4     start: bytes of the tail that the terminal has already taken
    4           4     end: bytes of the tail that are valid
    8           4     1 while a write to the terminal is under way
    12          4     the cell whose code runs: an interrupt reaches it; 0 for none
    16          4     groups of the restored checkpoint that are still to be loaded
    20          4     how often the loading of one of these has begun
    64          960   the name or group that is being saved (UTF-8, NUL-terminated)
    1024        960   the group that is being loaded (the same)
    2048        960   the name whose value is pickled in the worker itself (the same)
    4096        65536 the tail: output that was printed but not yet written to the terminal

It is what lets the worker collect output for some milliseconds (a terminal takes single lines five
times slower) although not a byte may be missing after a `kill -9`.
"""

from __future__ import annotations

import mmap
import os
import sys

TAIL_SIZE = 65536
SAVING, LOADING, SLICING = 64, 1024, 2048
"""The places of the three breadcrumbs."""
_CRUMB_SIZE = 960
_TAIL = 4096
_SIZE = _TAIL + TAIL_SIZE

_write = os.write
"""The real one: in a worker the user's flushes the streams first, which would come back here."""


def create() -> int:
    """Return a file descriptor of a new black box; it vanishes with its last user."""
    fd = create_file("pyshell-blackbox")
    os.ftruncate(fd, _SIZE)
    return fd


def create_file(name: str) -> int:
    """Return a file descriptor of a new, empty file that has no path; it vanishes with its last user."""
    if sys.platform == "linux":
        fd = os.memfd_create(name)
    else:
        import tempfile  # not on Linux, where a worker is started before anything big is imported

        fd, path = tempfile.mkstemp()
        os.unlink(path)
    return fd


class BlackBox:
    """A view of the shared memory. The worker writes under its output lock; the host reads after its death."""

    def __init__(self, fd: int) -> None:
        self.memory = mmap.mmap(fd, _SIZE)
        self._words = memoryview(self.memory).cast("I")

    def append(self, data: bytes) -> int:
        """Add to the tail; return its new end, or 0 if there is no room."""
        start = self._words[1]
        end = start + len(data)
        if end > TAIL_SIZE:
            return 0
        self.memory[_TAIL + start : _TAIL + end] = data
        # Written after the bytes it covers: whatever kills us here, `end` never counts garbage.
        self._words[1] = end
        return end

    @property
    def running(self) -> int:
        """The cell whose code runs, 0 for none."""
        return self._words[3]

    @running.setter
    def running(self, cell: int) -> None:
        self._words[3] = cell

    @property
    def unloaded(self) -> int:
        """How many groups of the restored checkpoint are still to be loaded."""
        return self._words[4]

    @unloaded.setter
    def unloaded(self, groups: int) -> None:
        self._words[4] = groups

    @property
    def begun(self) -> int:
        """How often the loading of one of these has begun."""
        return self._words[5]

    @begun.setter
    def begun(self, times: int) -> None:
        self._words[5] = times & 0xFFFFFFFF

    @property
    def pending(self) -> int:
        return max(0, self._words[1] - self._words[0])

    def drain(self, fd: int) -> None:
        """Write the tail to `fd`; what was not taken stays, also when the write raises."""
        while (start := self._words[0]) < (end := self._words[1]):
            self._words[2] = 1
            try:
                taken = _write(fd, self.memory[_TAIL + start : _TAIL + end])
                self._words[0] = start + taken
            finally:
                self._words[2] = 0
        self.clear()

    def take(self) -> bytes:
        """Remove and return the tail."""
        data = self.memory[_TAIL + self._words[0] : _TAIL + self._words[1]]
        self.clear()
        return data

    def clear(self) -> None:
        # In this order: a reader in between sees nothing, instead of all of it once more.
        self._words[1] = 0
        self._words[0] = 0

    def unwritten(self, received: bytes) -> bytes:
        """The dead worker's output that the terminal did not get, given the last bytes that it did get."""
        tail = self.memory[_TAIL + self._words[0] : _TAIL + self._words[1]]
        if not self._words[2]:
            return tail
        # Death struck inside a write: the terminal may have taken any part of it.
        # It turns \n into \r\n, unless the program has put it into raw mode.
        return tail[max(_taken(received, tail, b"\r\n"), _taken(received, tail, b"\n")) :]

    def drop_crumb(self, place: int, text: str) -> None:
        """Note what is being worked on at `place` (SAVING or LOADING); empty when nothing is."""
        data = text.encode("utf-8", "backslashreplace")[: _CRUMB_SIZE - 1] + b"\0"
        self.memory[place : place + len(data)] = data

    def crumb(self, place: int) -> str:
        raw = self.memory[place : place + _CRUMB_SIZE]
        # A worker that writes where it should not may have left anything here.
        return raw.partition(b"\0")[0].decode("utf-8", "replace")


def _taken(received: bytes, tail: bytes, newline: bytes) -> int:
    """How many bytes of `tail` are the end of `received`, as far as can be told from the text."""
    shown = tail.replace(b"\n", newline)
    return len(shown[: _overlap(received[-len(shown) :], shown)].replace(newline, b"\n")) if shown else 0


def _overlap(received: bytes, text: bytes) -> int:
    """The length of the longest beginning of `text` that `received` ends with (Knuth, Morris and Pratt 1977)."""
    borders = [0] * len(text)
    length = 0
    for index in range(1, len(text)):
        while length and text[index] != text[length]:
            length = borders[length - 1]
        length += text[index] == text[length]
        borders[index] = length
    length = 0
    for byte in received:
        while length and (length == len(text) or byte != text[length]):
            length = borders[length - 1]
        length += byte == text[length]
    return length
