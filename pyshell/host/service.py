"""Answer clients: let them in, and turn each operation into a call of the supervisor.

Runs in: host, one thread per connection.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import replace
from functools import partial
from typing import Any

from pyshell.errors import RemoteError, TransportError, WorkerBusy
from pyshell.host.admission import line
from pyshell.host.journals.elsewhere import cells_elsewhere
from pyshell.host.journals.journal import Journal
from pyshell.host.loop import Loop
from pyshell.host.processes.static import Static
from pyshell.host.roles import Role
from pyshell.host.saved import timeline
from pyshell.host.saved.checkpoints import Checkpoints
from pyshell.host.saved.unsaved import told_saved
from pyshell.host.supervisor import Supervisor
from pyshell.host.workers.past import never_replayed
from pyshell.protocol import (
    HOST_OPERATIONS,
    CellRef,
    Checkout,
    CheckpointPair,
    CheckpointRef,
    Children,
    Code,
    Completions,
    Contents,
    Difference,
    Events,
    Execute,
    Forgotten,
    History,
    HistoryEntry,
    Input,
    Inspection,
    InterruptReply,
    Keys,
    Label,
    LoadNames,
    Message,
    MoveCell,
    Nothing,
    OpenComms,
    Queue,
    ReadChildren,
    ReadEvents,
    ReadHistory,
    ReadTable,
    ReadVariables,
    Restart,
    Save,
    SendComm,
    Size,
    Status,
    Submitted,
    Table,
    Underway,
    Variables,
)
from pyshell.protocol import Checkpoints as CheckpointList
from pyshell.transport import Answer
from pyshell.typed.cursor import asked

FOLLOWER_SECONDS, FOLLOWER_TURN = 0.1, 0.005
"""Who follows events asks again at once; who has not for so long only reads now and then. Waited for in turns."""
MAX_CELLS_READ = 500
MAX_WAIT = 60.0
LOOK_SECONDS = 1.0
"""How often a thread that waits for events looks whether its client is still there."""
MAX_EVENTS = 2000
MAX_HISTORY = 10_000
HISTORY_BYTES = 4 << 20
WORKER_SECONDS = 0.15
"""How long an answer of the worker's may take; C code may hold its GIL for minutes."""
FIRST_SECONDS = 1.0
"""The same while there is nothing else to answer from: the worker has only begun, and imports what it answers with."""
LIST_SECONDS, PAGE_SECONDS = 1.0, 2.0
"""The same where nobody waits with a finger on a key: for a source and the variables, for a part of a value."""


