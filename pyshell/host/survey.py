"""Read from their journals what there is to say of sessions, whose hosts run or not.

Runs in: a process of its own of the host's part, for a client that lists sessions.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import sys
from pathlib import Path

from pyshell import protocol
from pyshell.errors import ProtocolError
from pyshell.host.workers.orphan import Orphan
from pyshell.paths import Roots, SessionPaths
from pyshell.protocol import Error, Glance, Glances, Output, Result

EVENTS = 200
"""So many of the newest are searched for what was shown last."""
LINE_BYTES = 4000
"""What is read of a long output's end, to find its last line."""

_RUNNING = """
select cell, (select max(time) from events where events.cell = cells.cell and body like '["started"%') from cells
where status is null and exists (select 1 from events where events.cell = cells.cell and body like '["started"%')
order by cell limit 1
"""


def glance(paths: SessionPaths) -> Glance:
    """What the journal says at this moment; little of one that cannot be read."""
    try:
        with contextlib.closing(sqlite3.connect(f"{paths.journal.as_uri()}?mode=ro", uri=True, timeout=0.5)) as db:
            db.text_factory = lambda data: data.decode("utf-8", "replace")
            return _read(db, paths)
    except sqlite3.Error as exc:
        return Glance(paths.name, "", 0, 0.0, None, 0.0, None, f"({paths.journal} cannot be read: {exc})")


def _read(db: sqlite3.Connection, paths: SessionPaths) -> Glance:
    meta = {str(key): str(value) for key, value in db.execute("select key, value from meta")}
    cells, when = db.execute(
        "select (select coalesce(max(cell), 0) from cells), (select coalesce(max(time), 0.0) from events)"
    ).fetchone()
    running = db.execute(_RUNNING).fetchone()
    worker = Orphan.parse(meta.get("worker", ""))
    pid = worker.pid if worker is not None and worker.is_alive() else None
    cell, since = (int(running[0]), float(running[1])) if running and pid is not None else (None, 0.0)
    return Glance(
        paths.name, meta.get("cwd", ""), int(cells), float(when), cell, since, pid, _last_line(db, paths),
        meta.get("python", ""),
    )  # fmt: skip


def _last_line(db: sqlite3.Connection, paths: SessionPaths) -> str:
    query = "select body, cell, spool_offset, spool_length from events order by seq desc limit ?"
    for body, cell, offset, length in db.execute(query, (EVENTS,)):
        text = _shown(body) if body is not None else _spooled(paths.output / f"{cell or 0}.txt", offset + length)
        lines = [line for line in text.splitlines() if line.strip()]
        if lines:
            return lines[-1][-LINE_BYTES:]
    return ""


def _shown(stored: str) -> str:
    try:
        body = protocol.body_from_json(stored)
    except (ProtocolError, TypeError, ValueError):  # damaged: whoever opens the session is told
        return ""
    if isinstance(body, Error):
        return body.error.traceback
    return body.text if isinstance(body, (Output, Result)) else ""


def _spooled(path: Path, end: int) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, end - LINE_BYTES))
            return file.read(min(end, LINE_BYTES)).decode("utf-8", "replace")
    except OSError:  # somebody has tidied up
        return ""


def main() -> int:
    """`python -m pyshell.host.survey` with `names state runtime` as JSON on its input; writes Glances as JSON."""
    settings = json.load(sys.stdin)
    roots = Roots(Path(settings["state"]), Path(settings["runtime"]))
    print(protocol.to_json(Glances(tuple([glance(roots.session(name)) for name in settings["names"]]))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
