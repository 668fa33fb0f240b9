"""Cells that run in the background of the worker: pass on what they show, and tell which are lost with it.

Runs in: host, on the supervisor's thread.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyshell.host.journals.journal import Journal
from pyshell.protocol import AskedForQueue, Background, Display, Error, Notice, Output, QueuedCell, Report, Result

_SHOWN = (Output, Result, Display, Error, Notice)

ENDED = "In[{}] ran in the background, and ended with the worker. What it had done at the last save is kept."


class Behind:
    """Owner: the supervisor's thread. The journal knows them, too, for a host that follows this one."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.cells = tuple(map(int, journal.meta("background").split()))

    def took(self, report: Report, running: QueuedCell | None, epoch: int, queue: Sequence[QueuedCell]) -> bool:
        """Whether the report is of such a cell, or asks for what runs and waits: then the answer is in the journal."""
        body, cell = report.body, report.cell
        if isinstance(body, AskedForQueue):
            self._journal.append(Notice(_told(queue)), epoch=epoch, cell=cell)
            return True
        if isinstance(body, Background):
            self._note(body.cells)
            self._journal.append(body, epoch=epoch, cell=None)
            return True
        if cell not in self.cells or (running is not None and running.cell == cell) or not isinstance(body, _SHOWN):
            return False
        if isinstance(body, Error):
            self._journal.finish_cell(cell, "error")
        if not isinstance(body, Output) or self._journal.keeps_output(cell, body.text):
            self._journal.append(body, epoch=epoch, cell=cell)
        return True

    def lost(self, epoch: int) -> None:
        """The worker has ended, and they with it."""
        for cell in self.cells:
            self._journal.finish_cell(cell, "died")
            self._journal.append(Notice(ENDED.format(cell)), epoch=epoch, cell=cell)
        if self.cells:
            self._note(())
            self._journal.append(Background(()), epoch=epoch, cell=None)

    def _note(self, cells: tuple[int, ...]) -> None:
        self.cells = cells
        self._journal.set_meta("background", " ".join(map(str, cells)))


def _told(queue: Sequence[QueuedCell]) -> str:
    lines = [f"In[{cell.cell}] waits: {cell.code.strip().partition(chr(10))[0]}" for cell in queue]
    return "\n".join(lines) or "No cell waits."
