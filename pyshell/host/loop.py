"""The host's main loop: functions that other threads post are run one after the other, and timers.

Runs in: host, on its main thread.
"""

from __future__ import annotations

import heapq
import itertools
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, TypeVar

from pyshell.errors import CallTimeout, SessionStopped
from pyshell.inbox import Inbox

T = TypeVar("T")
MAX_TURN = 256
"""Functions that run before the turn ends: what they recorded reaches the disk and the clients then."""


class Loop:
    """Owner: the thread in `run`. `post` and `ask` may be called from any thread, `later` from the owner."""

    def __init__(self) -> None:
        self._posted: Inbox[Callable[[], None]] = Inbox()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._stopping = False
        self._ended = False
        self._asked: set[Future[Any]] = set()
        self._asking = threading.Lock()
        """Guards `_asked` and `_ended`."""

    def post(self, function: Callable[[], None]) -> None:
        """Run `function` soon, after all that was posted before."""
        self._posted.put(function)

    def ask(self, function: Callable[[], T], timeout: float = 30.0) -> T:
        """Run `function` on the owner's thread; return its result or raise its error here.

        SessionStopped if the loop ends before its turn comes; CallTimeout if it does not come in time.
        """
        answer: Future[T] = Future()

        def run() -> None:
            if not answer.set_running_or_notify_cancel():
                return  # nobody waits any more
            try:
                answer.set_result(function())
            except Exception as exc:  # it belongs to whoever asked, not to the loop
                answer.set_exception(exc)

        with self._asking:
            if self._ended:
                raise SessionStopped("the session has ended")
            self._asked.add(answer)
        self.post(run)
        try:
            return answer.result(timeout)
        except CancelledError:
            raise SessionStopped("the session has ended") from None
        except FutureTimeout:
            if answer.cancel():
                raise CallTimeout(f"the session's host had no time to answer within {timeout} s") from None
            return answer.result()
        finally:
            with self._asking:
                self._asked.discard(answer)

    def later(self, seconds: float, function: Callable[[], None]) -> None:
        """Run `function` after so many seconds."""
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._numbers), function))

    def stop(self) -> None:
        """End `run` after this turn."""
        self._stopping = True

    def run(self, after_turn: Callable[[], object]) -> None:
        """Run what is posted, and `after_turn` after each turn, until `stop`."""
        try:
            while not self._stopping:
                self._turn()
                after_turn()
        finally:
            self._end()

    def _end(self) -> None:
        with self._asking:
            self._ended = True
            for answer in self._asked:
                answer.cancel()

    def _turn(self) -> None:
        wait = None
        if self._timers:
            wait = max(0.0, self._timers[0][0] - time.monotonic())
        try:
            function = self._posted.take(wait)
        except queue.Empty:
            self._run_due()
            return
        function()
        for _ in range(MAX_TURN):
            if not self._posted:
                break
            self._posted.take()()
        self._run_due()

    def _run_due(self) -> None:
        while self._timers and self._timers[0][0] <= time.monotonic():
            heapq.heappop(self._timers)[2]()
