"""Bring a checkpoint back into the namespace, group by group; what fails costs only itself.

Runs in: worker, on its main thread, before any user code of its own.

Modules come first, then what is referred to before what refers to it. A group whose code could kill the process is
announced by a breadcrumb before it is touched, so that the next worker can set it aside.
"""

from __future__ import annotations

import gc
import importlib
import sys
import types
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from pyshell.errors import StoreError
from pyshell.frozen import dataclass, field
from pyshell.store import Group, Manifest, Missing, Store
from pyshell.worker.checkpoints.environment import computer, go_back
from pyshell.worker.checkpoints.groups import circles
from pyshell.worker.checkpoints.mapping import Mapper
from pyshell.worker.checkpoints.remaking import is_foreign, remake
from pyshell.worker.checkpoints.reusing import spots_of
from pyshell.worker.checkpoints.settings import Returning
from pyshell.worker.checkpoints.tracking import Spot
from pyshell.worker.pickles.feeding import GivenWay
from pyshell.worker.pickles.leaves import Unsavable
from pyshell.worker.pickles.pickling import Lent, describe, load

SET_ASIDE = "bringing it back crashed or hung a worker before"
INTERRUPTED = "restoring was interrupted"


@dataclass
class Source:
    """What the worker must know of a checkpoint to go on from it."""

    groups: list[Group] = field(default_factory=list)
    """All that can be read."""
    spots: list[Spot] = field(default_factory=list)
    """Where the large buffers that were loaded lie."""
    waiting: list[Group] = field(default_factory=list)
    """What is to be loaded later (late.py), in this order."""
    found: dict[str, set[str]] = field(default_factory=dict)
    """What the pickles name, by the ids of their groups, where that was noted."""
    settings: list[tuple[str, str]] = field(default_factory=list)
    """What is set again outside of the namespace."""


@dataclass(frozen=True)
class Outcome:
    """What is in the namespace again, in its order, and what is not, and why."""

    names: tuple[str, ...]
    missing: tuple[Missing, ...]
    source: Source


@dataclass(frozen=True)
class Caution:
    """How to go about groups that may do harm."""

    set_aside: Collection[str] = frozenset()
    """Ids of groups that are not to be loaded."""
    breadcrumb: Callable[[str], None] = lambda group: None
    """Told the id of each group before its code runs, and the empty string at the end."""
    report: Callable[[str], None] = lambda text: None
    """Told, on another thread and later, what has turned out not to be what was saved."""


def restore(
    store: Store,
    sequence: int,
    namespace: dict[str, Any],
    lent: Mapping[str, types.ModuleType],
    caution: Caution,
) -> Outcome:
    """Load a checkpoint into `namespace`, which must be `__main__`'s. Raises only StoreError, before anything is bound.

    What is missing from the checkpoint itself is part of the outcome.
    """
    return Restoring(store, namespace, Lent(lent), caution).restore(sequence)


