"""Take the namespace to another checkpoint, or names from one, and tell what came of it.

Runs in: worker, on its main thread. When: `saving.py` says, once the live namespace is saved.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Union

from pyshell.errors import PyshellError, StoreError
from pyshell.frozen import dataclass
from pyshell.protocol import CheckedOut, CheckoutFailed, Fetch, GoTo, Loaded, Unsaved
from pyshell.store import Missing, Store
from pyshell.worker.checkpoints import steps
from pyshell.worker.checkpoints.checkout import Checkout, Loading
from pyshell.worker.checkpoints.checkpoint import Checkpointer
from pyshell.worker.checkpoints.restore import Caution
from pyshell.worker.namespace import Namespace
from pyshell.worker.pickles.pickling import Lent

MAX_NAMES = 20_000
"""Names that one report lists; it must fit into a message."""
MAX_MISSING = 2_000

Journey = Union[GoTo, Fetch]
Arrival = Union[CheckedOut, Loaded, CheckoutFailed]


@dataclass(frozen=True)
class Travel:
    """Owner: the main thread."""

    path: Path
    namespace: Namespace
    checkpointer: Checkpointer
    lent: Mapping[str, ModuleType]
    caution: Callable[[tuple[str, ...]], Caution]
    """How to go about it, given the groups set aside."""

    def go(self, journey: Journey) -> Arrival:
        """The namespace is what the checkpointer's last checkpoint says: change it, and say how it went."""
        started = time.perf_counter()
        try:
            with Store.open(self.path, key=None, writer=False) as store:
                if isinstance(journey, GoTo):
                    return self._check_out(store, journey, started)
                return self._fetch(store, journey, started)
        except PyshellError as exc:  # before anything was changed
            return CheckoutFailed(type(exc).__name__, str(exc))

    def _check_out(self, store: Store, journey: GoTo, started: float) -> CheckedOut:
        here = self.checkpointer.parent
        target = _target(store, journey, here)
        work = Checkout(store, self.namespace.variables, Lent(self.lent), self.caution(journey.set_aside))
        change = work.go(here, target, self.namespace.hidden)
        self.namespace.adopt()
        self.namespace.bindings.lose(change.missing)
        self.checkpointer.restored(target, work.source)
        return CheckedOut(
            checkpoint=target, left=here, cell=store.manifest(target).cell, names=change.loaded[:MAX_NAMES],
            removed=change.removed[:MAX_NAMES], not_restored=told(change.missing),
            seconds=time.perf_counter() - started,
        )  # fmt: skip

    def borrow(self, store: Store, checkpoint: int, names: Collection[str]) -> None:
        """Bind names from a checkpoint for a moment, of which nothing is to be noted."""
        Loading(store, self.namespace.variables, Lent(self.lent), self.caution(())).fetch(checkpoint, names)

    def _fetch(self, store: Store, journey: Fetch, started: float) -> Loaded:
        work = Loading(store, self.namespace.variables, Lent(self.lent), self.caution(()))
        outcome = work.fetch(journey.checkpoint, journey.names)
        self.checkpointer.bound(work.cells)
        seconds = time.perf_counter() - started
        return Loaded(journey.checkpoint, outcome.names[:MAX_NAMES], told(outcome.missing), seconds)


def _target(store: Store, journey: GoTo, here: int) -> int:
    if not here:
        raise StoreError("there is no checkpoint yet")
    if journey.way == "undo":
        return steps.before(store, here)
    return steps.after(store, here) if journey.way == "redo" else journey.checkpoint or 0


def told(missing: Sequence[Missing]) -> tuple[Unsaved, ...]:
    return tuple([Unsaved(m.name, m.type, m.reason, m.cell) for m in missing[:MAX_MISSING]])
