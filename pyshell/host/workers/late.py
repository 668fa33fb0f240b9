"""Watch a worker that still loads a part of the state while its cells run, and remember what it died of.

Runs in: host, on the supervisor's thread.

What kills or hangs it then is not tried in that way again: the next worker loads everything before its first cell,
where the ladder of recovery.py finds out what is to be set aside. What the cells did meanwhile is in checkpoints of
their own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from pyshell.blackbox import LOADING
from pyshell.host.loop import Loop
from pyshell.host.processes.loading import RESTORE_SECONDS, BoxOfLoader
from pyshell.host.processes.process import WorkerProcess
from pyshell.host.workers.recovery import Recovery


class Late:
    """Owner: the supervisor's thread."""

    def __init__(self) -> None:
        self._group = ""
        self._is_hung = False

    @property
    def is_allowed(self) -> bool:
        """Whether the next restore may leave something for later."""
        return not self._group

    def blame(self, recovery: Recovery) -> Recovery:
        """A recovery that has just begun; the same, knowing of the group that the last worker hung over.

        Of one over which it died nothing is known yet: much else goes on in a session, and it is tried once more alone.
        """
        if self._group and self._is_hung:
            recovery.failed(self._group, by_chance=False)
        return recovery

    def ended(self, worker: WorkerProcess) -> None:
        """A worker has died that had been restored."""
        self._group = worker.box.crumb(LOADING) if worker.box.unloaded else ""

    def restored(self, loop: Loop, box_of_loader: BoxOfLoader, kill: Callable[[], object]) -> None:
        """A worker has been, and may go on loading."""
        self._group, self._is_hung = "", False
        self._watch(loop, box_of_loader, kill)

    def _watch(self, loop: Loop, box_of_loader: BoxOfLoader, kill: Callable[[], object], seen: str = "") -> None:
        """Look from time to time whether loading goes on, as long as anything waits; `seen`: at the last look."""
        box = box_of_loader()
        if box is None or not box.unloaded:
            return
        group = box.crumb(LOADING)
        now = f"{group} {box.begun}" if group else ""
        if seen and now == seen:
            self._is_hung = True
            kill()
        else:
            loop.later(RESTORE_SECONDS, partial(self._watch, loop, box_of_loader, kill, now))
