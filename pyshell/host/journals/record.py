"""Read cells with all that they have shown from the journals of sessions, whose hosts run or not.

Runs in: a process of its own of the host's part, for a client that searches the past or writes it into a file.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pyshell import protocol
from pyshell.errors import ProtocolError
from pyshell.frozen import dataclass
from pyshell.paths import Roots, SessionPaths
from pyshell.protocol import KEPT_OUT, Display, Error, Finished, Output, Recorded, Records, Result

SHOWN_CHARACTERS = 1 << 20
"""Of each cell's output; `output/` in the session's directory has the rest."""

Shown = Output | Result | Display | Error


@dataclass(frozen=True)
class Wanted:
    """Which cells are asked for, and how much of them."""

    pattern: str = ""
    """`*` and `?` as for files; it is found anywhere in the code or in what was shown."""
    limit: int | None = None
    """The newest of all; None: every one."""
    below: str | None = None
    """Only of sessions that work in this directory or one below."""
    with_shown: bool = True


def records(sessions: Sequence[SessionPaths], wanted: Wanted) -> Records:
    """The cells of these sessions that are wanted. A journal that is damaged hides its own only."""
    found: list[Recorded] = []
    unread: list[str] = []
    for paths in sessions:
        try:
            found += _of_session(paths, wanted)
        except sqlite3.Error as exc:
            unread.append(f'the journal of session "{paths.name}" cannot be read: {exc}')
    found.sort(key=lambda cell: (cell.time, cell.cell))
    return Records(tuple(found[-wanted.limit :] if wanted.limit else found), tuple(unread))


def _of_session(paths: SessionPaths, wanted: Wanted) -> Iterator[Recorded]:
    with contextlib.closing(sqlite3.connect(f"{paths.journal.as_uri()}?mode=ro", uri=True, timeout=5.0)) as db:
        db.text_factory = lambda data: data.decode("utf-8", "replace")
        row = db.execute("select value from meta where key = 'cwd'").fetchone()
        directory = str(row[0]) if row else ""
        if wanted.below is None or Path(directory).is_relative_to(wanted.below):
            yield from _newest(db, paths, directory, wanted)


def _newest(db: sqlite3.Connection, paths: SessionPaths, directory: str, wanted: Wanted) -> Iterator[Recorded]:
    left = wanted.limit
    query = "select cell, client, time, code, status from cells where code != ? order by cell desc"
    for row in db.execute(query, (KEPT_OUT,)):
        found = _recorded(db, paths, directory, row)
        if not _has(found, wanted.pattern):
            continue
        yield found if wanted.with_shown else _without_shown(found)
        if left is not None and (left := left - 1) <= 0:
            return


def _recorded(db: sqlite3.Connection, paths: SessionPaths, directory: str, row: Sequence[Any]) -> Recorded:
    cell, client, when, code, status = row
    shown: list[Shown] = []
    seconds, room = None, SHOWN_CHARACTERS
    query = "select body, spool_offset, spool_length from events where cell = ? order by seq"
    for body, offset, length in db.execute(query, (cell,)):
        event = _event(body) if body is not None else _spooled(paths.output / f"{cell}.txt", offset, length, room)
        if isinstance(event, Finished):
            seconds = event.seconds
        elif isinstance(event, Output):
            shown += [Output(event.text[:room], event.stream)] if room > 0 else []
            room -= len(event.text)
        elif isinstance(event, (Result, Display, Error)):
            shown.append(event)
    return Recorded(paths.name, directory, cell, code, status, when, seconds, client, tuple(shown))


def _event(stored: str) -> object:
    try:
        return protocol.body_from_json(stored)
    except (ProtocolError, TypeError, ValueError):  # damaged: whoever opens the session is told
        return None


def _spooled(path: Path, offset: int, length: int, room: int) -> Output | None:
    if room <= 0:
        return None
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return Output(file.read(min(length, 4 * room)).decode("utf-8", "replace"))
    except OSError:  # somebody has tidied up
        return None


def _has(cell: Recorded, pattern: str) -> bool:
    wanted = f"*{pattern}*"
    return not pattern or fnmatchcase(cell.code, wanted) or any(fnmatchcase(text, wanted) for text in texts(cell))


def texts(cell: Recorded) -> list[str]:
    """What it has shown, as text."""
    return [each.error.traceback if isinstance(each, Error) else each.text for each in cell.shown]


def _without_shown(cell: Recorded) -> Recorded:
    return Recorded(
        cell.session, cell.directory, cell.cell, cell.code, cell.status, cell.time, cell.seconds, cell.client, ()
    )


def main() -> int:
    """`python -m` this, with `names state runtime` and what is Wanted as JSON; writes Records as JSON."""
    settings = json.load(sys.stdin)
    roots = Roots(Path(settings.pop("state")), Path(settings.pop("runtime")))
    sessions = [roots.session(name) for name in settings.pop("names")]
    print(protocol.to_json(records(sessions, Wanted(**settings))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
