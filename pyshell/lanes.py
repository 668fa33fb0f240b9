"""Several connections of one client to its host, so that a question which takes long keeps no other one waiting.

Runs in: clients (Python 3.11 and newer).

The host answers what comes over one connection in order, one after the other. What changes something goes over one of
them, so its order is kept; questions go over others; who waits for events has one for himself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from pyshell.errors import CallTimeout, ConnectionLost, PyshellError
from pyshell.protocol import HOST_OPERATIONS, Message, ReadEvents
from pyshell.transport import Link

MAX_WAITING = 32
"""Questions for events that may wait at once for one client; a host has a number of connections for all."""

_LANES = {
    "status": "quick", "complete": "quick", "inspect": "quick", "queue": "quick", "interrupt": "quick",
    "variables": "pages", "children": "pages", "table": "pages", "history": "pages",
    "checkpoints": "pages", "peek": "pages", "diff": "pages", "comms": "pages", "prune": "pages",
    "input": "typing", "keys": "typing",
}  # fmt: skip
"""All others change something."""


class Lanes:
    """`submit` may be called from any thread. `dial` opens a connection."""

    def __init__(self, dial: Callable[[], Link]) -> None:
        self._dial = dial
        self._lock = threading.Lock()
        self._links: dict[str, Link] = {}
        self._waiting: set[Link] = set()
        self._idle: list[Link] = []
        self._closed = False

    def submit(self, operation: str, request: Message) -> Future[Any]:
        """The future gets the reply or the error. Only dialling can take a moment: once for each lane."""
        if operation not in HOST_OPERATIONS:
            raise KeyError(operation)
        if isinstance(request, ReadEvents):
            return self._wait(request) if request.timeout > 0 else self._look(request)
        return self._lane(_LANES.get(operation, "changes")).submit(operation, request)

    def _lane(self, name: str) -> Link:
        with self._lock:
            link = self._links.get(name)
            if link is None or link.lost:
                link = self._links[name] = self._open()
            return link

    def _open(self) -> Link:
        if self._closed:
            raise ConnectionLost("this connection is closed")
        return self._dial()

    def _look(self, request: ReadEvents) -> Future[Any]:
        """What is there already takes no place from those who wait."""
        answer: Future[Any] = Future()
        _submitted(self._lane("pages"), request).add_done_callback(lambda asked: _pass_on(asked, answer))
        return answer

    def _wait(self, request: ReadEvents) -> Future[Any]:
        """Its answer may be cancelled, as that of nothing else: we hang up, and the host stops waiting."""
        link = self._borrow()
        try:
            asked = _submitted(link, request)
        except PyshellError:
            self._put_back(link)
            raise
        answer: Future[Any] = Future()
        answer.add_done_callback(lambda _: self._drop(link) if answer.cancelled() else None)
        asked.add_done_callback(lambda _: self._hand_over(link, asked, answer))
        return answer

    def _hand_over(self, link: Link, asked: Future[Any], answer: Future[Any]) -> None:
        # In this order: who has the answer may ask the next question at once.
        self._put_back(link)
        _pass_on(asked, answer)

    def _borrow(self) -> Link:
        with self._lock:
            if len(self._waiting) >= MAX_WAITING:
                raise CallTimeout(f"{MAX_WAITING} questions for events wait already; read them by one, or subscribe")
            while self._idle and self._idle[-1].lost:
                self._idle.pop()
            link = self._idle.pop() if self._idle else self._open()
            self._waiting.add(link)
        return link

    def _put_back(self, link: Link) -> None:
        with self._lock:
            was_waiting = link in self._waiting
            self._waiting.discard(link)
            if was_waiting and not (link.lost or self._closed):
                self._idle.append(link)
                return
        link.close()

    def _drop(self, link: Link) -> None:
        with self._lock:
            self._waiting.discard(link)
        link.close()

    def close(self) -> None:
        """Hang up; what waits fails with ConnectionLost."""
        with self._lock:
            self._closed = True
            links = [*self._links.values(), *self._waiting, *self._idle]
        for link in links:
            link.close()


def _submitted(link: Link, request: ReadEvents) -> Future[Any]:
    """Also of a connection that is lost by now, which is no other thing than one that is lost a moment later."""
    try:
        return link.submit("events", request)
    except ConnectionLost as exc:
        failed: Future[Any] = Future()
        failed.set_exception(exc)
        return failed


def _pass_on(asked: Future[Any], answer: Future[Any]) -> None:
    if not answer.set_running_or_notify_cancel():
        return
    if (exc := asked.exception()) is not None:
        answer.set_exception(exc)
    else:
        answer.set_result(asked.result())
