"""What a frontend asks about the session while cells run or do not, and the replies. Nothing here runs code.

Runs in: the Jupyter kernel's process (Python 3.11 and newer), on the thread that looks things up.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from pyshell import __version__
from pyshell.client import Session
from pyshell.protocol import HistoryEntry, Inspection, Result

Content = Mapping[str, Any]
Reply = dict[str, Any]

PROTOCOL = "5.3"
"""Of Jupyter's messages."""
MAX_HISTORY = 10_000
"""Cells that are searched."""
MAX_VALUES = 500
"""The newest of those found, whose values are looked up if they are asked for: each is a question of its own."""


def complete(session: Session, asked: Content) -> Reply:
    found = session.complete(asked["code"], asked["cursor_pos"])
    typed = [
        {"start": found.start, "end": found.end, "text": match.text, "type": match.kind, "signature": match.signature}
        for match in found.matches
    ]
    return {
        "status": "ok", "matches": [match.text for match in found.matches], "cursor_start": found.start,
        "cursor_end": found.end, "metadata": {"_jupyter_types_experimental": typed},
    }  # fmt: skip


def inspect(session: Session, asked: Content) -> Reply:
    found = session.inspect(asked["code"], asked["cursor_pos"], min(asked.get("detail_level", 0), 1))
    data = {"text/plain": described(found)} if found.found else {}
    return {"status": "ok", "found": found.found, "data": data, "metadata": {}}


def described(found: Inspection) -> str:
    """The fields that say something, each under its name."""
    place = f"{found.file}:{found.line}" if found.file and found.line else found.file
    fields = {
        "Signature": found.signature, "Type": found.type, "Value": found.preview, "Shape": found.shape,
        "Dtype": found.dtype, "File": place, "Source": found.source, "Docstring": found.doc,
    }  # fmt: skip
    lines = [f"{name}:{chr(10) if chr(10) in value else ' '}{value}" for name, value in fields.items() if value]
    return "\n".join(lines) or found.name


def is_complete(session: Session, asked: Content) -> Reply:
    found = session.is_complete(asked["code"])
    return {"status": found.status} | ({"indent": found.indent} if found.status == "incomplete" else {})


def history(session: Session, asked: Content) -> Reply:
    """The numbers are the cells'; every cell is of the session 0, the present one."""
    found: list[HistoryEntry] = list(session.history(MAX_HISTORY))
    kind = asked["hist_access_type"]
    if kind == "range":
        start, stop = asked.get("start") or 0, asked.get("stop") or MAX_HISTORY**2
        found = [entry for entry in found if start <= entry.cell < stop] if not asked.get("session") else []
    elif kind == "search":
        pattern = asked.get("pattern") or "*"
        found = [entry for entry in found if fnmatchcase(entry.code, pattern)]
        if asked.get("unique"):
            found = list({entry.code: entry for entry in found}.values())
    if kind != "range" and asked.get("n"):
        found = found[-asked["n"] :]
    if not asked.get("output"):
        return {"status": "ok", "history": [(0, entry.cell, entry.code) for entry in found]}
    values = {entry.cell: _value(session, entry.cell) for entry in found[-MAX_VALUES:]}
    return {"status": "ok", "history": [(0, entry.cell, (entry.code, values.get(entry.cell))) for entry in found]}


def _value(session: Session, cell: int) -> str | None:
    """What stood behind `Out[n]:`, if there was anything."""
    with contextlib.closing(session.events(0, cell, timeout=0.0)) as events:
        return next((event.body.text for event in events if isinstance(event.body, Result)), None)


def comm_info(session: Session, asked: Content) -> Reply:
    wanted = asked.get("target_name")
    found = {one.comm: {"target_name": one.target} for one in session.comms() if not wanted or one.target == wanted}
    return {"status": "ok", "comms": found}


def kernel_info(name: str, python: str) -> Reply:
    """`name` is the session's, `python` the version that runs the cells, as far as it is known."""
    version = python or ".".join(map(str, sys.version_info[:3]))
    language = {
        "name": "python", "version": version, "mimetype": "text/x-python", "file_extension": ".py",
        "pygments_lexer": "ipython3", "codemirror_mode": {"name": "ipython", "version": 3},
        "nbconvert_exporter": "python",
    }  # fmt: skip
    banner = f'pyshell {__version__}, Python {version}. "pyshell attach -t {name}" opens a console on it.'
    return {
        "status": "ok", "protocol_version": PROTOCOL, "implementation": "pyshell",
        "implementation_version": __version__, "language_info": language, "banner": banner,
        "help_links": [], "supported_features": [],
    }  # fmt: skip


ANSWERS: dict[str, Callable[[Session, Content], Reply]] = {
    "complete_request": complete,
    "inspect_request": inspect,
    "is_complete_request": is_complete,
    "history_request": history,
    "comm_info_request": comm_info,
}
