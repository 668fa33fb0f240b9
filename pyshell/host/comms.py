"""Comms: which ones the worker has, and what their views say, which waits until no cell runs.

Runs in: host, on the supervisor's thread.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from pyshell.errors import UsageError, WorkerBusy
from pyshell.host.journals.journal import Journal
from pyshell.host.workers.succession import Succession
from pyshell.protocol import (
    COMM_CELL,
    MAX_COMM,
    CellStatus,
    Comm,
    CommDone,
    CommTaken,
    EventBody,
    OpenComm,
    OpenComms,
    QueuedCell,
    SendComm,
)

MAX_WAITING, MAX_WAITING_SIZE = 1000, 64 << 20
"""Messages that wait, and characters in them."""
MAX_NAME = 200
"""Characters of an id, of a target and of who has sent it."""
MAX_LISTED = 10_000


class Hearer(Protocol):
    """What the supervisor is to its comms."""

    def on_turn(self, has_come: bool) -> None:
        """The worker hears a message from here on; or does not any more."""

    def go_on(self) -> None:
        """Something waits; if the worker is idle, let `begin` be called."""


class Comms:
    """Owner: the supervisor's thread."""

    def __init__(self, journal: Journal, succession: Succession, hearer: Hearer) -> None:
        self._journal = journal
        self._succession = succession
        self._hearer = hearer
        self._targets: dict[str, str] = {}
        self._waiting: deque[SendComm] = deque()
        self._heard: SendComm | None = None
        self.running: QueuedCell | None = None
        """What an interrupt is meant for while a message is heard."""

    def send(self, request: SendComm) -> None:
        """Let the worker hear it as soon as no cell runs."""
        said = request.said
        _check(request, self._waiting)
        if said.action == "open":
            self._targets[said.comm] = said.target
        elif said.comm not in self._targets:
            raise UsageError("there is no such comm: its worker has ended, or it was closed; run its cell again")
        elif said.action == "close":
            del self._targets[said.comm]
        self._waiting.append(request)
        self._hearer.go_on()

    def begin(self) -> bool:
        """The worker is idle: let it hear the next message. False if none waits."""
        if not self._waiting:
            return False
        self._heard = self._waiting.popleft()
        self.running = QueuedCell(COMM_CELL, self._heard.client, "")
        self._hearer.on_turn(True)
        self._emit(CommTaken(self._heard.message), self._heard)
        self._succession.send("comm", self._heard)
        return True

    def told(self, body: Comm | CommDone) -> None:
        """The worker says something for its views, or has heard what it was sent."""
        if isinstance(body, CommDone):
            self._end(body.status)
            self._hearer.on_turn(False)
            self._hearer.go_on()
            return
        if body.action == "open":
            self._targets[body.comm] = body.target
        elif body.action == "close":
            self._targets.pop(body.comm, None)
        self._emit(body, self._heard)

    def worker_ended(self) -> None:
        """All comms have ended with it."""
        self._targets.clear()
        self._end("died")
        while self._waiting:
            self._heard = self._waiting.popleft()
            self._end("aborted")

    def listing(self) -> OpenComms:
        return OpenComms(tuple([OpenComm(*pair) for pair in list(self._targets.items())[-MAX_LISTED:]]))

    def _end(self, status: CellStatus) -> None:
        heard, self._heard, self.running = self._heard, None, None
        if heard is not None:
            self._emit(CommDone(heard.message, status), heard)

    def _emit(self, body: EventBody, heard: SendComm | None) -> None:
        client = heard.client if heard is not None else ""
        self._journal.append(body, epoch=self._succession.epoch, cell=None, client=client)


def _check(request: SendComm, waiting: deque[SendComm]) -> None:
    said = request.said
    if max(map(len, (said.comm, said.target, request.message, request.client))) > MAX_NAME:
        raise UsageError(f"a comm's id, its target and its message's id have up to {MAX_NAME} characters")
    if _size(request) > MAX_COMM:
        raise UsageError(f"a message of a comm has up to {MAX_COMM >> 20} MB, its buffers in base64")
    if len(waiting) >= MAX_WAITING or _size(request) + sum(map(_size, waiting)) > MAX_WAITING_SIZE:
        raise WorkerBusy("too much waits for widgets already; a cell runs, or one of them takes long")


def _size(request: SendComm) -> int:
    said = request.said
    return len(said.data) + len(said.metadata) + sum(map(len, said.buffers))
