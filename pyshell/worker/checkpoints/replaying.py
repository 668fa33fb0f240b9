"""Which cells make again what no checkpoint could hold, and from which state each takes what it needs.

Runs in: worker, on its main thread. It reads the store and runs nothing.

A cell sees the names that it uses as they were before it ran. What is the same now is taken as it is; what is not is
loaded from the newest saved state before the cell; and what that state could not hold either is made again first, by
the cell that made it. So the cells come in their old order, and none runs that nothing depends on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from types import CodeType

from pyshell.errors import StoreError
from pyshell.frozen import dataclass
from pyshell.store import Group, Manifest, Store
from pyshell.store.likeness import differing
from pyshell.worker.touched import names_in


@dataclass(frozen=True)
class Step:
    """One cell that is to run again."""

    cell: int
    code: str
    names: tuple[str, ...]
    """What it is to make."""
    needs: frozenset[str]
    """What earlier steps must have made."""
    state: int
    """The checkpoint that it takes its inputs from; 0: none."""
    inputs: tuple[str, ...]
    """What is loaded from there, because it is another value now."""


@dataclass(frozen=True)
class Plan:
    """The steps in their order, and what nobody can make again, with the reason."""

    steps: tuple[Step, ...]
    hopeless: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Present:
    """What the planning must know of the session as it is."""

    codes: list[str]
    """Of all cells, by number; empty where it is not known."""
    bound: Mapping[str, int | None]
    """The names that there are, and the cells that made them."""
    compile: Callable[[str, int], CodeType | None]
    """The code of a cell; None if it cannot be compiled."""


def plan(store: Store, present: Present, lost: Mapping[str, int | None]) -> Plan:
    """How to make these names again, of which the cells are known that made them."""
    return _Planning(store, present).run(lost)


class _Planning:
    """One plan."""

    def __init__(self, store: Store, present: Present) -> None:
        self._store = store
        self._present = present
        self._wanted: dict[int, set[str]] = {}
        self._steps: dict[int, tuple[frozenset[str], int, tuple[str, ...]]] = {}
        self._hopeless: dict[str, str] = {}

    def run(self, lost: Mapping[str, int | None]) -> Plan:
        waiting = list(lost.items())
        while waiting:
            name, cell = waiting.pop()
            code = self._present.codes[cell] if cell is not None and cell < len(self._present.codes) else ""
            if cell is None or not code:
                self._hopeless[name] = "it is not known which cell made it"
            elif name not in self._wanted.setdefault(cell, set()):
                self._wanted[cell].add(name)
                if cell not in self._steps:
                    waiting += self._look(cell, code)
        steps = [
            Step(cell, self._present.codes[cell], tuple(sorted(names)), *self._steps[cell])
            for cell, names in sorted(self._wanted.items())
        ]
        return Plan(tuple(steps), tuple(self._hopeless.items()))

    def _look(self, cell: int, code: str) -> Iterable[tuple[str, int | None]]:
        """Note what the cell needs; what of that must be made again first."""
        before = self._before(cell)
        if before is None:
            self._steps[cell] = (frozenset(), 0, ())
            return ()
        home = self._home(before)
        compiled = self._present.compile(code, cell)
        used = _reach(names_in(compiled) if compiled is not None else set(home), home)
        lost = {missing.name: missing.cell for missing in before.missing}
        makers = {name: lost[name] for name in used if name in lost and not self._is_there(name, lost[name])}
        head = self._store.head
        changed = differing(self._store, self._store.members(before), self._store.members(head)) if head else set(home)
        inputs = [name for name in home if name in used and (name in changed or name not in self._present.bound)]
        self._steps[cell] = (frozenset(makers), before.sequence, tuple(inputs))
        return makers.items()

    def _is_there(self, name: str, maker: int | None) -> bool:
        return name in self._present.bound and self._present.bound[name] == maker

    def _before(self, cell: int) -> Manifest | None:
        """The newest state before the cell, on the way that led to the present one."""
        at = self._store.head
        while at is not None and (at.cell is None or at.cell >= cell):
            parent = self._store.parent(at.sequence)
            at = self._store.manifest(parent) if parent else None
        return at

    def _home(self, manifest: Manifest) -> dict[str, Group]:
        found: dict[str, Group] = {}
        for key in self._store.members(manifest):
            try:
                group = self._store.group(key)
            except StoreError:
                continue  # damaged: the cell will say what it misses
            found.update(dict.fromkeys(group.names, group))
        return found


def _reach(names: Collection[str], home: Mapping[str, Group]) -> set[str]:
    """These names, and the definitions that what they name refers to."""
    reached: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += home[name].references if name in home else ()
    return reached
