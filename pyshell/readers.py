"""Ask for events from any number of threads, over a bounded number of connections.

Runs in: clients (Python 3.11 and newer).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pyshell.errors import ConnectionLost, SessionStopped
from pyshell.lanes import MAX_WAITING
from pyshell.protocol import Events, ReadEvents
from pyshell.transport import Link


class Turns:
    """So many may be at it at once; the others come in the order in which they came. For any thread."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._lock = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        """A lock for each who waits: let go, it is his turn."""

    @contextmanager
    def taken(self, seconds: float | None) -> Iterator[bool]:
        """Whether it has become one's turn in that time; None: wait as long as it takes."""
        is_ours = self._take(seconds)
        try:
            yield is_ours
        finally:
            if is_ours:
                self._give_back()

    def _take(self, seconds: float | None) -> bool:
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        is_ours = False
        try:
            is_ours = turn.acquire(timeout=-1 if seconds is None else max(0.0, seconds))
        finally:  # an interrupt is why, too
            if not is_ours:
                is_ours = self._withdraw(turn)
        return is_ours

    def _withdraw(self, turn: threading.Lock) -> bool:
        """Whether it was our turn in the last moment; then it is passed on."""
        with self._lock:
            if turn in self._waiting:
                self._waiting.remove(turn)
                return False
        self._give_back()
        return False

    def _give_back(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1


class Readers:
    """`ask` may be called from any thread. `dial` opens a connection, on which the host answers one at a time."""

    def __init__(self, dial: Callable[[], Link]) -> None:
        self._dial = dial
        self._lock = threading.Lock()
        self._busy: set[Link] = set()
        self._idle: list[Link] = []
        self._closed = False
        # Who only looks is answered at once, and does not wait behind those who wait for something to happen.
        self._looking, self._waiting = Turns(1), Turns(MAX_WAITING - 1)

    def ask(self, question: ReadEvents) -> Events | None:
        """None if the host goes meanwhile, or this is closed. Raises what dialling raises."""
        turns = self._waiting if question.timeout else self._looking
        with turns.taken(question.timeout or None) as is_ours:
            # Who has no turn in that time has missed nothing: those who have one are told of everything, and go.
            return self._ask(question) if is_ours else Events((), question.after, False)

    def _ask(self, question: ReadEvents) -> Events | None:
        link = None
        is_answered = False
        try:
            link = self._borrow()
            batch: Events = link.call("events", question, timeout=None)
            is_answered = True
            return batch
        except (SessionStopped, ConnectionLost):
            if link is None:  # by dialling
                raise
            return None
        finally:
            if link is not None:
                self._give_back(link, is_answered)

    def _borrow(self) -> Link:
        with self._lock:
            link = self._idle.pop() if self._idle else None
        if link is None or link.lost:
            link = self._dial()
        with self._lock:
            self._busy.add(link)
        if self._closed:  # meanwhile, by another thread, which has not seen this one
            link.close()
        return link

    def _give_back(self, link: Link, is_usable: bool) -> None:
        with self._lock:
            self._busy.discard(link)
            if is_usable and not link.lost and not self._closed:
                self._idle.append(link)
                return
        link.close()

    def close(self) -> None:
        """Hang up; who waits is given None."""
        self._closed = True
        with self._lock:
            links = [*self._busy, *self._idle]
        for link in links:
            link.close()
