"""The worker's terminal: a pty that is read at all times, and the marks that order output against reports.

Runs in: host.
"""

from __future__ import annotations

import codecs
import os
import re
import select
import termios
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

from pyshell.host.processes.birth import set_size
from pyshell.host.processes.ordering import ErrorText, Shown
from pyshell.protocol import TerminalUse, TerminalUsed

READ_BYTES = 65536
MAX_WAITING = 32
"""Pieces of output that may wait for the supervisor; then the terminal fills up and the worker waits."""
REMEMBERED = 160_000
"""Bytes kept to find out what a dead worker's last, torn write had delivered."""
_IDLE_MS = 20
LAST_BYTES = 1 << 20
LAST_SECONDS = 2.0
"""What is read at most after the worker's death: the kernel holds less, but a program that the worker left
behind may go on printing for ever."""
STREAM_SECONDS = 0.008
"""Output that follows other output so soon belongs to a stream; nobody sees less than a frame of 60 Hz."""

USE_SECONDS = 0.05
USE_LOOKS = 4
"""Who reads single keys puts the terminal's line editor back between them: that it is back counts after so many
looks without output in between."""

# User code can print the same bytes: a number that is too long for one of ours is just text.
_MARK = re.compile(rb"\x1b\]5379;(?:fence;(\d{1,18})|std(err|out))\x1b\\|\x1b\[\?(?:1049|1047|47)([hl])")
"""A fence, the begin and the end of what is written to sys.stderr, or the alternate screen and its end."""
# What may be the beginning of a mark, or of "\r\n"; too much only waits for the next bytes or 20 ms.
_UNDECIDED = re.compile(
    rb"(?:\x1b(?:\]5?3?7?9?;?(?:f?e?n?c?e?;?\d{0,18}|s?t?d?(?:e?r?r?|o?u?t?))\x1b?|\[(?:\?(?:1(?:0(?:4[79]?)?)?|47?)?)?)?|\r{1,64})\Z"
)


class Splitter:
    """Cut the byte stream of a terminal into text, its uses and fence numbers. Pure: `feed` bytes, get pieces."""

    def __init__(self) -> None:
        self.use: TerminalUse = "lines"
        self._wants_keys = False
        self._is_error = False
        self._held = b""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def look(self, *, wants_keys: bool) -> Iterator[Shown]:
        """Whether the program in front has switched the terminal's line editor off."""
        self._wants_keys = wants_keys
        if self.use != "screen":
            yield from self._change("keys" if wants_keys else "lines")

    def _change(self, use: TerminalUse) -> Iterator[Shown]:
        if use != self.use:
            self.use = use
            yield TerminalUsed(use)

    def feed(self, data: bytes) -> Iterator[Shown | int]:
        data = self._held + data
        undecided = _UNDECIDED.search(data, max(0, len(data) - 64))
        cut = undecided.start() if undecided else len(data)
        self._held = data[cut:]
        yield from self._pieces(data[:cut])

    def flush(self) -> Iterator[Shown | int]:
        """Give out what was held back, because nothing follows."""
        held, self._held = self._held, b""
        yield from self._pieces(held)

    def finish(self, data: bytes) -> str:
        """The end of the stream, which came by another way than the terminal."""
        return re.sub(r"\r+\n", "\n", self._decoder.decode(self._held + data, final=True))

    def _pieces(self, data: bytes) -> Iterator[Shown | int]:
        position = 0
        for match in _MARK.finditer(data):
            if match[3] == b"l":  # the end of the alternate screen is drawn there
                yield from self._text(data[position : match.end()])
                yield from self._change("keys" if self._wants_keys else "lines")
            else:
                yield from self._text(data[position : match.start()])
                if match[2]:
                    self._is_error = match[2] == b"err"
                else:  # the worker itself writes fences: whatever was in front of it no longer is
                    yield from self._change("lines" if match[1] else "screen")
                yield from [int(match[1])] if match[1] else []
            position = match.end() if match[3] != b"h" else match.start()
        yield from self._text(data[position:])

    def _text(self, data: bytes) -> Iterator[str]:
        text = self._decoder.decode(data)
        if self.use == "lines" and "\r" in text:
            text = re.sub(r"\r+\n", "\n", text)
        if text:
            yield ErrorText(text) if self._is_error else text


