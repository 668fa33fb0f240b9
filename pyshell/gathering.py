"""What a client makes of the events that it reads: how far it has come, and how one cell ended. Pure.

Runs in: clients (Python 3.11 and newer).
"""

from __future__ import annotations

import time

from pyshell.frozen import dataclass
from pyshell.protocol import (
    CellStatus,
    Changes,
    Died,
    Display,
    Error,
    ErrorInfo,
    Event,
    Events,
    ExitInfo,
    Finished,
    Message,
    Output,
    ReadEvents,
    Restored,
    Result,
    Unsaved,
)

POLL_SECONDS = 20.0
"""How long the host holds a question for events; it answers at once when there are some."""
READ_LIMIT = 1000


@dataclass(frozen=True)
class Reply:
    """How a cell ended, and everything that it showed."""

    cell: int
    status: CellStatus
    result: str | None
    """The repr of the last expression's value; None where there was none."""
    output: str
    """The text that the terminal got, with its escape sequences."""
    error: ErrorInfo | None
    died: ExitInfo | None
    """Why the worker died, if it did; the state is back by then."""
    restored: tuple[str, ...]
    not_restored: tuple[Unsaved, ...]
    changes: Changes | None = None
    """What the cell did to the namespace; None if it did not run to its end."""
    displays: tuple[Display, ...] = ()
    """Figures and whatever else it showed by more than text, in order."""
    effects: tuple[str, ...] = ()
    """What it did outside of the worker, as far as that was seen: `wrote out.csv`."""


class Reading:
    """Where somebody is who reads events, until the session ends or a deadline of `time.monotonic()` has passed."""

    def __init__(self, after: int, cell: int | None, deadline: float | None) -> None:
        self._after = after
        self._cell = cell
        self._deadline = deadline
        self._has_all = False
        """Whether there was nothing more when the last answer came."""
        self.has_begun = False
        """Whether there was an answer."""

    def question(self) -> ReadEvents:
        """The next one to ask. It waits at the host, for which there is no place for everybody, if it has to."""
        left = POLL_SECONDS if self._deadline is None else min(POLL_SECONDS, self._deadline - time.monotonic())
        return ReadEvents(self._after, self._cell, READ_LIMIT, max(0.0, left) if self._has_all else 0.0)

    def is_over(self, batch: Events) -> bool:
        """Whether this answer was the last one."""
        self._after = batch.events[-1].seq if batch.events else batch.last
        self._has_all, self.has_begun = self._after >= batch.last, True
        if batch.stopped and self._after >= batch.last:
            return True
        return not batch.events and has_passed(self._deadline)


def has_passed(deadline: float | None) -> bool:
    return deadline is not None and time.monotonic() >= deadline


class Gathering:
    """Folds the events of one cell into a Reply."""

    def __init__(self, cell: int) -> None:
        self._cell = cell
        self._output: list[str] = []
        self._result: str | None = None
        self._displays: list[Display] = []
        self._error: ErrorInfo | None = None
        self._died: ExitInfo | None = None
        self._restored: Restored | None = None
        self._finished: Finished | None = None

    def add(self, event: Event) -> bool:
        """Take an event; True if it is the cell's last."""
        body: Message = event.body
        if isinstance(body, Output):
            self._output.append(body.text)
        elif isinstance(body, Result):
            self._result = body.text
        elif isinstance(body, Display):
            self._displays.append(body)
        elif isinstance(body, Error):
            self._error = body.error
        elif isinstance(body, Died):
            self._died = body.exit
        elif isinstance(body, Restored):
            self._restored = body
        elif isinstance(body, Finished):
            self._finished = body
            return True
        return False

    def finish(self) -> Reply:
        """After the last one."""
        restored, end = self._restored, self._finished
        assert end is not None
        return Reply(
            self._cell, end.status, self._result, "".join(self._output), self._error, self._died,
            restored.names if restored else (), restored.not_restored if restored else (), end.changes,
            tuple(self._displays), end.effects,
        )  # fmt: skip
