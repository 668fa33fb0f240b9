"""Know which question is open: the worker's own, or that of a program that waits for a line (`git push`, `cat`).

Runs in: host, on the supervisor's thread.

The worker says itself when it waits. A program that a cell has started does not: it is looked for while the cell runs,
and asked for in its name, with no prompt but what it has printed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from pyshell.host.loop import Loop
from pyshell.host.processes.blocked import READ, Read, find_read, ticks
from pyshell.host.workers.succession import Succession
from pyshell.protocol import InputDone, InputRequest, QueuedCell

SOON = 0.03
"""Seconds: after the beginning of a cell and after an answer, and before a wait that was seen is told; the
prompt that the program has printed before it is read meanwhile."""
PAUSE = 0.2
"""Seconds at most between two looks; from SOON on each one comes twice as late as the one before."""
REST = 100
"""A look at many processes takes milliseconds: so many times as long passes before the next."""

Tell = Callable[["InputRequest | InputDone", "QueuedCell | None"], None]


class Reading:
    """Owner: the supervisor's thread."""

    def __init__(
        self, loop: Loop, succession: Succession, running: Callable[[], QueuedCell | None], tell: Tell
    ) -> None:
        self.request: InputRequest | None = None
        """The open question."""
        self._loop = loop
        self._succession = succession
        self._running = running
        self._tell = tell
        self._cell: QueuedCell | None = None
        self._since = 0
        self._seen: Read | None = None
        """At the last look."""
        self._is_ours = False
        """Whether the newest question is a program's."""
        self._pause = SOON
        self._turn = object()

    def begin(self, cell: QueuedCell) -> None:
        """A cell is about to run: look whether its programs wait, until it ends."""
        if READ:
            self._cell, self._since, self._seen = cell, ticks(), None
            self._look_soon()

    def end(self) -> None:
        """The cell, or the worker, has ended."""
        self.request = self._cell = None

    def told(self, body: object) -> None:
        """What the worker says of itself."""
        if isinstance(body, (InputRequest, InputDone)):
            self.request, self._is_ours = body if isinstance(body, InputRequest) else None, False

    def typed(self) -> None:
        """Something is typed: the line may be there, and the next question follow at once."""
        if self.request is not None and self._is_ours:
            self._look_soon()

    def _look_soon(self) -> None:
        self._pause = SOON
        self._look_later()

    def _look_later(self, taken: float = 0.0) -> None:
        turn = self._turn = object()
        self._loop.later(max(self._pause, REST * taken), partial(self._look, turn))
        self._pause = min(PAUSE, self._pause * 2)

    def _look(self, turn: object) -> None:
        worker = self._succession.worker
        if turn is not self._turn or self._cell is None or worker is None or self._running() is not self._cell:
            return
        began = time.thread_time()
        if self.request is None or self._is_ours:
            is_lent = worker.terminal.use != "lines"
            self._saw(None if is_lent else find_read(worker.pid, worker.terminal.master, self._since))
        self._look_later(time.thread_time() - began)

    def _saw(self, read: Read | None) -> None:
        before, self._seen = self._seen, read
        if self.request is not None and read != before:
            self._asks(None)
        if read is not None and read != before:
            self._pause = SOON
        elif read is not None and self.request is None:
            self._asks(InputRequest("", read.hides_text))

    def _asks(self, request: InputRequest | None) -> None:
        self.request, self._is_ours = request, True
        self._tell(request or InputDone(), self._cell)
