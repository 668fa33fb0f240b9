"""Load the rest of a restored checkpoint: between two cells while none waits, and before a cell what that can reach.

Runs in: worker, on its main thread; `rows` on any.

A group is bound as a whole, or not at all and then stays in the list: when a cell comes, at an interrupt, at a death.
Checkpoints that are saved meanwhile hold what waits as the one before them does (besides.py).
"""

from __future__ import annotations

import ast
import builtins
import sys
import warnings
from collections.abc import Callable
from types import CodeType
from typing import Any

from pyshell.blackbox import BlackBox
from pyshell.protocol import LostLate, Notice, RunCell, Variable
from pyshell.store import Group, Missing, Store
from pyshell.worker.checkpoints.checkpoint import Checkpointer
from pyshell.worker.checkpoints.early import SHOWN, Origins, is_plain, needed
from pyshell.worker.checkpoints.others import has_other_threads
from pyshell.worker.checkpoints.remaking import is_foreign
from pyshell.worker.checkpoints.restore import Caution, Restoring, Source, collecting_later, put_in_order
from pyshell.worker.checkpoints.reusing import spots_of
from pyshell.worker.checkpoints.travel import told
from pyshell.worker.checkpoints.waiting import can_wait
from pyshell.worker.looking import OfClass
from pyshell.worker.namespace import Namespace
from pyshell.worker.pickles.feeding import Feed, GivenWay, load_noting
from pyshell.worker.pickles.pickling import Lent
from pyshell.worker.places import Place
from pyshell.worker.sender import Sender
from pyshell.worker.surroundings import Surroundings

NOT_YET = "being loaded"

Guard = Callable[[Callable[[], str]], str]
"""Calls a function that may be interrupted."""


class Beginning(Restoring):
    """All of a restore that the first cell waits for."""

    def _to_bring(self, data: list[Group]) -> list[Group]:
        found = [] if has_other_threads() else can_wait(data, self._namespace)
        waiting = [group for group in found if not self._reason_against(group)]
        self.source.waiting = waiting
        for group in waiting:
            self._orders.update({sys.intern(binding.name): binding.order for binding in group.bindings})
        later = {group.id for group in waiting}
        return [group for group in data if group.id not in later]

    def _load(self, group: Group) -> dict[str, Any]:
        if not self.source.waiting or group.kind != "data" or group.codec != "pickle" or is_foreign(group):
            return super()._load(group)
        return self._load_noting(group)

    def _load_noting(self, group: Group) -> dict[str, Any]:
        buffers = [self._mapper.bring(buffer, group.names) for buffer in group.buffers]
        self.source.spots += spots_of(group, buffers)
        found = self.source.found.setdefault(group.id, set())
        return load_noting(Feed(self._store.pieces(group.stream), self._look), buffers, found)

    def _look(self) -> None:
        """Between two pieces of a pickle."""


class _One(Beginning):
    """A single group, some time after the others."""

    def __init__(
        self, store: Store, namespace: dict[str, Any], lent: Lent, caution: Caution, wanted: Callable[[], bool]
    ) -> None:
        super().__init__(store, namespace, lent, caution)
        self._is_wanted = wanted
        self.content: dict[str, Any] = {}

    def bring(self, group: Group, guard: Guard) -> str:
        """Load it; the reason if that fails. Raises GivenWay, and what `guard` lets through; binds nothing."""
        with collecting_later():
            try:
                return guard(lambda: self._attempt(group))
            finally:
                self._end_loading()

    def _load(self, group: Group) -> dict[str, Any]:
        return self._load_noting(group)

    def _bind(self, group: Group, content: dict[str, Any]) -> None:
        self.content = content

    def _look(self) -> None:
        # Where more than plain values comes back, code has run that need not stand being run twice.
        if self._is_wanted() and all(map(is_plain, self.source.found.values())):
            raise GivenWay


