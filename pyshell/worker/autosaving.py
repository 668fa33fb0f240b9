"""Save while a cell runs: a thread looks at the clock, the main thread saves where it stands still between two steps.

Runs in: worker; the clock on a thread of its own, the rest on the main thread.

The thread sends the main thread a signal, as Ctrl-C does: Python handles it between two instructions, or where a call
that waits lets it. There no object is half made. What a library was in the middle of would be saved like that, so for
a second the signal is answered only where the session's own code is at work. SIGURG is what programs ignore that do
not know of it.
"""

from __future__ import annotations

import linecache
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple

from pyshell.inbox import Inbox
from pyshell.worker.interrupts import Interrupts

if TYPE_CHECKING:
    from pyshell.worker.progress import Progress

PATIENCE = 20
"""How often the signal is sent for one save, while it finds the main thread where it should not be saved."""
BETWEEN_SECONDS = 0.05
PAUSE_SHARE, WORK_SHARE = 100, 10
"""The pause for a save takes at most a hundredth of the time, the process that saves a tenth."""
LOOKS = 4
"""How often the clock is looked at in the time between two saves."""


class Midway(NamedTuple):
    """What there is to save in the middle of a cell: how far it is, and how long saving took the last time."""

    cell: int
    line: int


Save = Callable[[Midway], "float | None"]
"""Begins to save; the seconds that the last such save took another process, None: it cannot be now."""


class Autosaving:
    """Owner: the main thread."""

    def __init__(self, interrupts: Interrupts, variables: dict[str, Any], save: Save) -> None:
        self.seconds = self._interval = 0.0
        """Between two saves, as the person wants it."""
        self._interrupts = interrupts
        self.variables = variables
        self._save = save
        self._cell: int | None = None
        self._filename = ""
        self._since = 0.0
        self._patience = 0
        self.pid = os.getpid()
        self.main = threading.get_ident()
        self._handler = self._on_signal
        self._hurry: Inbox[None] = Inbox()
        self.progress: Progress | None = None
        """Made by the first loop that is to go on after a death (looping.py)."""
        self.at_begin: dict[str, Any] | None = None
        """What the cell found, if a loop in it is to go on."""
        self.is_due = False
        """It is time to save. The clock sets it, the save takes it back."""
        self.loops = 0
        """Loops and steps under way, which say themselves where they can be saved (progress.py)."""

    def start(self, seconds: float) -> None:
        """Begin to look at the clock. `seconds` lie between two saves; 0: there are none."""
        global current  # loops find it here: they are called by the user's code
        current = self
        self.seconds = self._interval = seconds
        if seconds > 0:
            signal.signal(signal.SIGURG, self._handler)
            threading.Thread(target=self._watch, name="pyshell-autosave", daemon=True).start()

    def begin(self, cell: int, filename: str) -> None:
        """A cell begins, which is compiled under that name."""
        self._filename = filename
        self._since, self.is_due, self.loops = time.monotonic(), False, 0
        self.at_begin = dict(self.variables) if "_resume" in self.variables else None
        self._cell = cell

    def end(self, ok: bool) -> None:
        """It has ended, and is saved as a whole."""
        self._cell, self.is_due, self.at_begin = None, False, None
        if self.progress is not None:
            self.progress.end_cell(ok)

    # --- the clock -------------------------------------------------------------------------------------

    def hurry(self) -> None:
        """What the cells before the one that runs did waits no more for the save before it. Any thread."""
        if self.seconds > 0:
            self._hurry.put(None)

    def _watch(self) -> None:
        while True:
            is_urgent = self._wait(self._until_next_look())
            if self._cell is not None and (is_urgent or time.monotonic() - self._since >= self._interval):
                self.is_due = True
                self._ask()

    def _until_next_look(self) -> float:
        """No later than the next save is due: one that is due just after a look would have to wait for the next."""
        look, due = self._interval / LOOKS, self._since + self._interval - time.monotonic()
        return min(look, due) if self._cell is not None and due > 0 else look

    def _wait(self, seconds: float) -> bool:
        """Whether it was cut short, because of `hurry`."""
        try:
            self._hurry.take(seconds)
        except queue.Empty:
            return False
        return True

    def _ask(self) -> None:
        self._patience = PATIENCE
        while self.is_due and not self.loops and self._patience and signal.getsignal(signal.SIGURG) is self._handler:
            self._patience -= 1
            signal.pthread_kill(self.main, signal.SIGURG)
            if self._wait(BETWEEN_SECONDS):
                self._patience = PATIENCE

    # --- between two instructions ------------------------------------------------------------------------

    def _on_signal(self, _number: int, frame: FrameType | None) -> None:
        if not self.is_due or self.loops or os.getpid() != self.pid or not self._interrupts.is_at_work(frame):
            return
        if self._is_calm(frame):
            self.save_at(frame)

    def _is_calm(self, frame: FrameType | None) -> bool:
        if frame is None or (self._patience and frame.f_globals is not self.variables):
            return False
        # A list that is being sorted is empty for whoever looks at it meanwhile, as a key written in Python does.
        return not any(map(_may_sort, outwards(frame.f_back)))

    def _line(self, frame: FrameType | None) -> int:
        """Where the cell's code is."""
        places = [outer.f_lineno for outer in outwards(frame) if outer.f_code.co_filename == self._filename]
        return places[0] if places else 1

    def save_at(self, frame: FrameType | None) -> None:
        """Save here, on the main thread."""
        cell, started = self._cell, time.monotonic()
        if cell is None or threading.get_ident() != self.main:
            return
        with self._interrupts:
            try:
                seconds = self._save(Midway(cell, self._line(frame)))
            except Exception:  # it must not be raised in the user's code; the cell's end is saved, or says why not
                seconds = None
        if seconds is None:
            return
        self.is_due, self._since = False, time.monotonic()
        self._interval = max(self.seconds, PAUSE_SHARE * (self._since - started), WORK_SHARE * seconds)


current: Autosaving | None = None
"""This worker's."""


def outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _may_sort(frame: FrameType) -> bool:
    """Whether the line at which this frame waits for another looks like `values.sort(key=…)`."""
    code = frame.f_code
    return "sort" in code.co_names and ".sort(" in linecache.getline(code.co_filename, frame.f_lineno)