class Restoring:
    """One run; a namespace that is not empty is the business of `checkout.py`, which builds on this."""

    def __init__(self, store: Store, namespace: dict[str, Any], lent: Lent, caution: Caution) -> None:
        self._store = store
        self._namespace = namespace
        self._lent = lent
        self._caution = caution
        self._mapper = Mapper(store)
        self.source = Source()
        self._orders: dict[str, int] = {}
        self._missing: list[Missing] = []
        self._gone: set[str] = set()
        self._interrupted = False
        self._returning: Returning | None = None

    def restore(self, sequence: int) -> Outcome:
        """Load that checkpoint; see the function of this name."""
        manifest = self._store.manifest(sequence)
        with suppress(StoreError):  # names that need it are told as not restored
            then = self._store.environment(manifest)
            go_back(then)
            self._returning = Returning(then, computer(), self._caution.set_aside, self._caution.breadcrumb)
            self._returning.run(is_early=True)
        with collecting_later():
            try:
                with self._store.index.kept_open():
                    return self._run(manifest)
            finally:
                self._caution.breadcrumb("")

    def set_rest(self) -> str:
        """For a session that goes on: set what nothing needed in order to come back; a sentence on what is not set."""
        if self._returning is None:
            return ""
        self._returning.run(is_early=False)
        self.source.settings = self._returning.outcome.done
        return self._returning.outcome.told()

    def _run(self, manifest: Manifest) -> Outcome:
        self._missing.extend(manifest.missing)
        self._gone.update(missing.name for missing in manifest.missing)
        order = in_order(self._groups(manifest))
        self._bring_all([group for group in order if group.kind != "data"])
        self._bring_all(self._to_bring([group for group in order if group.kind == "data"]))
        self._mapper.verify(self._caution.report)
        return Outcome(self._bind_in_order(), tuple(self._missing), self.source)

    def _to_bring(self, data: list[Group]) -> list[Group]:
        """Those groups of data that are to be loaded now; all else is there."""
        return data

    def _bring_all(self, groups: list[Group]) -> None:
        for group in groups:
            reason = self._reason_against(group) or self._bring_back(group)
            if reason:
                self._lose(group, reason)

    def _end_loading(self) -> None:
        self._caution.breadcrumb("")
        self._mapper.verify(self._caution.report)

    def _groups(self, manifest: Manifest) -> list[Group]:
        for key in self._store.members(manifest):
            try:
                self.source.groups.append(self._store.group(key))
            except StoreError as exc:  # its names are in the lost chunk too
                self._missing.append(Missing(f"(group {key[:12]})", "", f"the store is damaged: {exc}", None))
        return self.source.groups

    def _reason_against(self, group: Group) -> str:
        if self._interrupted:
            return INTERRUPTED
        if group.id in self._caution.set_aside:
            return SET_ASIDE
        needed = next((name for name in group.references if name in self._gone), None)
        return f"it needs {needed}, which did not come back" if needed else ""

    def _bring_back(self, group: Group) -> str:
        """Bind the group's names; the reason if that fails."""
        try:
            return self._attempt(group)
        except KeyboardInterrupt:
            self._interrupted = True
            return INTERRUPTED

    def _attempt(self, group: Group) -> str:
        """The same; raises what is meant for whoever loads."""
        self._caution.breadcrumb(group.id)
        try:
            content = self._load(group)
        except (KeyboardInterrupt, GivenWay):
            raise
        except (StoreError, Unsavable) as exc:
            return str(exc)
        except BaseException as exc:  # the values' own code for coming back may raise anything
            return describe(exc)
        if any(binding.name not in content for binding in group.bindings):
            return "its group does not hold it"
        self._bind(group, content)
        return ""

    def _bind(self, group: Group, content: dict[str, Any]) -> None:
        for binding in group.bindings:
            # Interned, as the compiler does it: looked up faster, and pickled as before.
            name = sys.intern(binding.name)
            self._namespace[name] = content[name]
            self._orders[name] = binding.order

    def _load(self, group: Group) -> dict[str, Any]:
        if group.codec == "module":
            return {binding.name: importlib.import_module(binding.type) for binding in group.bindings}
        if is_foreign(group):
            return remake(group, self._namespace)
        buffers = [self._mapper.bring(buffer, group.names) for buffer in group.buffers]
        self.source.spots += spots_of(group, buffers)
        return load(group.codec, self._store.read(group.stream), buffers, self._lent)

    def _lose(self, group: Group, reason: str) -> None:
        for binding in group.bindings:
            self._gone.add(binding.name)
            kind = "module" if group.kind == "module" else binding.type
            self._missing.append(Missing(binding.name, kind, reason, group.cell))

    def _bind_in_order(self) -> tuple[str, ...]:
        names = sorted(self._orders, key=self._orders.__getitem__)
        for name in names:
            if name in self._namespace:
                self._namespace[name] = self._namespace.pop(name)
        return tuple(names)


@contextmanager
def collecting_later() -> Iterator[None]:
    """To look through what comes back while it comes takes longer than to load it."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def put_in_order(namespace: dict[str, Any], orders: Mapping[str, int]) -> None:
    """Only from the first name on that is out of place: for a moment each is not there for other threads."""
    found = [name for name in namespace if name in orders]
    wanted = sorted(found, key=orders.__getitem__)
    wrong = next((at for at, pair in enumerate(zip(wanted, found)) if pair[0] != pair[1]), len(wanted))
    for name in wanted[wrong:]:
        namespace[name] = namespace.pop(name)


def in_order(groups: list[Group]) -> list[Group]:
    """Modules, then every group after those that it refers to; otherwise as they were first bound."""
    by_age = sorted(groups, key=lambda group: min(binding.order for binding in group.bindings))
    home = {name: number for number, group in enumerate(by_age) for name in group.names}
    # Most definitions need the modules that they use only when they run; some need them to come back.
    edges = {number: {home[name] for name in group.references if name in home} for number, group in enumerate(by_age)}
    after = [by_age[number] for circle in circles(edges) for number in circle]
    rank = {"module": 0, "definition": 1, "data": 2}
    return sorted(after, key=lambda group: rank[group.kind])
