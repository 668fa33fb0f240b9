"""What a saving child tells the worker: in memory that both share, because other code may take its exit status.

Runs in: worker (reading), and the forked child that saves (writing).
"""

from __future__ import annotations

import mmap
import os

from pyshell.blackbox import create_file
from pyshell.frozen import dataclass
from pyshell.store.files import OS_FILES, write_all
from pyshell.worker.checkpoints.proposing import Outcome
from pyshell.worker.forking import describe_status, wait_for, was_ended
from pyshell.worker.pickles.refusals import describe

_NOTE_SIZE = 4096
SAVED = "saved"


@dataclass(frozen=True)
class Ended:
    """How a saving child ended. `reason` is empty if it proposed a checkpoint."""

    proposal: str
    reason: str
    outcome: Outcome | None
    was_ended: bool = False
    """Whether somebody lost patience with it, and it was not its own code that failed."""


@dataclass(frozen=True)
class Reaped:
    """A task for the main thread: the saving child has ended."""

    ended: Ended


class SharedNote:
    """Made by the worker before it forks; for one child at a time."""

    def __init__(self) -> None:
        self._note = mmap.mmap(-1, _NOTE_SIZE)
        self._results = create_file("pyshell-outcome")

    def clear(self) -> None:
        self._note[:] = bytes(_NOTE_SIZE)
        os.ftruncate(self._results, 0)

    def tell_saved(self, outcome: Outcome) -> None:
        """In the child: it has proposed a checkpoint."""
        write_all(OS_FILES, self._results, outcome.to_json(), 0)
        self.tell(SAVED)

    def tell(self, text: str) -> None:
        """In the child: why it has not."""
        raw = text.encode("utf-8", "replace")[:_NOTE_SIZE]
        self._note[: len(raw)] = raw

    def wait(self, pid: int, name: str) -> Ended:
        """Wait for the child, and hear what it had to tell."""
        status = wait_for(pid)
        note = self._note[:].rstrip(b"\0").decode("utf-8", "replace")
        if note != SAVED:
            return Ended(name, note or describe_status(status), None, not note and was_ended(status))
        try:
            outcome = Outcome.from_json(os.pread(self._results, os.fstat(self._results).st_size, 0))
        except Exception as exc:  # whatever is wrong with it: the thread that waits for children must go on
            return Ended(name, f"what was saved could not be read: {describe(exc)}", None)
        return Ended(name, "", outcome)
