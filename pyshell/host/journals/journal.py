"""All cells and events of a session, on disk: what a client that comes back is told.

Runs in: host.

One SQLite file. The supervisor's thread alone writes, in one transaction per turn of its loop; clients'
threads read, from a tail in memory or from the file. Output past a bound per cell goes to a plain file
beside it, so that the database stays small and a person can open the output with any tool.

On a full disk the reserve is given up for what must still be noted: how the cells that run end, and that the disk is
full. New cells are refused and output is not kept until there is room. What does not get onto the disk even so waits
in memory, unseen by clients, and is tried again with each turn.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

from pyshell import protocol
from pyshell.errors import ProtocolError, SessionError, StoreFull
from pyshell.host.journals.reserve import FULL, ROOM, Reserve
from pyshell.host.journals.spool import Spool
from pyshell.protocol import CellStatus, Event, EventBody, History, HistoryEntry, Notice, Output, Queued, Started

SCHEMA = """
create table if not exists meta (key text primary key, value text not null) without rowid;
create table if not exists cells (
    cell integer primary key, client text not null, time real not null, code text not null, status text
);
create table if not exists events (
    seq integer primary key, epoch integer not null, cell integer, client text not null, time real not null,
    body text, spool_offset integer, spool_length integer
);
create index if not exists events_of_cell on events (cell, seq);
"""
FORMAT = "1"
TAIL_EVENTS = 2000
TAIL_BYTES = 8 << 20
REPLY_BYTES = 1 << 20
"""What one reply to a client carries, and one event more; together they must fit into a message."""
_OVERHEAD = 200
"""Bytes of an event beside its body."""
LOOK_SECONDS = 1.0
"""How often a full disk is tried again while something is printed."""


class Journal:
    """Owner: the supervisor's thread. `read`, `wait` and `history` may be called from any thread."""

    def __init__(self, path: Path, output: Path) -> None:
        self.path = path
        self._spool = Spool(output, self._tell)
        self._db = self._open()
        self._meta = {str(key): str(value) for key, value in self._rows(self._db, "select key, value from meta")}
        self._reserve = Reserve(path.with_name("reserve"))
        self._pending: list[tuple[str, tuple[Any, ...], Event | None]] = []
        """What this turn writes, with the event that it is about: SQLite forgets a transaction that finds no room."""
        self._epoch = 0
        self._dropped = 0
        self._looked = 0.0
        self._tail: deque[tuple[Event, int]] = deque()
        self._tail_bytes = 0
        self._news = threading.Condition()
        self._reading = threading.Lock()
        self._reader = self._connect()
        self.last = next(int(row[0]) for row in self._rows(self._db, "select coalesce(max(seq), 0) from events"))
        for entry in self.unfinished():  # what is needed first must be readable, or the session must not begin
            self.was_started(entry.cell)
        self._visible = self.last
        self._closed = False
        self.ended = False
        """Set when the session is over: no event will follow."""

    def _open(self) -> sqlite3.Connection:
        try:
            db = self._connect()
            known = db.execute("select name from sqlite_master where name = 'meta'").fetchone()
            row = db.execute("select value from meta where key = 'format'").fetchone() if known else None
            if row is not None and row[0] != FORMAT:
                raise SessionError(
                    f"{self.path} has format {row[0]}, this pyshell reads format {FORMAT}: use the pyshell that "
                    "wrote it, or another name for the session"
                )
            db.executescript(SCHEMA)
            db.execute("insert or replace into meta values ('format', ?)", (FORMAT,))
        except sqlite3.DatabaseError as exc:
            if getattr(exc, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
                raise SessionError(f"no room left for {self.path}: free some space on the disk") from None
            raise self._unusable(exc) from None
        return db

    def _unusable(self, why: object) -> SessionError:
        return SessionError(f"{self.path} cannot be used ({why}); move it away to start the session without its past")

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        db.text_factory = lambda data: data.decode("utf-8", "replace")  # a damaged text must not hide the others
        db.execute("pragma journal_mode = wal")
        db.execute("pragma synchronous = normal")
        self.path.chmod(0o600)
        return db

    # --- writing: the supervisor's thread -----------------------------------------------------------

    def commit(self) -> bool:
        """End the turn: what was added becomes durable against a killed host, and visible to clients.

        False: there is no room for it, so it is neither, and the next turn tries again.
        """
        if not self.keep():
            return False
        with self._news:
            if self._visible != self.last:
                self._visible = self.last
                self._news.notify_all()
        return True

    def unseen(self) -> Iterator[Event]:
        """What clients are to see with the next `commit`, newest first."""
        return takewhile(lambda event: event.seq > self._visible, (event for event, _ in reversed(self._tail)))

    def keep(self) -> bool:
        """Make what was added durable; False if there is no room for it."""
        if not self._pending:
            return True
        failure = self._write()
        if failure:
            self._make_do(failure)
        return not failure or not self._write()

    def _make_do(self, failure: str) -> None:
        """Use the reserve for what must be noted, which printed text is not."""
        self._withdraw([event for _, _, event in self._pending if event and isinstance(event.body, Output)])
        self._looked = time.monotonic()
        if self._reserve.release():
            self.append(Notice(FULL.format(failure)), epoch=self._epoch, cell=None)

    def _withdraw(self, events: list[Event]) -> None:
        """Forget what no client has seen; the numbers stay unused."""
        gone = {event.seq for event in events}
        self._pending = [entry for entry in self._pending if entry[2] is None or entry[2].seq not in gone]
        self._dropped += sum([len(event.body.text) for event in events if isinstance(event.body, Output)])
        with self._news:
            self._tail = deque([(event, size) for event, size in self._tail if event.seq not in gone])
            self._tail_bytes = sum([size for _, size in self._tail])

    def _write(self) -> str:
        """Write what is pending; why that cannot be."""
        try:
            self._db.execute("begin")
            for statement, values, _ in self._pending:
                self._db.execute(statement, values)
            self._db.execute("commit")  # the commit point of the turn's events
        except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
            raise  # the statement is wrong, not the disk
        except sqlite3.DatabaseError as exc:
            if self._db.in_transaction:
                self._db.execute("rollback")
            return str(exc)
        self._pending.clear()
        return ""

    def _has_room(self) -> bool:
        """Whether the disk takes more than what must be; says so when it does again."""
        if self._reserve.is_there:
            return True
        self._looked = time.monotonic()
        if not self._reserve.restore():
            return False
        dropped, self._dropped = self._dropped, 0
        self.append(Notice(ROOM.format(dropped)), epoch=self._epoch, cell=None)
        return True

    def append(self, body: EventBody, *, epoch: int, cell: int | None, client: str = "") -> Event:
        """Number an event and keep it."""
        self._epoch = epoch
        place = self._spool.add(cell, body.text) if isinstance(body, Output) else None
        offset, length = place or (None, None)
        # Numbered here, not in the worker: a restarted worker would start again at 1.
        self.last += 1
        event = Event(self.last, epoch, cell, client, time.time(), body)
        stored = None if offset is not None else protocol.to_json(body)
        size = length if stored is None else len(stored)
        row = (event.seq, epoch, cell, client, event.time, stored, offset, length)
        self._note("insert into events values (?, ?, ?, ?, ?, ?, ?, ?)", row, event)
        self._remember(event, _OVERHEAD + (size or 0))
        return event

    def _note(self, statement: str, values: tuple[Any, ...], event: Event | None = None) -> None:
        self._pending.append((statement, values, event))

    def keeps_output(self, cell: int | None, text: str) -> bool:
        """Whether there is room for what was printed; what is not kept is counted."""
        if not self._reserve.is_there and not (time.monotonic() - self._looked > LOOK_SECONDS and self._has_room()):
            self._dropped += len(text)
            return False
        return self._spool.takes(cell, text)

    def _tell(self, cell: int | None, words: str) -> None:
        self.append(Notice(words), epoch=self._epoch, cell=cell)

    def _remember(self, event: Event, size: int) -> None:
        with self._news:
            self._tail.append((event, size))
            self._tail_bytes += size
            while len(self._tail) > TAIL_EVENTS or self._tail_bytes > TAIL_BYTES:
                self._tail_bytes -= self._tail.popleft()[1]

    def submit(self, cell: int, client: str, code: str, epoch: int) -> None:
        """Note a new cell, durably: a number that a client knows is never given again. StoreFull: it is not noted."""
        if not self._has_room() or not self.keep():
            raise StoreFull("no room left to note the cell: free some space on the disk, then submit it again")
        event = self.append(Queued(code), epoch=epoch, cell=cell, client=client)
        self._note("insert into cells values (?, ?, ?, ?, null)", (cell, client, event.time, code), event)
        # Not yet visible: mostly it starts in the same turn, and clients hear of both at once.
        if not self.keep():
            self._withdraw([event])
            raise StoreFull("no room left to note the cell: free some space on the disk, then submit it again")

    def finish_cell(self, cell: int, status: CellStatus, effects: tuple[str, ...] = ()) -> None:
        self._note("update cells set status = ? where cell = ?", (status, cell))
        if effects:
            self.set_meta(f"effects {cell}", "\n".join(effects))
        self._spool.end(cell)

    def meta(self, key: str, default: str = "") -> str:
        return self._meta.get(key, default)

    def set_meta(self, key: str, value: str) -> None:
        self._meta[key] = value
        self._note("insert or replace into meta values (?, ?)", (key, value))

    def next_cell(self) -> int:
        return next(int(row[0]) for row in self._rows(self._db, "select coalesce(max(cell), 0) + 1 from cells"))

    def unfinished(self) -> list[HistoryEntry]:
        """Cells that a dead host left without an end, oldest first."""
        return entries_of(self._rows(self._db, "select * from cells where status is null order by cell"))

    def ended_after(self, cell: int | None, when: float) -> list[int]:
        """Cells after that one, or else submitted after that moment, that ran to their end."""
        later = "time > ?" if cell is None else "cell > ?"
        self.commit()
        query = f"select cell from cells where status in ('ok', 'error', 'interrupted') and {later}"
        return [int(row[0]) for row in self._rows(self._db, query, when if cell is None else cell)]

    def was_started(self, cell: int) -> bool:
        query = "select 1 from events where cell = ? and body = ?"
        return any(True for _ in self._rows(self._db, query, cell, protocol.to_json(Started())))

    def _rows(self, db: sqlite3.Connection, query: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        """SessionError where the file is damaged."""
        try:
            yield from db.execute(query, values)
        except sqlite3.DatabaseError as exc:
            raise self._unusable(exc) from None

    def end(self) -> None:
        """The session is over: readers need not wait any more."""
        self.commit()
        with self._news:
            self.ended = True
            self._news.notify_all()

    def close(self) -> None:
        self.end()
        with self._reading:
            self._closed = True
            self._reader.close()
        self._db.close()

    # --- reading: any thread -------------------------------------------------------------------------

    @property
    def newest(self) -> int:
        """The number of the newest event that clients may see."""
        return self._visible

    def wait(self, after: int, timeout: float) -> bool:
        """Wait until there is an event with a number over `after`; False when the time ran out."""
        with self._news:
            return self._news.wait_for(lambda: self._visible > after or self.ended, timeout)

    def read(self, after: int, cell: int | None, limit: int) -> tuple[Event, ...]:
        """Events with numbers over `after`, oldest first; fewer than there are if they are many or big."""
        with self._news:
            recent = list(self._tail) if self._tail and self._tail[0][0].seq <= after + 1 else None
            visible = self._visible
        if recent is None:
            return self._read_file(after, cell, limit, visible)
        fitting = [(e, size) for e, size in recent if after < e.seq <= visible and (cell is None or e.cell == cell)]
        return _bounded(fitting, limit)

    def _read_file(self, after: int, cell: int | None, limit: int, visible: int) -> tuple[Event, ...]:
        query = "select * from events where seq > ? and seq <= ?"
        arguments: list[Any] = [after, visible]
        if cell is not None:
            query += " and cell = ?"
            arguments.append(cell)
        with self._reading:
            if self._closed:
                return ()
            rows = self._rows(self._reader, query + " order by seq limit ?", *arguments, limit)
            return _bounded((self._event(row) for row in rows), limit)

    def _event(self, row: tuple[Any, ...]) -> tuple[Event, int]:
        seq, epoch, cell, client, when, stored, offset, length = row
        try:
            if stored is None:
                body: EventBody = Output(self._spool.read(cell, int(offset), int(length)))
                return Event(seq, epoch, cell, client, when, body), _OVERHEAD + int(length)
            body = protocol.body_from_json(stored)
        except (ProtocolError, TypeError, ValueError):
            body, stored = Notice(f"Event {seq} of the journal is damaged, and cannot be shown."), ""
        return Event(seq, epoch, cell, client, when, body), _OVERHEAD + len(stored)

    def history(self, limit: int, pattern: str) -> tuple[HistoryEntry, ...]:
        """The newest cells whose code contains `pattern`, oldest first."""
        query = "select * from cells where instr(code, ?) > 0 or ? = '' order by cell desc limit ?"
        with self._reading:
            if self._closed:
                return ()
            return tuple(reversed(entries_of(self._rows(self._reader, query, pattern, pattern, limit))))


def past_cells(path: Path, limit: int) -> History:
    """The newest cells of a session whose host does not run, or does; none if its journal cannot be read."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
            rows = db.execute("select * from cells order by cell desc limit ?", (limit,))
            return History(tuple(reversed(entries_of(rows))))
    except sqlite3.Error:
        return History(())  # who asks wants to see the timeline, which does not need it


def past_meta(path: Path, key: str) -> str:
    """What `Journal.meta` says, of a session whose host may run or not; nothing if that cannot be read."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
            row = db.execute("select value from meta where key = ?", (key,)).fetchone()
            return str(row[0]) if row else ""
    except sqlite3.Error:
        return ""


def _bounded(events: Iterable[tuple[Event, int]], limit: int) -> tuple[Event, ...]:
    found: list[Event] = []
    total = 0
    for event, size in events:
        found.append(event)
        total += size
        if len(found) >= limit or total > REPLY_BYTES:
            break
    return tuple(found)


def entries_of(rows: Iterable[tuple[Any, ...]], session: str = "") -> list[HistoryEntry]:
    """Rows of the table `cells`, as clients are told them."""
    return [HistoryEntry(cell, code, status, when, client, session) for cell, client, when, code, status in rows]
