"""Move work out of a session and into it, and see whether what is saved can be had back.

Runs in: clients (Python 3.11 and newer).

Nothing here loads what a session has saved or what a file holds: workers do.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyshell import starting
from pyshell.errors import SessionNotFound, UsageError, WorkerBusy, WorkerError
from pyshell.frozen import dataclass
from pyshell.inert import names_in
from pyshell.protocol import Saved, SaveFailed, Unsaved

if TYPE_CHECKING:
    from pyshell.client import Session

SAVE_SECONDS = 300.0
"""How long to wait for the newest state of a running session to be saved."""
CONSOLES_OWN = re.compile(r"__\w+__|In|Out|_{1,3}|_\d+")
"""Names that an import does not touch."""
ENDED = ("ok", "error", "interrupted")


@dataclass(frozen=True)
class Exported:
    """What was written of which checkpoint."""

    checkpoint: int
    cell: int | None
    """The cell after which it was taken."""
    names: tuple[str, ...]
    left_out: tuple[Unsaved, ...]
    """What the checkpoint does not hold, and what could not be written."""


@dataclass(frozen=True)
class Verified:
    """What of a checkpoint can be had back."""

    checkpoint: int
    cell: int | None
    names: tuple[str, ...]
    """Those that came back and are what was saved."""
    faults: tuple[tuple[str, str], ...]
    """Names that are saved and do not come back, or not as what they were, and why."""
    unsaved: tuple[Unsaved, ...]
    """What the checkpoint never held."""


def export_dill(name: str, file: str | os.PathLike[str], checkpoint: int | None = None) -> Exported:
    """Write what `dill.load_module` reads, of a checkpoint or the newest state, of a session that runs or does not.

    A worker of its own restores the checkpoint and writes the file; the file is there as a whole or not at all.
    UsageError if there is no such directory; StoreError if there is nothing saved; WorkerError if it cannot be written.
    """
    path = Path(file).expanduser().absolute()
    if not path.parent.is_dir():
        raise UsageError(f"{path.parent} is not a directory")
    if path.is_dir():
        raise UsageError(f"{path} is a directory; name a file")
    answer = _send(name, "export", checkpoint, file=str(path))
    lost = [Unsaved(lost, kind, reason, None) for lost, kind, reason in answer["lost"]]
    left_out = (*_told(answer["unsaved"]), *_told(answer["missing"]), *lost)
    gone = {lost.name for lost in lost}
    return Exported(
        answer["checkpoint"], answer["cell"], tuple(n for n in answer["names"] if n not in gone), left_out
    )


@dataclass(frozen=True)
class Plan:
    """What an import would do."""

    file: Path
    names: tuple[str, ...]
    replaced: tuple[str, ...]
    """Those that the session binds already."""


def plan_import(session: Session, file: str | os.PathLike[str]) -> Plan:
    """Look into a file of `dill.dump_module` without running any of its code; UsageError if it is none."""
    path = Path(file).expanduser().absolute()
    names = tuple(name for name in names_in(path) if not CONSOLES_OWN.fullmatch(name))
    session.wait_up()
    present = {variable.name for variable in session.variables()}
    return Plan(path, names, tuple(name for name in names if name in present))


def import_dill(session: Session, plan: Plan) -> int:
    """Let a cell load the file, which runs its code, and wait until that is saved: the new state's number.

    The state before is saved first: `undo` goes back to it. WorkerBusy while another cell runs or waits; WorkerError if
    the file could not be loaded.
    """
    status = session.status()
    if status.state != "idle" or status.queued:
        doing = f"In[{status.cell}] runs" if status.cell is not None else "other cells wait, or the worker is not up"
        raise WorkerBusy(f'{doing} in session "{session.name}": wait for the end, or interrupt it, then import')
    _wait_saved(session)
    if status.checkpoint is None and not session.checkpoints():
        _save_nothing(session, status.last_event)
    reply = session.run(f'__import__("pyshell").load_dill({str(plan.file)!r})')
    if reply.died is not None:
        raise WorkerError(f"{reply.died.reason} It was loading {plan.file}; the state is the one from before")
    if reply.error is not None:
        raise WorkerError(f"{plan.file} could not be loaded: {reply.error.kind}: {reply.error.message}")
    return session.wait_saved(reply.cell, SAVE_SECONDS)


def verify(name: str, checkpoint: int | None = None) -> Verified:
    """Restore a checkpoint in a worker of its own, save it again, and compare."""
    answer = _send(name, "verify", checkpoint)
    faults = [(lost.name, lost.reason) for lost in _told(answer["missing"])]
    faults += [(name, reason) for name, reason in answer["differing"]]
    faults += [("a large buffer", reason) for reason in answer["damage"]]
    bad = {name for name, _ in faults}
    names = tuple(name for name in answer["names"] if name not in bad)
    return Verified(answer["checkpoint"], answer["cell"], names, tuple(faults), _told(answer["unsaved"]))


def _send(name: str, errand: str, checkpoint: int | None, **given: str) -> dict[str, Any]:
    if checkpoint is None:
        with contextlib.suppress(SessionNotFound), starting.connect(name) as session:
            _wait_saved(session)
    answer = starting.ask_about(name, "saved.scratch", errand=errand, checkpoint=checkpoint, **given)
    found: dict[str, Any] = json.loads(answer)
    return found


def _wait_saved(session: Session) -> None:
    """Until what the newest cell did is saved. A cell that still runs is not waited for."""
    ended = [entry.cell for entry in session.history() if entry.status in ENDED]
    if ended:
        session.wait_saved(max(ended), SAVE_SECONDS)


def _save_nothing(session: Session, after: int) -> None:
    """A session that has run nothing: a state to go back to."""
    session.save()
    next(event for event in session.events(after) if isinstance(event.body, (Saved, SaveFailed)))


def _told(missing: Sequence[Sequence[Any]]) -> tuple[Unsaved, ...]:
    return tuple(Unsaved(*lost) for lost in missing)