class HostService:
    """One method per operation of protocol.HOST_OPERATIONS, called on the client's thread."""

    def __init__(self, supervisor: Supervisor, loop: Loop, journal: Journal, checkpoints: Checkpoints) -> None:
        self._supervisor = supervisor
        self._loop = loop
        self._journal = journal
        self._checkpoints = checkpoints
        self._last_asked: dict[int, float] = {}
        self._asking: set[int] = set()
        """Threads of clients that wait for events, or are just being answered."""
        self._static = Static()
        self._late: Future[Any] | None = None
        """What the worker has not answered in time. Until it does who asks waits only for what is left of his time."""
        self._late_since = 0.0

    def status(self, _request: Nothing) -> Status:
        return self._loop.ask(self._status)

    def _status(self) -> Status:
        self._journal.commit()  # the events that it tells of can be read by whoever asked
        return self._supervisor.status()

    def execute(self, request: Execute) -> Submitted:
        return self._loop.ask(lambda: self._supervisor.execute(request))

    def events(self, request: ReadEvents, is_gone: Callable[[], bool] = lambda: False) -> Events:
        self._asking.add(threading.get_ident())
        try:
            return self._events(request, is_gone)
        finally:
            self._asking.discard(threading.get_ident())

    def _events(self, request: ReadEvents, is_gone: Callable[[], bool]) -> Events:
        if not self._wait_for_events(request, is_gone):
            # Not the newest number: an event that comes in this moment must not be passed over.
            return Events((), request.after, False)
        self._last_asked[threading.get_ident()] = time.monotonic()
        # In this order: what comes between two of these lines is read the next time.
        ended = self._journal.ended
        newest = self._journal.newest
        events = self._journal.read(request.after, request.cell, min(max(request.limit, 1), MAX_EVENTS))
        return Events(events, newest, ended)

    def _wait_for_events(self, request: ReadEvents, is_gone: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + min(request.timeout, MAX_WAIT)
        while (left := deadline - time.monotonic()) > 0 and not is_gone():
            if self._journal.wait(request.after, min(left, LOOK_SECONDS)):
                return True
        return self._journal.wait(request.after, 0)

    def queue(self, _request: Nothing) -> Queue:
        return self._loop.ask(self._supervisor.queue)

    def cancel(self, request: CellRef) -> Nothing:
        return self._do(lambda: self._supervisor.cancel(request.cell))

    def move(self, request: MoveCell) -> Nothing:
        return self._do(lambda: self._supervisor.move(request.cell, request.position))

    def release(self, _request: Nothing) -> Nothing:
        return self._do(self._supervisor.release)

    def complete(self, request: Code) -> Completions:
        found: Completions | None = self._from_worker("complete", request, None)
        if found is None:  # so much time has gone by that nobody else is asked
            return self._supervisor.summary.complete(request.code, request.cursor_pos)
        if not found.matches and asked(request.code, request.cursor_pos).kind == "attribute":
            # What a call returns and what a local variable holds nobody knows without reading the code.
            cells = self._journal.history(MAX_CELLS_READ, "") if self._static.is_installed else ()
            found = self._static.complete(cells, request.code, request.cursor_pos) or found
        return found

    def inspect(self, request: Code) -> Inspection:
        seconds = LIST_SECONDS if request.detail else 0.0
        found: Inspection | None = self._from_worker("inspect", request, None, seconds)
        return self._supervisor.summary.inspect(request.code, request.cursor_pos) if found is None else found

    def variables(self, request: ReadVariables) -> Variables:
        found: Variables | None = self._from_worker("variables", request, None, LIST_SECONDS)
        known = self._supervisor.summary.variables(request) if found is None else found
        return told_saved(known, self._loop.ask(self._supervisor.status))

    def children(self, request: ReadChildren) -> Children:
        found: Children = self._from_worker("children", request, Children(False, 0, ()), PAGE_SECONDS)
        return found

    def table(self, request: ReadTable) -> Table:
        found: Table = self._from_worker("table", request, Table(False, "", 0, 0, (), ()), PAGE_SECONDS)
        return found

    def history(self, request: ReadHistory) -> History:
        limit = min(max(request.limit, 0), MAX_HISTORY)
        if request.elsewhere:
            return _bounded(cells_elsewhere(self._journal.path, limit, request.pattern))
        never = never_replayed(self._journal)
        found = self._journal.history(limit, request.pattern)
        return _bounded([replace(entry, never=entry.cell in never) for entry in found])

    def input(self, request: Input) -> Nothing:
        return self._type(line(request))

    def keys(self, request: Keys) -> Nothing:
        return self._type(request.data)

    def resize(self, request: Size) -> Nothing:
        return self._do(lambda: self._supervisor.succession.resize(request))

    def comm(self, request: SendComm) -> Nothing:
        return self._do(lambda: self._supervisor.comms.send(request))

    def comms(self, _request: Nothing) -> OpenComms:
        return self._loop.ask(self._supervisor.comms.listing)

    def interrupt(self, _request: Nothing) -> InterruptReply:
        return self._loop.ask(self._supervisor.interrupt)

    def restart(self, request: Restart) -> Nothing:
        return self._do(lambda: self._supervisor.restart(request))

    def save(self, request: Save) -> Nothing:
        return self._do(lambda: self._supervisor.save(request))

    def checkpoints(self, _request: Nothing) -> CheckpointList:
        return CheckpointList(self._checkpoints.listing())

    def peek(self, request: CheckpointRef) -> Contents:
        with self._checkpoints.reading() as store:
            return timeline.peek(store, request.checkpoint)

    def diff(self, request: CheckpointPair) -> Difference:
        with self._checkpoints.reading() as store:
            return timeline.diff(store, request)

    def checkout(self, request: Checkout) -> Underway:
        if request.way == "checkpoint":
            self._require(request.checkpoint or 0)
        return self._loop.ask(lambda: self._supervisor.begin_travel(request))

    def load(self, request: LoadNames) -> Underway:
        self._require(request.checkpoint)
        return self._loop.ask(lambda: self._supervisor.begin_travel(request))

    def label(self, request: Label) -> Nothing:
        self._checkpoints.label(request.checkpoint, request.label)
        return Nothing()

    def prune(self, _request: Nothing) -> Forgotten:
        done = self._checkpoints.prune()
        return Forgotten(done.checkpoints, done.freed, done.reason)

    def _require(self, checkpoint: int) -> None:
        """CheckpointNotFound before anything is asked of the worker."""
        with self._checkpoints.reading() as store:
            store.manifest(checkpoint)

    def kill(self, _request: Nothing) -> Nothing:
        return self._do(self._supervisor.kill)

    def came(self, pid: int) -> None:
        """A client is let in, on this thread."""
        self._loop.post(partial(count_client, self._supervisor.clients, pid, 1))

    def went(self, pid: int) -> None:
        """The client of this thread is gone."""
        self._last_asked.pop(threading.get_ident(), None)
        self._loop.post(partial(count_client, self._supervisor.clients, pid, -1))

    def linger(self, seconds: float) -> None:
        """Before the end: let those who follow the events get the last of them, as long as they ask for more."""
        begun = time.monotonic()
        asked, quiet = dict(self._last_asked), 0
        if not self._asking and not any(begun - last < FOLLOWER_SECONDS for last in asked.values()):
            return
        # Counted, not measured: on a busy machine our turns are as late as the next question of those who follow.
        while quiet * FOLLOWER_TURN < FOLLOWER_SECONDS and time.monotonic() < begun + seconds:
            time.sleep(FOLLOWER_TURN)
            before, asked = asked, dict(self._last_asked)
            quiet = 0 if self._asking or asked != before else quiet + 1

    def answers(self, is_gone: Callable[[], bool]) -> dict[str, Answer]:
        """For one client; `is_gone` tells whether it has hung up."""
        role = Role()
        answers = {name: role.guarded(name, getattr(self, name, role.look_on)) for name in HOST_OPERATIONS}
        return {**answers, "events": partial(self.events, is_gone=is_gone)}

    def _type(self, data: bytes) -> Nothing:
        """On the client's thread: a terminal that nobody reads makes only this client wait."""
        if not self._loop.ask(self._supervisor.terminal).write(data):
            raise WorkerBusy("nothing reads the worker's terminal at the moment")
        return self._do(self._supervisor.reading.typed)

    def _do(self, function: Callable[[], None]) -> Nothing:
        self._loop.ask(function)
        return Nothing()

    def _from_worker(self, operation: str, request: Message, otherwise: Any, seconds: float = 0.0) -> Any:
        """Ask the worker from the client's thread, so that the loop never waits for the worker's GIL."""
        worker = self._supervisor.succession.worker
        seconds = seconds or (FIRST_SECONDS if self._supervisor.summary.is_empty else WORKER_SECONDS)
        if worker is None or worker.control is None or not self._has_caught_up(seconds):
            return otherwise
        try:
            answer = worker.control.submit(operation, request)
        except TransportError:
            return otherwise
        asked_at = time.monotonic()
        try:
            return answer.result(seconds)
        except FutureTimeout:
            self._late, self._late_since = answer, asked_at
        except (TransportError, RemoteError):
            pass  # it has just ended, or what it looked at is broken
        return otherwise

    def _has_caught_up(self, seconds: float) -> bool:
        """Whether what was late has come. Reading a long source takes a moment, C code may hold the GIL for ever."""
        late, left = self._late, self._late_since + seconds - time.monotonic()
        return late is None or late.done() or (left > 0 and bool(wait([late], left).done))


def count_client(clients: Counter[int], pid: int, change: int) -> None:
    """A connection of that process came (1) or went (-1). On the loop's thread."""
    clients[pid] += change
    if not clients[pid]:
        del clients[pid]


def _bounded(entries: Sequence[HistoryEntry]) -> History:
    """The newest of them, as many as a message holds."""
    kept: list[HistoryEntry] = []
    size = 0
    for entry in reversed(entries):
        size += len(entry.code.encode("utf-8", "replace"))
        if size > HISTORY_BYTES:
            break
        kept.append(entry)
    return History(tuple(reversed(kept)))
