"""Read the cells of the other sessions, whose hosts run or not.

Runs in: host, on a client's thread.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from pyshell.host.journals.journal import entries_of
from pyshell.protocol import KEPT_OUT, HistoryEntry

MAX_SESSIONS = 100
"""The ones used last; each is a file to open."""

_QUERY = f"""
select * from cells where (instr(code, ?) > 0 or ? = '') and code != '{KEPT_OUT}' order by cell desc limit ?
"""


def cells_elsewhere(own: Path, limit: int, pattern: str) -> list[HistoryEntry]:
    """The newest cells whose code contains `pattern`, of sessions whose journals lie beside `own`; oldest first."""
    journals = [path for path in own.parent.parent.glob("*/journal") if path != own]
    journals.sort(key=_time_of, reverse=True)
    found = [entry for path in journals[:MAX_SESSIONS] for entry in _cells(path, limit, pattern)]
    found.sort(key=lambda entry: entry.time)
    return found[-limit:] if limit else []


def _time_of(path: Path) -> float:
    times = [0.0]
    for file in (path, path.with_name("journal-wal")):
        with contextlib.suppress(OSError):
            times.append(os.stat(file).st_mtime)
    return max(times)


def _cells(path: Path, limit: int, pattern: str) -> list[HistoryEntry]:
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=0.2)) as db:
            db.text_factory = lambda data: data.decode("utf-8", "replace")
            return entries_of(db.execute(_QUERY, (pattern, pattern, limit)), path.parent.name)
    except sqlite3.Error:
        return []  # a damaged journal is told of where its session is opened; here it only hides its own cells
