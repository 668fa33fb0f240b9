"""List the sessions: what each does, where, and what it has shown last.

Runs in: clients (Python 3.11 and newer).

    NAME  STATE             MEMORY  CLIENTS  PYTHON            DIRECTORY    LAST LINE
    fit   runs In[12] 2:05  1.2 GB  2        3.12.1 fit/.venv  ~/work/fit   epoch 14: loss 0.031
    old   saved 12:07                        torch             ~/work/old   42
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

from pyshell import choosing, protocol, starting
from pyshell.drawing import elapsed, size, when
from pyshell.errors import SessionNotFound, TransportError, VersionMismatch
from pyshell.interpreters import environment_of
from pyshell.memory import held_by
from pyshell.protocol import Glance, Glances, Status

HEAD = ("NAME", "STATE", "MEMORY", "CLIENTS", "PYTHON", "DIRECTORY", "LAST LINE")
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])")


def table(now: float) -> list[str]:
    """A line for each session, below a head; nothing if there is none."""
    found = rows_of(now)
    if not found:
        return []
    rows = [HEAD, *found]
    widths = [max(len(row[at]) for row in rows) for at in range(len(HEAD))]
    return ["  ".join(f"{part:{width}}" for part, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def rows_of(now: float) -> list[Sequence[str]]:
    """The columns of `HEAD` for each session; CLIENTS is empty where no host runs."""
    names = starting.names()
    if not names:
        return []
    glances = protocol.from_json(starting.ask("survey", names=names), Glances).glances
    return [_row(glance, now) for glance in glances]


def working_in(directory: str) -> list[str]:
    """The sessions of that directory; those of scripts (`pyshell run`) are none that a person goes on with."""
    names = starting.names()
    if not names:
        return []
    glances = protocol.from_json(starting.ask("survey", names=names), Glances).glances
    return [glance.name for glance in glances if glance.cwd == directory and not glance.name.startswith("run-")]


def describe(name: str) -> str:
    """One session in a sentence."""
    try:
        status = _ask_status(name)
    except TransportError as exc:
        return f"{name}: does not answer ({exc})"
    if status is None:
        saved = time.strftime("%Y-%m-%d %H:%M", time.localtime(choosing.last_used(name)))
        return f"{name}: saved, last used {saved}"
    what = f"runs In[{status.cell}]" if status.cell is not None else status.state
    others = max(0, status.clients - 1)
    attached = f", {others} attached" if others else ""
    where = f"Python {python(status.python or '?', status.executable)} in {status.cwd}"
    return f"{status.name}: {what}, In[{status.next_cell}] next, {where}{attached}"


def _ask_status(name: str) -> Status | None:
    """None: no host runs."""
    try:
        with starting.connect(name, client=choosing.client_name()) as session:
            return session.status()
    except SessionNotFound:
        return None


def _row(glance: Glance, now: float) -> Sequence[str]:
    shown = (python("", glance.executable), choosing.short(glance.cwd), last_line(glance.last_line))
    try:
        status = _ask_status(glance.name)
    except TransportError as exc:
        why = "of another version" if isinstance(exc, VersionMismatch) else "does not answer"
        return (glance.name, why, _memory(glance.pid), "", *shown)
    if status is None:
        return (glance.name, _left(glance, now), _memory(glance.pid), "", *shown)
    state: str = status.state
    if status.cell is not None:
        since = f" {elapsed(now - glance.since)}" if glance.cell == status.cell else ""
        state = f"{'asks in' if status.waiting_for_input else 'runs'} In[{status.cell}]{since}"
    waiting = f", {len(status.queued)} {'held' if status.held else 'wait'}" if status.queued else ""
    waiting += f", {len(status.background)} in background" if status.background else ""
    others, runs = str(max(0, status.clients - 1)), python(status.python, status.executable)
    return (glance.name, state + waiting, _memory(status.pid), others, runs, *shown[1:])


def python(version: str, executable: str) -> str:
    """The version, where it is known, and the environment, if it is in one."""
    return f"{version} {environment_of(executable)}".strip()


def _left(glance: Glance, now: float) -> str:
    """What a session without a host is: its worker may still be at the cell that it was given."""
    if glance.cell is not None:
        return f"host died; In[{glance.cell}] goes on, {elapsed(now - glance.since)}"
    return f"saved {when(glance.time, now)}"


def last_line(text: str) -> str:
    """As a terminal would have left it: without escape sequences, and the last state of a line that is rewritten."""
    pieces = [piece for piece in _ESCAPES.sub("", text).split("\r") if piece.strip()]
    return "".join(character if character.isprintable() else " " for character in pieces[-1]).strip() if pieces else ""


def _memory(pid: int | None) -> str:
    held = held_by(pid)
    return size(held) if held else ""
