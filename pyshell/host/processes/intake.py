"""Take in one worker's reports and output: give them out in the order in which they were made, and thank the worker.

Runs in: host, on the supervisor's thread.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial

from pyshell.host.loop import Loop
from pyshell.host.processes.ordering import Item, Ordering, Shown
from pyshell.protocol import Report, Reports

FENCE_SECONDS = 1.0
MAX_FENCE_SECONDS = 30.0
"""How long a report waits for the output before it, when nothing comes, and at most: a terminal that the user's
code has put into a strange mode has no fences. Output waits as long at least for the report that came before it."""


class Intake:
    """Owner: the supervisor's thread; `wait_kept` is for the worker's reader.

    `show` and `deal_with` take text and reports that are due, `keep` makes what they did durable.
    """

    def __init__(
        self, loop: Loop, show: Callable[[Shown], None], deal_with: Callable[[Report], None], keep: Callable[[], object]
    ) -> None:
        self._loop = loop
        self._show = show
        self._deal_with = deal_with
        self._keep = keep
        self._ordering = Ordering()
        self._came = self._dealt_with = 0
        self._unanswered: deque[tuple[int, threading.Event]] = deque()
        """Batches whose sender waits: the number of reports up to each one's end."""
        self._pieces = 0
        self._watching = False

    def wait_kept(self, reports: Reports) -> None:
        """Hand in a batch and wait until it is in the journal: what the worker was not thanked for it keeps."""
        kept = threading.Event()
        self._loop.post(partial(self._take, reports, kept))
        kept.wait()

    def _take(self, reports: Reports, kept: threading.Event) -> None:
        self._came += len(reports.reports)
        self._unanswered.append((self._came, kept))
        for report in reports.reports:
            self._give_out(self._ordering.report(report))
        self._watch()

    def output(self, piece: Shown | int) -> None:
        """Text, a fence or another use of it came from the terminal."""
        self._pieces += 1
        self._give_out(self._ordering.output(piece))
        self._watch()

    def finish(self) -> None:
        """The worker has ended: nothing more will come."""
        self._give_out(self._ordering.give_up_all())

    def _give_out(self, due: list[Item]) -> None:
        for item in due:
            if isinstance(item, Report):
                self._deal_with(item)
                self._dealt_with += 1
            else:
                self._show(item)
        while self._unanswered and self._unanswered[0][0] <= self._dealt_with:
            self._keep()
            self._unanswered.popleft()[1].set()

    def _watch(self) -> None:
        waiting, held = self._ordering.first(), self._ordering.holding()
        if self._watching or (waiting is None and not held):
            return
        self._watching = True
        if waiting is not None:
            self._look_later(waiting, time.monotonic() + MAX_FENCE_SECONDS)
        else:
            self._loop.later(FENCE_SECONDS, partial(self._look_at_held, held))

    def _look_later(self, report: Report, deadline: float) -> None:
        self._loop.later(FENCE_SECONDS, partial(self._look, report, deadline, self._pieces))

    def _look(self, report: Report, deadline: float, pieces: int) -> None:
        """Give a fence up when no output has come for a while: its output is not on the way."""
        if self._ordering.first() is report:
            if pieces != self._pieces and time.monotonic() < deadline:
                self._look_later(report, deadline)
                return
            self._give_out(self._ordering.give_up())
        self._watching = False
        self._watch()

    def _look_at_held(self, fence: int) -> None:
        """Give a report up: the worker could not make it any more, or the user's code has written the fence."""
        if self._ordering.holding() == fence:
            self._give_out(self._ordering.give_up_holding())
        self._watching = False
        self._watch()
