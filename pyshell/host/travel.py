"""Take the session to another checkpoint: the worker changes the namespace, then HEAD moves, then it is told.

Runs in: host, on the supervisor's thread.

Until HEAD has moved, every death brings back the state from before; from then on, the one that was asked for. So the
record in the store's log is the commit point, and a namespace that is half one and half the other is only ever a dead
worker's.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Protocol, Union

from pyshell.blackbox import BlackBox
from pyshell.errors import StoreError
from pyshell.host.journals.journal import Journal
from pyshell.host.loop import Loop
from pyshell.host.processes.loading import watch_loading
from pyshell.host.saved.checkpoints import Checkpoints
from pyshell.host.workers.succession import Succession
from pyshell.protocol import CheckedOut, Checkout, CheckoutFailed, Fetch, GoTo, Loaded, LoadNames, Underway
from pyshell.store import Manifest

Request = Union[Checkout, LoadNames]
Arrival = Union[CheckedOut, Loaded, CheckoutFailed]
ARRIVALS = (CheckedOut, Loaded, CheckoutFailed)

ENDED = "the worker ended before it was done; the state is the one from before"
FATAL = 2
"""Workers that a group may end before it is not tried again."""
MAX_REMEMBERED = 100


class Traveller(Protocol):
    """What the supervisor is to its travel."""

    def on_arrival(self, arrival: Arrival, client: str) -> None:
        """It is over, one way or the other."""

    def on_head(self, manifest: Manifest) -> None:
        """HEAD was moved to this checkpoint, and no cell that has ended is lost by that."""


class Travel:
    """Owner: the supervisor's thread."""

    def __init__(
        self, loop: Loop, journal: Journal, checkpoints: Checkpoints, succession: Succession, traveller: Traveller
    ) -> None:
        self._loop = loop
        self._journal = journal
        self._checkpoints = checkpoints
        self._succession = succession
        self._traveller = traveller
        self._request: Request | None = None
        self._epoch = 0

    def begin(self, request: Request) -> Underway:
        """Let the worker set out. It is idle; `on_arrival` tells the end."""
        self._request, self._epoch = request, self._succession.epoch
        self._succession.travelling = True
        if isinstance(request, Checkout):
            aside = {*self._journal.meta("set_aside").split(), *self._fatal()}
            self._succession.send("checkout", GoTo(request.way, request.checkpoint, tuple(sorted(aside))))
        else:
            self._succession.send("load", Fetch(request.checkpoint, request.names))
        watch_loading(self._loop, partial(self._loader, request, self._epoch), self._succession.kill_worker)
        return Underway(self._journal.last)

    def arrived(self, arrival: Arrival) -> None:
        """The worker is there, or has given up."""
        if self._request is None:
            return  # a host that was killed had asked for it: HEAD has not moved, so nothing has happened
        if isinstance(arrival, CheckedOut):
            self._move_head(arrival)
        else:
            self._end(arrival)

    def _move_head(self, arrival: CheckedOut) -> None:
        self._succession.travelling = False
        # What these cells did is in the checkpoint that is left.
        last = max(self._journal.ended_after(arrival.cell or 0, 0.0), default=arrival.cell or 0)
        if arrival.checkpoint <= int(self._journal.meta("fresh_after", "0")):
            # From before a fresh start, and wanted all the same.
            self._journal.set_meta("fresh_after", "0")
        # Before HEAD moves: a host that comes after must not take the cells that are undone for lost ones.
        self._journal.set_meta("accounted", f"{arrival.checkpoint} {last}")
        self._journal.commit()
        done = partial(self._head_moved, arrival)
        self._checkpoints.checkout(arrival.checkpoint, lambda result: self._loop.post(partial(done, result)))

    def _head_moved(self, arrival: CheckedOut, result: Manifest | StoreError) -> None:
        if isinstance(result, StoreError):
            # The namespace is what no checkpoint follows: the next worker has the state from before.
            self._end(CheckoutFailed(type(result).__name__, f"the timeline could not be changed: {result}"))
            if self._epoch == self._succession.epoch:
                self._succession.kill_worker()
            return
        self._journal.set_meta("fatal_groups", "")
        self._traveller.on_head(result)
        self._end(arrival)

    def _end(self, arrival: Arrival) -> None:
        request, self._request = self._request, None
        self._succession.travelling = False
        if request is not None:
            self._traveller.on_arrival(arrival, request.client)

    def worker_died(self, crumb: str) -> None:
        """While it loaded that group, if any; the state from before is on its way."""
        if self._succession.travelling and crumb:
            remembered = [*self._journal.meta("fatal_groups").split(), crumb][-MAX_REMEMBERED:]
            self._journal.set_meta("fatal_groups", " ".join(remembered))

    def worker_is_back(self) -> None:
        """Another worker has the state again."""
        if self._succession.travelling:
            self._end(CheckoutFailed("WorkerError", ENDED))

    def _fatal(self) -> list[str]:
        found = Counter(self._journal.meta("fatal_groups").split())
        return [group for group, times in found.items() if times >= FATAL]

    def _loader(self, request: Request, epoch: int) -> BlackBox | None:
        worker = self._succession.worker
        is_on = self._request is request and self._succession.travelling and epoch == self._succession.epoch
        return worker.box if is_on and worker is not None else None


def ended_unsaved(journal: Journal, head: Manifest | None) -> list[int]:
    """Cells that have ended and are in no checkpoint, where HEAD is that one."""
    if head is None:
        return journal.ended_after(0, 0.0)
    checkpoint, _, cell = journal.meta("accounted").partition(" ")
    return journal.ended_after(int(cell) if checkpoint == str(head.sequence) else head.ended, head.time)
