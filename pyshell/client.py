"""Session: what every client uses to reach a host, the console included.

Runs in: clients (Python 3.11 and newer).
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Any

from pyshell import handshake, syntax
from pyshell.errors import CallTimeout, ConnectionLost, SessionNotFound, SessionStopped, UsageError
from pyshell.gathering import Gathering, Reading, has_passed
from pyshell.gathering import Reply as Reply
from pyshell.interpreters import checked
from pyshell.lanes import Lanes
from pyshell.paths import SessionPaths
from pyshell.protocol import (
    HOST_OPERATIONS,
    CellRef,
    Children,
    Code,
    Comm,
    CompletenessReply,
    Completions,
    Event,
    Execute,
    HistoryEntry,
    Input,
    Inspection,
    Keys,
    Message,
    MoveCell,
    Nothing,
    OpenComm,
    OpenComms,
    Queue,
    ReadChildren,
    ReadHistory,
    ReadTable,
    ReadVariables,
    Restart,
    SendComm,
    Size,
    State,
    Status,
    Table,
    Variable,
    Variables,
)
from pyshell.readers import Readers
from pyshell.timeline import Timeline
from pyshell.transport import Link

PAGE = 1000
"""Names that are asked for at once."""
KILL_SECONDS = 120.0
"""How long a session may take to end; a save that is under way is waited for."""


def why_lost(paths: SessionPaths) -> ConnectionLost | SessionStopped:
    """What to raise when a host is gone. One that ends in order removes its token."""
    if paths.token.exists():
        return ConnectionLost(f'the host of the session "{paths.name}" is gone; attach again')
    return SessionStopped(f'the session "{paths.name}" has ended')


class Session(Timeline):
    """A connection to one session. Safe to use from several threads. Leaving it leaves the session running."""

    def __init__(self, paths: SessionPaths, client: str | None = None, read_only: bool = False) -> None:
        """Connect to a running host; SessionNotFound if there is none. With `read_only` the host lets us look only."""
        self.name = paths.name
        self.client = client or f"pid {os.getpid()}"
        self.is_read_only = read_only
        self._paths = paths
        self._control, self._serving = self._dial()
        self._readers = Readers(self._dial_again)
        self._lanes = Lanes(self._dial_again)
        self._closed = False

    def _dial(self) -> tuple[Link, threading.Thread]:
        try:
            sock = handshake.dial(self._paths.socket, self._paths.token)
        except (FileNotFoundError, ConnectionRefusedError):
            raise SessionNotFound(
                f'no session "{self.name}" is running; start it with "pyshell new -s {self.name}"'
            ) from None
        link = Link(sock, asks=HOST_OPERATIONS)
        serving = link.start("pyshell-client")
        if self.is_read_only:
            link.call("look_on", Nothing())
        return link, serving

    def _dial_again(self) -> Link:
        """Another connection. It was there when this one was made, so it has ended if it cannot be had."""
        try:
            return self._dial()[0]
        except SessionNotFound:
            raise why_lost(self._paths) from None

    def submit(self, operation: str, request: Message) -> Future[Any]:
        """Ask the host for any operation of `protocol.HOST_OPERATIONS`; the future gets its reply or its error.

        What takes long keeps nothing else waiting. What changes something is done in the order in which it is asked,
        among the requests that are made by this method.
        """
        return self._lanes.submit(operation, request)

    # --- cells ------------------------------------------------------------------------------------------

    def execute(
        self, code: str, *, file: str = "", line: int = 1, column: int = 0, expressions: Sequence[str] = ()
    ) -> int:
        """Queue a cell and return its number at once.

        Of a piece of a file, `line` (from 1) and `column` (from 0, in characters) say where in it the code begins:
        tracebacks then name that file, and its lines. `expressions` are evaluated after it if it ends well: each gives
        an `evaluated` event, in their order.
        """
        request = Execute(code, self.client, file, line, column, tuple(expressions))
        return int(self._control.call("execute", request).cell)

    def run(self, code: str, timeout: float | None = None) -> Reply:
        """Run a cell and wait for its end; CallTimeout after `timeout` seconds (the cell runs on)."""
        return self._gather(self.execute(code), timeout)

    def wait(self, cell: int, timeout: float | None = None) -> Reply:
        """Wait for a cell's end, also one of the past, and gather what it showed.

        CallTimeout after `timeout` seconds (the cell runs on); UsageError if there never was such a cell.
        """
        if not 0 < cell < self.status().next_cell:
            raise UsageError(f"there is no In[{cell}] in this session")
        return self._gather(cell, timeout)

    def _gather(self, cell: int, timeout: float | None) -> Reply:
        reply = Gathering(cell)
        deadline = None if timeout is None else time.monotonic() + timeout
        with contextlib.closing(self._read(0, cell, deadline)) as events:
            for event in events:
                if reply.add(event):
                    return reply.finish()
        if has_passed(deadline):
            raise CallTimeout(f"In[{cell}] has not ended within {timeout} s; it runs on")
        raise SessionStopped(f'the session "{self.name}" ended before In[{cell}] did')

    def queue(self) -> Queue:
        """The cells that wait, first to run first, and whether they are held."""
        found: Queue = self._control.call("queue", Nothing())
        return found

    def cancel(self, cell: int) -> None:
        """Take a waiting cell out of the queue."""
        self._control.call("cancel", CellRef(cell))

    def move(self, cell: int, position: int) -> None:
        """Put a waiting cell at another place in the queue; 0 is next."""
        self._control.call("move", MoveCell(cell, position))

    def release(self) -> None:
        """Let the queue run on that a death has held."""
        self._control.call("release", Nothing())

    def input(self, text: str) -> None:
        """Answer a cell that waits for a line."""
        self._control.call("input", Input(text, False))

    def input_end(self) -> None:
        """Answer a cell that waits for a line with end-of-file."""
        self._control.call("input", Input("", True))

    def keys(self, data: bytes) -> None:
        """Type on the worker's terminal, byte for byte."""
        self._control.call("keys", Keys(data))

    def send_comm(self, said: Comm, message: str) -> None:
        """Let a widget in the worker hear what its view says, as soon as no cell runs; see `comm_done`.

        `message` is an id that is used once. UsageError if the worker has no such comm.
        """
        self._control.call("comm", SendComm(said, message, self.client))

    def comms(self) -> tuple[OpenComm, ...]:
        """The widgets, and whatever else uses comms, that the worker has."""
        found: OpenComms = self._control.call("comms", Nothing())
        return found.comms

    def resize(self, columns: int, rows: int) -> None:
        """Tell the worker's terminal its size in character cells; who only looks on leaves it as it is."""
        if self.is_read_only:
            return
        self._control.call("resize", Size(columns, rows))

    # --- events -----------------------------------------------------------------------------------------

    def events(self, after: int = 0, cell: int | None = None, timeout: float | None = None) -> Generator[Event]:
        """Events with numbers over `after`, oldest first, each once, waiting for more until the session ends.

        Or until `timeout` seconds are over and nothing more is there. Raises ConnectionLost if the host dies.
        """
        return self._read(after, cell, None if timeout is None else time.monotonic() + timeout)

    def batches(self, after: int = 0) -> Generator[tuple[Event, ...]]:
        """The same, as many together as there were: for who draws what they bring."""
        return self._batches(after, None, None)

    def so_far(self, cell: int) -> Iterator[Event]:
        """What has happened in a cell up to now, oldest first; everything, if it has ended."""
        newest = self.status().last_event
        for event in self._read(0, cell, time.monotonic()):
            if event.seq > newest:
                return
            yield event

    def _read(self, after: int, cell: int | None, deadline: float | None) -> Generator[Event, None, None]:
        with contextlib.closing(self._batches(after, cell, deadline)) as batches:
            for batch in batches:
                yield from batch

    def _batches(self, after: int, cell: int | None, deadline: float | None) -> Generator[tuple[Event, ...]]:
        reading = Reading(after, cell, deadline)
        try:
            while (batch := self._readers.ask(reading.question())) is not None:
                yield batch.events
                if reading.is_over(batch):
                    return
            if not self._closed:
                raise why_lost(self._paths)
        except SessionStopped:
            if not reading.has_begun:
                raise

    # --- looking ----------------------------------------------------------------------------------------

    def status(self) -> Status:
        """The session at this moment."""
        status: Status = self._control.call("status", Nothing())
        return status

    @property
    def state(self) -> State:
        """starting, idle, busy, restarting, dead or stopped."""
        return self.status().state

    @property
    def epoch(self) -> int:
        """How many workers the session has had."""
        return self.status().epoch

    @property
    def pid(self) -> int | None:
        """The worker's process number; None where there is no worker."""
        return self.status().pid

    def complete(self, code: str, cursor_pos: int) -> Completions:
        """What could stand at `code[cursor_pos]`; answers also while a cell runs."""
        found: Completions = self._control.call("complete", Code(code, cursor_pos))
        return found

    def inspect(self, code: str, cursor_pos: int, detail: int = 0) -> Inspection:
        """What is known of the expression under the cursor and of the call around it; with `detail` 1 its source."""
        found: Inspection = self._control.call("inspect", Code(code, cursor_pos, detail))
        return found

    def is_complete(self, code: str) -> CompletenessReply:
        """Whether Enter should run the code, and how far the next line is indented otherwise."""
        return syntax.is_complete(code)

    def variables(self) -> tuple[Variable, ...]:
        """The user's names in the order in which they were bound."""
        found: list[Variable] = []
        while True:
            page: Variables = self._control.call("variables", ReadVariables(len(found), PAGE))
            found += page.variables
            if not page.more or not page.variables:
                return tuple(found)

    def children(self, path: str, start: int = 0, count: int = 100) -> Children:
        """Items, attributes or columns of what `path` names, like `a.b['key']`; most have a path of their own."""
        found: Children = self._control.call("children", ReadChildren(path, start, count))
        return found

    def table(self, path: str, rows: range = range(50), columns: range = range(20)) -> Table:
        """The cells of an array or a frame in these rows and columns; at most 1,000 of each and 20,000 in all."""
        window = (rows.start, max(0, rows.stop - rows.start), columns.start, max(0, columns.stop - columns.start))
        found: Table = self._control.call("table", ReadTable(path, *window))
        return found

    def history(self, limit: int = 1000, pattern: str = "", elsewhere: bool = False) -> tuple[HistoryEntry, ...]:
        """The newest cells whose code contains `pattern`, oldest first; with `elsewhere` those of the others."""
        found: tuple[HistoryEntry, ...] = self._control.call("history", ReadHistory(limit, pattern, elsewhere)).entries
        return found

    # --- the worker and the session --------------------------------------------------------------------------

    def interrupt(self) -> str:
        """Stop the running cell: "signal", then "stack" (a dump is shown), then "kill"; "nothing" if none runs."""
        return str(self._control.call("interrupt", Nothing()).rung)

    def restart(self, fresh: bool = False, python: str | None = None) -> None:
        """Start another worker with the newest state, or with an empty namespace; returns at once.

        With `python` it and those after it run in that interpreter. WorkerStartFailed if it is none: nothing is done.
        """
        self._control.call("restart", Restart(fresh, checked(python) if python else ""))

    def kill(self) -> None:
        """End the session. What is saved stays, and `pyshell.start` with the same name brings it back."""
        with contextlib.suppress(ConnectionLost):
            self._control.call("kill", Nothing())
        # The host ends when what the worker left has been saved; only then can the name be used again.
        self._serving.join(KILL_SECONDS)
        if self._serving.is_alive():
            raise CallTimeout(f'the session "{self.name}" has not ended within {KILL_SECONDS:.0f} s; try again')

    @property
    def paths(self) -> SessionPaths:
        """Where the session's files and its socket are."""
        return self._paths

    def another(self) -> Session:
        """A connection of the same kind to the same session."""
        return Session(self._paths, self.client, self.is_read_only)

    def detach(self) -> None:
        """Leave the session running, and close this connection."""
        self.close()

    def close(self) -> None:
        """Close this connection; iterators of `events` end."""
        self._closed = True
        self._lanes.close()
        self._readers.close()
        self._control.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()