class Terminal:
    """A pty; `on_piece` is called on the reading thread with text, its uses and fence numbers, in order.

    `on_piece` may take a piece and leave it waiting: the reader stops after MAX_WAITING pieces until
    `taken` is called for them. Owner: the supervisor's thread; `write` and `finish` are for any other.
    """

    def __init__(self, on_piece: Callable[[Shown | int], None], master: int, worker: int) -> None:
        self.master = master
        self._worker = worker
        self._looks = 0
        self._on_piece = on_piece
        self._splitter = Splitter()
        self._room = threading.Semaphore(MAX_WAITING)
        self._bounded = True
        self._recent: deque[bytes] = deque()
        self._recent_bytes = 0
        self._wake_read, self._wake_write = os.pipe()
        self._writing = threading.Lock()
        self._last_read = 0.0
        self._thread = threading.Thread(target=self._run, name="terminal", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def resize(self, columns: int, rows: int) -> None:
        set_size(self.master, columns, rows)

    def write(self, data: bytes, timeout: float = 2.0) -> bool:
        """Type `data`; False if the terminal did not take all of it, because nobody reads it. Any thread."""
        with self._writing:
            while data:
                if self.master < 0:
                    return False
                ended, ready, _ = select.select([self._wake_read], [self.master], [], timeout)
                if ended or not ready:
                    return False
                try:
                    data = data[os.write(self.master, data) :]
                except BlockingIOError:
                    return False
        return True

    @property
    def use(self) -> TerminalUse:
        """How the program in front uses it, as was told last. Any thread."""
        return self._splitter.use

    def foreground(self) -> int:
        """The process group that Ctrl-C reaches; 0 if there is none."""
        try:
            return os.tcgetpgrp(self.master)
        except OSError:
            return 0

    def taken(self) -> None:
        """A piece was dealt with; from any thread."""
        self._room.release()

    def finish(self, unwritten: Callable[[bytes], bytes]) -> str:
        """After the worker's death: read what is left, end the thread, and return the text that it could not write.

        `unwritten` says which bytes those are, given the last ones that came.
        """
        os.write(self._wake_write, b"x")
        # The reader may be waiting for room that only our caller can make.
        self._bounded = False
        self._room.release()
        self._thread.join()
        return self._splitter.finish(unwritten(b"".join(self._recent)))

    def close(self) -> None:
        """After `finish`: hang up on whatever the worker left behind."""
        with self._writing:
            for fd in (self._wake_read, self._wake_write, self.master):
                os.close(fd)
            self.master = -1

    def _run(self) -> None:
        deadline, left = 0.0, LAST_BYTES
        while left > 0 and not (deadline and time.monotonic() > deadline):
            ready = select.select([self.master, *([] if deadline else [self._wake_read])], [], [], _IDLE_MS / 1000)[0]
            if self._wake_read in ready:
                deadline = time.monotonic() + LAST_SECONDS
                continue
            if self.master not in ready:
                self._give(self._splitter.flush())
                if deadline:
                    return
                self._wait_idle()
                continue
            data = self._read()
            if data is None:
                return
            left -= len(data) if deadline else 0
            self._look()
            self._give(self._splitter.feed(data))

    def _wait_idle(self) -> None:
        """Until there is output; meanwhile the program may have changed how it uses the terminal."""
        self._look()
        while not select.select(
            [self.master, self._wake_read], [], [], None if self._splitter.use == "lines" else USE_SECONDS
        )[0]:
            self._looks += 1
            self._look()

    def _look(self) -> None:
        """See whether whoever is in front wants single keys."""
        try:
            wants_keys = not termios.tcgetattr(self.master)[3] & termios.ICANON
        except termios.error:  # the last slave was closed
            return
        if wants_keys or self._splitter.use == "lines":
            self._looks = 0
        else:  # a shell's own programs are in front with the line editor on
            wants_keys = self._looks < USE_LOOKS or self.foreground() not in (0, self._worker)
        self._give(self._splitter.look(wants_keys=wants_keys))

    def _read(self) -> bytes | None:
        """All that is there, up to a bound: fewer and larger events. None at the end.

        The kernel hands a stream over in small pieces. So while one is under way, wait for more of it;
        the first output after a pause goes on at once.
        """
        started = time.monotonic()
        streaming = started - self._last_read < STREAM_SECONDS
        parts: list[bytes] = []
        size = 0
        while size < READ_BYTES:
            try:
                part = os.read(self.master, READ_BYTES)
            except BlockingIOError:
                left = STREAM_SECONDS - (time.monotonic() - started)
                if parts and parts[-1].endswith(b"\x1b\\"):
                    break  # a fence: somebody waits for it
                if streaming and left > 0 and select.select([self.master], [], [], left)[0]:
                    continue
                break
            except OSError:  # EIO: the last slave was closed
                part = b""
            if not part:
                return self._remember(b"".join(parts)) if parts else None
            parts.append(part)
            size += len(part)
        self._last_read = time.monotonic()
        return self._remember(b"".join(parts))

    def _remember(self, data: bytes) -> bytes:
        self._recent.append(data)
        self._recent_bytes += len(data)
        while self._recent_bytes - len(self._recent[0]) > REMEMBERED:
            self._recent_bytes -= len(self._recent.popleft())
        return data

    def _give(self, pieces: Iterator[Shown | int]) -> None:
        for piece in pieces:
            if self._bounded:
                self._room.acquire()
            self._on_piece(piece)
