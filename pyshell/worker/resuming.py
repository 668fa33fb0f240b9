"""Fill a new worker's namespace from a checkpoint, and tell what came back.

Runs in: worker, on its main thread.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import ModuleType

from pyshell.blackbox import LOADING, BlackBox
from pyshell.errors import StoreError
from pyshell.protocol import Notice, Prepare, Restored, RestoreNamespace
from pyshell.store import Missing, Store
from pyshell.worker import cell as cells
from pyshell.worker.ahead import import_ahead
from pyshell.worker.checkpoint import Checkpointer
from pyshell.worker.namespace import Namespace
from pyshell.worker.restore import Caution, restore
from pyshell.worker.sender import Sender
from pyshell.worker.travel import MAX_NAMES, told


class Resuming:
    """Owner: the main thread."""

    def __init__(
        self, store: Path, namespace: Namespace, box: BlackBox, sender: Sender, lent: Mapping[str, ModuleType]
    ) -> None:
        self._store = store
        self._namespace = namespace
        self._box = box
        self._sender = sender
        self._lent = lent

    def prepare(self, request: Prepare) -> None:
        """In a spare worker: import what the restore would import."""
        import_ahead(request.modules, lambda module: self._box.drop_crumb(LOADING, module))

    def restore(self, request: RestoreNamespace, checkpointer: Checkpointer, startup: str | None) -> bool:
        """Fill the empty namespace, and tell what came back; whether it is what the checkpoint says."""
        started = time.perf_counter()
        for past in request.history:
            self._namespace.remember_source(past)
        if request.checkpoint is None:
            if failure := cells.run_startup(startup, self._namespace.variables):
                self._sender.report(Notice(failure))
            self._sender.report(Restored(None, (), (), time.perf_counter() - started))
            return False
        is_there, names, missing = self._load(request.checkpoint, request.set_aside, checkpointer)
        self._namespace.adopt()
        self._namespace.lost = {lost.name: lost.cell for lost in missing}
        seconds = time.perf_counter() - started
        self._sender.report(Restored(request.checkpoint, names[:MAX_NAMES], told(missing), seconds))
        self.tell_remarks(request.checkpoint, checkpointer)
        return is_there

    def tell_remarks(self, checkpoint: int, checkpointer: Checkpointer) -> None:
        """Once what is restored is there: looking up versions takes a moment."""
        with suppress(StoreError):  # what cannot be read is told as not restored
            for text in checkpointer.remarks(checkpoint):
                self._sender.report(Notice(text))

    def _load(
        self, checkpoint: int, set_aside: tuple[str, ...], checkpointer: Checkpointer
    ) -> tuple[bool, tuple[str, ...], tuple[Missing, ...]]:
        try:
            with Store.open(self._store, key=None, writer=False) as store:
                outcome = restore(
                    store, checkpoint, self._namespace.variables, self._lent, self.caution(set_aside)
                )
            checkpointer.restored(checkpoint, outcome.source)
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
