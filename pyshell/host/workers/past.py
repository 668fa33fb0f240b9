"""What the journal knows of the past that a new worker is told.

Runs in: host, on the supervisor's thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from contextlib import suppress

from pyshell.blackbox import SLICING
from pyshell.errors import StoreError
from pyshell.host.journals.journal import Journal
from pyshell.host.processes.process import WorkerProcess
from pyshell.host.saved.checkpoints import Checkpoints
from pyshell.protocol import Error, ErrorInfo, ExitInfo, NeverReplayed, QueuedCell, RunCell
from pyshell.store import Manifest

HISTORY_CELLS = 1000
HISTORY_BYTES = 2 << 20
MAX_FATAL = 100
CHANCE = "?"
"""In front of a name that was in work when somebody killed the worker, which may have been chance."""


def read_history(journal: Journal) -> tuple[RunCell, ...]:
    """The newest cells."""
    cells: list[RunCell] = []
    size = 0
    never = never_replayed(journal)
    for entry in reversed(journal.history(HISTORY_CELLS, "")):
        size += len(entry.code.encode("utf-8", "replace"))
        if size > HISTORY_BYTES:
            break
        cells.append(RunCell(entry.cell, entry.code, effects(journal, entry.cell), entry.cell in never))
    return tuple(reversed(cells))


def left_over(journal: Journal) -> tuple[QueuedCell | None, deque[QueuedCell]]:
    """What a dead host has left: the cell that ran, and those that waited."""
    running: QueuedCell | None = None
    waiting: deque[QueuedCell] = deque()
    for entry in journal.unfinished():
        cell = QueuedCell(entry.cell, entry.client, entry.code)
        if journal.was_started(entry.cell):
            running = cell
        else:
            waiting.append(cell)
    return running, waiting


def effects(journal: Journal, cell: int) -> tuple[str, ...]:
    """What that cell did outside of its process."""
    return tuple([line for line in journal.meta(f"effects {cell}").split("\n") if line])


def never_replayed(journal: Journal) -> frozenset[int]:
    """The cells that the person has marked as never to be run again."""
    return frozenset(map(int, journal.meta("never_replayed").split()))


def mark(journal: Journal, marked: NeverReplayed) -> None:
    """Note such a mark, or that it is taken away."""
    known = never_replayed(journal)
    cells = known | {*marked.cells} if marked.never else known - {*marked.cells}
    journal.set_meta("never_replayed", " ".join(map(str, sorted(cells))))


def ended_together(cell: int) -> ExitInfo:
    """What is known of the end of a worker that a dead host left, and that had not ended its cell."""
    reason = "The host and the worker ended together: both were killed, or the machine went down."
    return ExitInfo(reason, None, None, False, 0, "", cell)


def still_runs(cell: QueuedCell | None) -> str:
    """What is told while a dead host's worker is waited for."""
    where = f" In[{cell.cell}]" if cell else ""
    return f"the worker of the host that was killed still runs{where}; waiting for it to end"


def not_started(reason: str) -> Error:
    """What cells end with that no worker can run."""
    return Error(ErrorInfo("WorkerStartFailed", reason, f"WorkerStartFailed: {reason}\n"), False)


def note_death(journal: Journal, worker: WorkerProcess) -> None:
    """After a worker's exit: remember the name that it was saving by itself, without another process."""
    crumb = worker.box.crumb(SLICING)
    if crumb:
        known = remember(journal.meta("fatal_names").splitlines(), crumb, worker.was_killed)
        journal.set_meta("fatal_names", "\n".join(known))


def remember(known: list[str], crumb: str, by_chance: bool) -> list[str]:
    """The list with one more; nothing is in work twice by chance. Pure."""
    suspected = CHANCE + crumb
    is_certain = not by_chance or suspected in known or crumb in known
    rest = [other for other in known if other not in (crumb, suspected)]
    return [*rest, crumb if is_certain else suspected][-MAX_FATAL:]


def acquit(journal: Journal, checkpoints: Checkpoints, saved: Manifest) -> None:
    """What was in work when the worker was killed, and has been saved since, is not what it died of."""
    known = journal.meta("fatal_names").splitlines()
    if not any(name.startswith(CHANCE) for name in known):
        return
    with suppress(StoreError), checkpoints.reading() as store:  # a damaged store is told by who writes to it
        names = {name for key, _ in saved.added for name in store.group(key).names}
        journal.set_meta("fatal_names", "\n".join(unsuspected(known, names)))


def unsuspected(known: list[str], names: Collection[str]) -> list[str]:
    """The list without those that were there by chance. Pure."""
    return [
        crumb for crumb in known if not crumb.startswith(CHANCE) or crumb[len(CHANCE) :].partition(" ")[0] not in names
    ]


def fatal_names(journal: Journal) -> tuple[str, ...]:
    """What a worker is not to pickle in its own process: names, and what kind of values they had."""
    return tuple([crumb for crumb in journal.meta("fatal_names").splitlines() if not crumb.startswith(CHANCE)])
