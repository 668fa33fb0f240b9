"""Answer the host's requests: hand tasks to the main thread, look things up without it.

Runs in: worker, on its RPC thread.
"""

from __future__ import annotations

from typing import Any

from pyshell.protocol import (
    Children,
    Code,
    Completions,
    Fetch,
    GoTo,
    Inspection,
    Interrupted,
    Nothing,
    Prepare,
    Prepared,
    ReadChildren,
    ReadTable,
    ReadVariables,
    RestoreNamespace,
    RunCell,
    SendComm,
    Settled,
    Table,
    TakeCheckpoint,
    Variables,
)
from pyshell.transport import Answer
from pyshell.worker.checkpoints.ahead import places
from pyshell.worker.executor import Executor
from pyshell.worker.introspection.hurrying import looking
from pyshell.worker.namespace import Namespace


class WorkerService:
    """One method per operation of protocol.WORKER_OPERATIONS."""

    def __init__(self, executor: Executor, namespace: Namespace) -> None:
        self._executor = executor
        self._namespace = namespace

    def execute(self, request: RunCell) -> Nothing:
        self._executor.submit(request)
        return Nothing()

    def prepare(self, request: Prepare) -> Prepared:
        self._executor.submit(request)
        return Prepared(places())

    def restore(self, request: RestoreNamespace) -> Nothing:
        self._executor.submit(request)
        return Nothing()

    def checkpoint(self, request: TakeCheckpoint) -> Nothing:
        self._executor.submit(request)
        return Nothing()

    def checkout(self, request: GoTo) -> Nothing:
        self._executor.submit(request)
        return Nothing()

    def load(self, request: Fetch) -> Nothing:
        self._executor.submit(request)
        return Nothing()

    def comm(self, request: SendComm) -> Nothing:
        self._executor.submit(request)
        return Nothing()

    def settled(self, request: Settled) -> Nothing:
        self._executor.submit(request)
        return Nothing()

    def interrupted(self, request: Interrupted) -> Nothing:
        self._executor.make_hear(request)
        return Nothing()

    def complete(self, request: Code) -> Completions:
        from pyshell.worker.introspection.completion import complete  # some ms that a session without it never needs

        return complete(self._known(), request.code, request.cursor_pos)

    def _known(self) -> dict[str, Any]:
        """The namespace, and stand-ins for what is still to be loaded."""
        late = self._executor.late
        if late is None or not late.is_on:
            return self._namespace.variables
        return {**late.stand_ins(), **self._namespace.variables}

    def inspect(self, request: Code) -> Inspection:
        from pyshell.worker.introspection.inspection import inspect  # some ms that a session without it never needs

        return inspect(self._known(), request.code, request.cursor_pos, request.detail)

    def variables(self, request: ReadVariables) -> Variables:
        from pyshell.worker.introspection.describing import Notes, list_variables  # the same

        cells, changed = self._namespace.bindings.cells, self._executor.changes.last
        page = range(request.start, request.start + request.count)
        late = self._executor.late.rows() if self._executor.late is not None else {}
        notes = Notes(cells, changed, late, dict(self._namespace.bindings.orders) if late else {})
        return list_variables(self._namespace.variables, self._namespace.hidden, page, notes)

    def children(self, request: ReadChildren) -> Children:
        from pyshell.worker.introspection.describing import page  # the same

        return page(self._namespace.variables, request)

    def table(self, request: ReadTable) -> Table:
        from pyshell.worker.introspection.describing import window  # the same

        return window(self._namespace.variables, request)

    def answers(self) -> dict[str, Answer]:
        return {
            "execute": self.execute,
            "prepare": self.prepare,
            "restore": self.restore,
            "checkpoint": self.checkpoint,
            "checkout": self.checkout,
            "load": self.load,
            "comm": self.comm,
            "settled": self.settled,
            "interrupted": self.interrupted,
            "complete": looking(self.complete),
            "inspect": looking(self.inspect),
            "variables": looking(self.variables),
            "children": looking(self.children),
            "table": looking(self.table),
        }