class Late:
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
        self._groups: dict[str, Group] = {}
        """What is not there yet, by id, in the order in which it is loaded."""
        self._waiting: dict[str, Group] = {}
        """The same by name."""
        self._origins = Origins()
        self._make: Callable[[Callable[[], bool]], _One] | None = None
        checkpointer.waiting = self._groups
        self.is_urgent = False
        """Whether what the cells do cannot be saved before all is there."""
        self.has_lost = False
        """Whether something of it did not come back."""

    @property
    def is_on(self) -> bool:
        return bool(self._groups)

    def begin(self, store: Store, lent: Lent, caution: Caution, source: Source) -> None:
        """The namespace was restored but for what waits."""
        if not source.waiting:
            return
        self._make = lambda wanted: _One(store, self._namespace.variables, lent, caution, wanted)
        self._groups.update({group.id: group for group in source.waiting})
        self._waiting = {name: group for group in source.waiting for name in group.names}
        self._origins = Origins({name: group for group in source.groups for name in group.names}, source.found)
        self._box.unloaded = len(self._groups)

    def go_on(self) -> bool:
        """Load until a task comes; True if that was the last of it."""
        was_on = self.is_on
        while self._groups and not self._surroundings.is_wanted():
            self._load(next(iter(self._groups.values())), _alone, self._surroundings.is_wanted)
        return was_on and not self._groups

    def complete(self) -> None:
        """Load all of it now."""
        for group in list(self._groups.values()):
            self._load(group, _alone, _never)

    def prepare(self, place: Place, cell: RunCell) -> None:
        """Load what this cell can reach before it begins. An interrupt ends that, and what is not there still waits."""
        while self._groups:
            names = None if self.is_urgent else self._needed(place, cell)
            wanted = self._groups.keys() if names is None else {self._waiting[name].id for name in names}
            if not wanted:
                return
            for group in [group for key, group in self._groups.items() if key in wanted]:
                self._load(group, self._surroundings.interrupts.call, _never)

    def _needed(self, place: Place, cell: RunCell) -> frozenset[str] | None:
        code = None if cell.expressions or place.is_script or place.is_inside else _compiled(place)
        if code is None:
            return None
        try:
            return needed([code], self._namespace.variables, self._waiting, self._origins)
        except Exception:  # a definition that is nested too deeply, or lies about itself
            return None

    def _load(self, group: Group, guard: Guard, wanted: Callable[[], bool]) -> None:
        assert self._make is not None
        work = self._make(wanted)
        self._box.begun += 1
        try:
            reason = work.bring(group, guard)
        except GivenWay:
            return
        if reason:
            self._lose(group, reason)
        else:
            self._bind(group, work)
        del self._groups[group.id]
        for name in group.names:
            del self._waiting[name]
        self._box.unloaded = len(self._groups)
        if not self._groups:
            put_in_order(self._namespace.variables, self._namespace.bindings.orders)
            self._namespace.adopt_outputs()
            self._make, self._origins = None, Origins()
        self._checkpointer.joined(work.source.spots)

    def _bind(self, group: Group, work: _One) -> None:
        self._namespace.variables.update({sys.intern(name): work.content[name] for name in group.names})
        self._origins.found.update(work.source.found)
        if any(name in SHOWN for name in group.names):  # no cell has shown anything since: it would have waited
            self._namespace.adopt()

    def _lose(self, group: Group, reason: str) -> None:
        self.has_lost = True
        lost = [Missing(binding.name, binding.type, reason, group.cell) for binding in group.bindings]
        self._namespace.bindings.lost.update({missing.name: missing for missing in lost})
        self._sender.report(LostLate(told(lost)))
        made = f", made by In[{group.cell}]" if group.cell is not None else ""
        for missing in lost:
            self._sender.report(Notice(f"{missing.name} ({missing.type}{made}) did not come back: {reason}"))

    def rows(self) -> dict[str, Variable]:
        """The names that are not there yet, as they can be described. Any thread."""
        return {
            binding.name: Variable(binding.name, binding.type, "", group.size, NOT_YET, group.cell)
            for group in list(self._groups.values())
            for binding in group.bindings
        }

    def stand_ins(self) -> dict[str, Any]:
        """For the names that are not there yet, what is known of their values' classes. Any thread."""
        known = {**vars(builtins), **self._namespace.variables}
        found = {binding.name: binding.type for group in list(self._groups.values()) for binding in group.bindings}
        classes = {name: known.get(kind) for name, kind in found.items()}
        return {name: OfClass(cls if type(cls) is type else object) for name, cls in classes.items()}


def _alone(function: Callable[[], str]) -> str:
    """Between two cells nothing is interrupted."""
    return function()


def _never() -> bool:
    return False


def _compiled(place: Place) -> CodeType | None:
    """None where it is no Python, which may be a command."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it is compiled once more to be run
            flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            code: CodeType = compile(place.code, place.filename, "exec", flags, dont_inherit=True)
            return code
    except Exception:  # the cell itself will tell what is wrong with it
        return None
