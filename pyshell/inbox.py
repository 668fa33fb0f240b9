"""A queue with one reader that waits for a time, and comes back.

Runs in: every process (Python 3.10 and newer).

Until Python 3.13 `queue.SimpleQueue.get(timeout=…)` may wait for ever: what is left of the time is negative by its
second look when the machine is busy, which stands for no limit there.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import suppress
from queue import Empty
from typing import Generic, TypeVar

T = TypeVar("T")


class Inbox(Generic[T]):
    """Owner: the thread that takes. Any thread may `put`, and so may a signal's handler."""

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._arrived = threading.Lock()
        """Taken while nothing has arrived since the owner's last look."""
        self._arrived.acquire()

    def __bool__(self) -> bool:
        return bool(self._items)

    def put(self, item: T) -> None:
        """Behind all others."""
        self._items.append(item)
        with suppress(RuntimeError):  # the owner has not looked since the one before
            self._arrived.release()

    def take(self, seconds: float | None = None) -> T:
        """The first; queue.Empty if none comes in that time. None: wait for as long as it takes."""
        if not self._items:
            deadline = time.monotonic() + (seconds or 0.0)
            while not self._items and self._arrived.acquire(timeout=_left(seconds, deadline)):
                pass
        if not self._items:
            raise Empty
        return self._items.popleft()


def _left(seconds: float | None, deadline: float) -> float:
    """As lock.acquire() has it: -1 for ever."""
    return -1 if seconds is None else max(0.0, deadline - time.monotonic())
