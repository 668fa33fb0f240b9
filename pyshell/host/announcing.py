"""When clients hear of what has happened: at once, or of a cell's beginning together with what it brings.

Runs in: host, on the supervisor's thread.

Most cells end within milliseconds. To wake every client for the beginning, which reads it, draws nothing yet and asks
for more, would keep the processors from the cell, and the host from what comes of it.
"""

from __future__ import annotations

from pyshell.host.journals.journal import Journal
from pyshell.host.loop import Loop
from pyshell.protocol import Queued, Started, StateChanged

QUIET = (Queued, Started, StateChanged)
QUIET_SECONDS = 0.005


class Announcer:
    """What happened is durable after each turn in any case."""

    def __init__(self, loop: Loop, journal: Journal) -> None:
        self._loop = loop
        self._journal = journal
        self._is_late = False
        """Whether it is told later what there is."""

    def after_turn(self) -> None:
        """A turn of the loop is over."""
        if any(not isinstance(event.body, QUIET) for event in self._journal.unseen()):
            self._journal.commit()
        elif self._journal.keep() and not self._is_late and any(self._journal.unseen()):
            self._is_late = True
            self._loop.later(QUIET_SECONDS, self._tell)

    def _tell(self) -> None:
        self._is_late = False
        self._journal.commit()
