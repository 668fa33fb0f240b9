"""When a SIGINT becomes a KeyboardInterrupt: only while user code runs, never inside our own.

Runs in: worker, on its main thread (where Python runs signal handlers).
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any, TypeVar

from pyshell.blackbox import BlackBox
from pyshell.worker.pickles.leaves import Stopped

T = TypeVar("T")


class Interrupts:
    """Owner: the main thread, which makes it. As a context manager it holds interrupts back; elsewhere it does nothing.

    A class with two short methods, and not contextlib's generator: it is entered for every flush, and an
    interrupt must find it either entered or not.
    """

    def __init__(self, box: BlackBox) -> None:
        self._box = box
        self.cell = 0
        """What `call` is called for. The host sees in the black box that it can hear; else a signal is lost."""
        self._armed = False
        self._limited = self._must_end = False
        self._deferring = 0
        self._missed = False
        self._main = threading.get_ident()
        self._handler = self._on_signal
        self._theirs: Any = None
        self._heard = 0.0
        """When the last signal reached Python, by the monotonic clock."""

    def install(self) -> None:
        signal.signal(signal.SIGINT, self._handler)

    def call(self, function: Callable[[], T]) -> T:
        """Run user code: until it ends, a SIGINT raises KeyboardInterrupt, or calls the user's own handler."""
        outer = self._armed, self._box.running
        self._missed = False
        try:
            self._armed = True
            self._box.running = self.cell
            return self._enter(function)
        finally:
            self._armed, self._box.running = outer
            self._take_back()
            self._catch_up()

    def is_at_work(self, frame: FrameType | None) -> bool:
        """Whether the user's code runs there, and nothing of ours that must not be broken into."""
        return self._armed and not self._deferring and _interrupted(frame) is not _CALL

    def limited(self, function: Callable[[], T]) -> T:
        """Run a value's own code while no cell runs: `end_limited` ends it by Stopped, and no handler hears of it."""
        self._must_end = False
        self._limited = True
        try:
            return function()
        finally:
            self._limited = False

    def end_limited(self) -> None:
        """End what `limited` runs, also where it sleeps. Any thread but the main one."""
        if self._limited and signal.getsignal(signal.SIGINT) is self._handler:
            self._must_end = True
            signal.pthread_kill(self._main, signal.SIGINT)

    def make_hear(self, sent: float) -> None:
        """Signal again if what was sent at that moment has not been heard. Any thread but the main one.

        A signal that comes between Python's last look and a system call that waits is seen when that returns.
        """
        if self._armed and self._heard < sent and signal.getsignal(signal.SIGINT) is self._handler:
            signal.pthread_kill(self._main, signal.SIGINT)

    def _enter(self, function: Callable[[], T]) -> T:
        self._catch_up()
        return function()

    def _catch_up(self) -> None:
        """Strike now, where it is safe to, if a signal came where it was not."""
        if self._missed and self._armed and not self._deferring:
            self._missed = False
            self._strike(None)

    def _take_back(self) -> None:
        """The handler stays ours, and hands on to the user's: that one might raise in the middle of our own work."""
        found = signal.getsignal(signal.SIGINT)
        if found is self._handler or found is None:
            return
        # `continue` leaves pdb's handler behind, which would open the debugger at Ctrl-C in every later cell.
        pdb = sys.modules.get("pdb")
        if pdb is None or getattr(found, "__func__", None) is not pdb.Pdb.sigint_handler:
            self._theirs = found
        signal.signal(signal.SIGINT, self._handler)

    def __enter__(self) -> None:
        if threading.get_ident() == self._main:
            self._deferring += 1

    def __exit__(self, *_: object) -> None:
        if threading.get_ident() != self._main:
            return
        self._deferring -= 1
        self._catch_up()

    def _on_signal(self, _number: int, frame: FrameType | None) -> None:
        self._heard = time.monotonic()
        if self._limited and self._must_end and not self._deferring:
            self._must_end = False
            raise Stopped
        if not self._armed:
            return  # it was meant for a cell that has just ended
        # Up to 3.10 a signal is heard between any two instructions, also before `finally` has begun: raised there, it
        # would leave `call` armed, and the next one would end the worker.
        if self._deferring or _interrupted(frame) is _CALL:
            self._missed = True
            return
        self._missed = False
        self._strike(frame)

    def _strike(self, frame: FrameType | None) -> None:
        theirs = self._theirs
        if theirs is None:
            raise KeyboardInterrupt
        if callable(theirs):
            theirs(signal.SIGINT, frame)
        elif theirs is signal.SIG_DFL:
            signal.signal(signal.SIGINT, theirs)
            os.kill(os.getpid(), signal.SIGINT)


def _interrupted(frame: FrameType | None) -> CodeType | None:
    """The code that runs, apart from the handler itself, which another signal can interrupt."""
    while frame is not None and frame.f_code in _HANDLING:
        frame = frame.f_back
    return None if frame is None else frame.f_code


_CALL = Interrupts.call.__code__
_HANDLING = (Interrupts._on_signal.__code__, _interrupted.__code__)
