"""Fill a new worker's namespace from a checkpoint, and tell what came back.

Runs in: worker, on its main thread.
"""

from __future__ import annotations

import time
from contextlib import suppress

from pyshell.blackbox import LOADING, BlackBox
from pyshell.errors import StoreError
from pyshell.protocol import Notice, Prepare, Restored, RestoreNamespace
from pyshell.store import Missing, Store
from pyshell.worker import cell as cells
from pyshell.worker.checkpoints.ahead import import_ahead
from pyshell.worker.checkpoints.checkpoint import Checkpointer
from pyshell.worker.checkpoints.late import Beginning, Late
from pyshell.worker.checkpoints.restore import Caution, Restoring
from pyshell.worker.checkpoints.travel import MAX_NAMES, told
from pyshell.worker.forking import why_not_fork
from pyshell.worker.namespace import Namespace
from pyshell.worker.sender import Sender
from pyshell.worker.surroundings import Surroundings


class Resuming:
    """Owner: the main thread."""

    def __init__(
        self,
        surroundings: Surroundings,
        namespace: Namespace,
        box: BlackBox,
        sender: Sender,
        checkpointer: Checkpointer,
    ) -> None:
        self._surroundings = surroundings
        self._namespace = namespace
        self._box = box
        self._sender = sender
        self._checkpointer = checkpointer
        self.late = Late(surroundings, namespace, box, sender, checkpointer)
        self._unset = ""
        """Which settings are not as they were."""
        checkpointer.recorder.settings.tell = lambda text: sender.report(Notice(text))

    def begin(self) -> None:
        """All of ours is imported: what is set from here on is set by somebody else."""
        self._checkpointer.recorder.settings.begin()

    def prepare(self, request: Prepare) -> None:
        """In a spare worker: import what the restore would import."""
        import_ahead(request.modules, lambda module: self._box.drop_crumb(LOADING, module))

    def restore(self, request: RestoreNamespace) -> bool:
        """Fill the empty namespace, and tell what came back; whether it is what the checkpoint says."""
        started = time.perf_counter()
        for past in request.history:
            self._namespace.remember_source(past)
        if request.checkpoint is None:
            if failure := cells.run_startup(self._surroundings.startup, self._namespace.variables):
                self._sender.report(Notice(failure))
            self._sender.report(Restored(None, (), (), time.perf_counter() - started))
            return False
        is_there, names, missing = self._load(request, request.checkpoint)
        self._namespace.adopt()
        self._namespace.bindings.lose(missing)
        seconds = time.perf_counter() - started
        self._sender.report(Restored(request.checkpoint, names[:MAX_NAMES], told(missing), seconds))
        if self._unset:
            self._sender.report(Notice(self._unset))
        self.tell_remarks(request.checkpoint)
        return is_there

    def tell_remarks(self, checkpoint: int) -> None:
        """Once what is restored is there: looking up versions takes a moment."""
        with suppress(StoreError):  # what cannot be read is told as not restored
            for text in self._checkpointer.remarks(checkpoint):
                self._sender.report(Notice(text))

    def _load(self, request: RestoreNamespace, checkpoint: int) -> tuple[bool, tuple[str, ...], tuple[Missing, ...]]:
        caution, lent = self.caution(request.set_aside), self._checkpointer.lent
        # Who saves by hand chooses names among all that there are.
        saves = self._surroundings.limits.mode != "manual"
        kind = Beginning if request.lazy and saves and why_not_fork() is None else Restoring
        try:
            with Store.open(self._surroundings.store, key=None, writer=False) as store:
                restoring = kind(store, self._namespace.variables, lent, caution)
                outcome = restoring.restore(checkpoint)
                self._unset = restoring.set_rest()
            self._checkpointer.restored(checkpoint, outcome.source)
            self.late.begin(store, lent, caution, outcome.source)
        except StoreError as exc:
            return False, (), (Missing("everything", "", f"the checkpoint cannot be read: {exc}", None),)
        return True, outcome.names, outcome.missing

    def caution(self, set_aside: tuple[str, ...]) -> Caution:
        """How to go about it, given the groups set aside."""
        return Caution(
            set_aside,
            lambda group: self._box.drop_crumb(LOADING, group),
            lambda text: self._sender.report(Notice(text)),
        )
