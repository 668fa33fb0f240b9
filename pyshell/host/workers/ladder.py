"""The ladder that a running cell is stopped by: SIGINT; SIGINT and a stack dump; the end of the worker.

Runs in: host.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Literal

from pyshell.host.loop import Loop
from pyshell.host.workers.succession import Succession
from pyshell.protocol import COMM_CELL, Interrupted, QueuedCell

BEGIN_SECONDS = 0.05
"""When to look again whether the cell has begun: before that a signal would be lost."""
HEAR_SECONDS = (0.05, 0.3)
"""When the worker is asked whether it has heard the signal."""
STACK_SECONDS = 0.1
"""What faulthandler needs to write the stack."""


class Ladder:
    """Owner: the supervisor's thread. It starts anew with each cell."""

    def __init__(
        self,
        loop: Loop,
        succession: Succession,
        running: Callable[[], QueuedCell | None],
        show: Callable[[str, QueuedCell | None], None],
    ) -> None:
        self._loop = loop
        self._succession = succession
        self._running = running
        self._show = show
        self._presses = 0
        self.killed_for = ""
        """What is said of the worker's death, if that was the last rung."""

    def start_anew(self) -> None:
        self._presses = 0
        self.killed_for = ""

    def climb(self, cell: QueuedCell) -> Literal["signal", "stack", "kill"]:
        """Take the next rung for the running cell."""
        self._presses += 1
        if self._presses > 2:
            what = f"In[{cell.cell}]" if cell.cell != COMM_CELL else "what a widget called"
            self.killed_for = f"The worker was killed as you asked, because {what} did not stop."
            self._succession.kill_worker()
            return "kill"
        self._interrupt(cell)
        if self._presses == 2 and self._succession.worker is not None:
            self._succession.worker.ask_for_stack()
            self._loop.later(STACK_SECONDS, partial(self._show_stack, cell))
            return "stack"
        return "signal"

    def _interrupt(self, cell: QueuedCell) -> None:
        """Signal the cell, or as soon as it can hear it; nobody else."""
        if self._running() is not cell:
            return
        if self._succession.can_interrupt(cell.cell):
            self._signal(cell)
        else:
            self._loop.later(BEGIN_SECONDS, partial(self._interrupt, cell))

    def _signal(self, cell: QueuedCell) -> None:
        at = time.monotonic()
        # What had to hear it is known at the sending only: a program may come to the front right after.
        if self._succession.interrupt():
            for seconds in HEAR_SECONDS:
                self._loop.later(seconds, partial(self._make_hear, cell, Interrupted(at)))

    def _make_hear(self, cell: QueuedCell, sent: Interrupted) -> None:
        if self._running() is cell:
            self._succession.send("interrupted", sent)

    def _show_stack(self, cell: QueuedCell) -> None:
        text = self._succession.worker.read_stack() if self._succession.worker else ""
        if text and self._running() is cell:  # else it obeyed meanwhile, and nobody asks where it is
            self._show(text, cell if cell.cell != COMM_CELL else None)
