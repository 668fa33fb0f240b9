"""What the names of the namespace are bound to, since which cell, and in which order.

Runs in: worker, on its main thread.

Looked at after every cell, whatever the namespace holds: what is done for each name is done in C.
"""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterable, Mapping
from itertools import compress
from typing import Any, NamedTuple

from pyshell.store import Missing
from pyshell.store.likeness import is_output
from pyshell.worker.kinds import is_definition

_identity = object.__hash__
"""A number for each object, as `id` gives, but without an audit event: the hook would be called for each name."""
_ATOMS = (int, float, str, bytes, bool, type(None))


class Bound(NamedTuple):
    """Names that a cell has bound or unbound."""

    created: list[str]
    changed: list[str]
    deleted: list[str]


class Bindings:
    """Values are known by their ids: nothing is kept alive, and none of their code runs."""

    def __init__(self, namespace: dict[str, Any], hidden: Collection[str]) -> None:
        self.namespace = namespace
        self.hidden = frozenset(hidden)
        self._names: list[str] = []
        self._ids: list[int] = []
        self.cells: dict[str, int] = {}
        """The cell that bound each name, as far as that is known."""
        self.orders: dict[str, int] = {}
        self._next_order = 0
        self._definitions: set[str] = set()
        self.rebound: set[str] = set()
        """Names that were bound or unbound since this was emptied."""
        self.makers: dict[str, int] = {}
        """Names that the cell which runs binds by running an older one again, and that one's number."""
        self.lost: dict[str, Missing] = {}
        """What a restored state should have had, as long as nobody has bound it again or given it up."""

    def __contains__(self, name: object) -> bool:
        return name in self.orders

    def note(self, cell: int) -> Bound:
        """Remember which names the cell that just ran has bound, and tell."""
        names, ids, values = self._look()
        before = len(self._names)
        deleted: list[str] = []
        if names[:before] == self._names:
            changed, created = list(compress(names, map(operator.ne, ids, self._ids))), names[before:]
        else:
            known = dict(zip(self._names, self._ids))
            created = [name for name in names if name not in known]
            changed = [name for name, key in zip(names, ids) if name in known and known[name] != key]
            deleted = [name for name in self._names if name not in values]
            for name in deleted:
                self._forget(name)
        for name in (*changed, *created):
            self.cells[name] = self.makers.get(name, cell)
            self._bind(name, values[name])
            self.lost.pop(name, None)
        self._names, self._ids = names, ids
        self.makers.clear()
        return Bound(created, changed, deleted)

    def _look(self) -> tuple[list[str], list[int], dict[str, Any]]:
        values = dict(self.namespace)  # at once: another thread may bind names meanwhile
        for name in self.hidden:
            values.pop(name, None)
        return list(values), list(map(_identity, values.values())), values

    def bound(self, cells: Mapping[str, int | None]) -> None:
        """Names were bound between two cells, to values that these cells had made."""
        for name, cell in cells.items():
            self.cells.pop(name, None)
            if cell is not None:
                self.cells[name] = cell
            self._bind(name, self.namespace[name])
            self.lost.pop(name, None)
        self._names, self._ids, _ = self._look()

    def lose(self, missing: Iterable[Missing]) -> None:
        """A state was restored without these, as far as they are not there all the same."""
        self.lost = {lost.name: lost for lost in missing if lost.name not in self.namespace}

    def still_lost(self) -> tuple[Missing, ...]:
        """What the next checkpoint says, too, for the restore after it to tell.

        Not what cells have shown, nor parts of values, whose placeholders tell of them, nor groups that are damaged.
        """
        lost = [lost for name, lost in self.lost.items() if name.isidentifier() and lost.type and not is_output(name)]
        return tuple([missing for missing in lost if missing.name not in self.namespace])

    def restored(self, names: Iterable[tuple[str, int, int | None]]) -> None:
        """The namespace was filled from a checkpoint: the names that it had, with their orders and cells."""
        for name in (self.cells.keys() | self.orders.keys()) - self.namespace.keys():
            self._forget(name)
        for name, order, cell in names:
            self.orders[name] = order
            if cell is not None:
                self.cells[name] = cell
        self._next_order = max(self.orders.values(), default=-1) + 1
        self._names, self._ids, values = self._look()
        self._definitions = {name for name, value in values.items() if is_definition(value, self.namespace)}

    def joined(self) -> None:
        """More of the restored checkpoint is there, whose orders and cells are known since then."""
        self._names, self._ids, _ = self._look()

    def definitions(self) -> dict[int, str]:
        """Ids of definitions -> the name that others refer to them by; not `_`, which one that was shown has, too."""
        bound = {name: self.namespace.get(name) for name in self._definitions}
        known = [name for name, value in bound.items() if is_definition(value, self.namespace)]
        known.sort(key=lambda name: (is_output(name), self.orders.get(name, 0)), reverse=True)
        return {id(bound[name]): name for name in known}

    def aliases(self) -> set[str]:
        """Names of values that got another name."""
        bound = [self.namespace.get(name) for name in self.rebound]
        shared = {_identity(value) for value in bound if type(value) not in _ATOMS}
        return set(compress(self._names, map(shared.__contains__, self._ids))) if shared else set()

    def in_order(self, names: Iterable[str]) -> list[str]:
        """These names as they were bound, first to last."""
        return sorted(names, key=lambda name: self.orders.get(name, self._next_order))

    def _bind(self, name: str, value: Any) -> None:
        self.rebound.add(name)
        if is_definition(value, self.namespace):
            self._definitions.add(name)
        else:
            self._definitions.discard(name)
        if name not in self.orders:  # behind the names that were bound before it
            self.orders[name] = self._next_order
            self._next_order += 1

    def _forget(self, name: str) -> None:
        self.cells.pop(name, None)
        self.orders.pop(name, None)
        self._definitions.discard(name)
        self.rebound.add(name)
