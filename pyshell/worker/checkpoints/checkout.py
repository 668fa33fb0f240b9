"""Bring a live namespace to a checkpoint, or single names into it, and touch only what differs.

Runs in: worker, on its main thread, between two cells.

Groups have the same id in two checkpoints where nothing in them differs. If the live namespace is what one checkpoint
says, then what another has under the same id need not be loaded: its objects stay, and with them whatever else holds
them. Unless they refer to a definition that is loaded anew: an instance must not stay behind with a class that its name
does not mean any more.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection
from typing import Any

from pyshell.errors import UsageError
from pyshell.frozen import dataclass
from pyshell.store import Group, Manifest, Missing, Store
from pyshell.worker.checkpoints.restore import Caution, Outcome, Restoring, collecting_later, in_order, put_in_order
from pyshell.worker.pickles.pickling import Lent

LEFT_AS_IT_IS = "it is in no checkpoint, so it is left as it is"

_ROOT = re.compile(r"\w+")
"""The name at the beginning of a path like `conf['lock']`."""


@dataclass(frozen=True)
class Change:
    """What a checkout did to the namespace."""

    loaded: tuple[str, ...]
    removed: tuple[str, ...]
    missing: tuple[Missing, ...]


class Checkout(Restoring):
    """One checkout. Errors of the store are raised before anything is changed."""

    def go(self, current: int, target: int, hidden: Collection[str]) -> Change:
        """`current` describes the live namespace, without the names in `hidden`, which are not the user's."""
        here, there = self._store.manifest(current), self._store.manifest(target)
        groups = self._groups(there)
        kept = self._unchanged(groups, self._store.members(here))
        same = {name for group in kept for name in group.names}
        stay = same | self._take_over_missing(here, there, same)
        names = [name for name in list(self._namespace) if type(name) is str and name != "__builtins__"]
        doomed = [name for name in names if name not in stay and name not in hidden]
        with collecting_later():
            # First, so that nothing is loaded against definitions of the state that is left.
            for name in doomed:
                self._namespace.pop(name, None)
            loaded = self._load_all(groups, kept)
        put_in_order(self._namespace, self._orders)
        coming = {name for group in groups for name in group.names} | {lost.name for lost in self._missing}
        return Change(loaded, tuple([name for name in doomed if name not in coming]), tuple(self._missing))

    def _unchanged(self, groups: list[Group], live: Collection[str]) -> list[Group]:
        kept = [g for g in groups if g.id in live and all(name in self._namespace for name in g.names)]
        while True:
            names = {name for group in kept for name in group.names}
            still = [group for group in kept if names.issuperset(group.references)]
            if len(still) == len(kept):
                return kept
            kept = still

    def _take_over_missing(self, here: Manifest, there: Manifest, same: Collection[str]) -> set[str]:
        """The names that are in neither checkpoint and are still bound to what the same cell made."""
        live = {(lost.name, lost.cell) for lost in here.missing if lost.name in self._namespace}
        stay = set()
        for lost in there.missing:
            reason = lost.reason
            if root_of(lost.name) in same:
                continue  # a part of something that is not touched
            if lost.cell is not None and (lost.name, lost.cell) in live:
                stay.add(lost.name)
                reason = f"{LEFT_AS_IT_IS} ({reason})"
            else:
                self._gone.add(lost.name)
            self._missing.append(Missing(lost.name, lost.type, reason, lost.cell))
        return stay

    def _load_all(self, groups: list[Group], kept: list[Group]) -> tuple[str, ...]:
        same = {group.id for group in kept}
        for group in kept:
            self._orders.update({sys.intern(binding.name): binding.order for binding in group.bindings})
        before = set(self._orders)
        for group in in_order(groups):
            if group.id not in same and (reason := self._reason_against(group) or self._bring_back(group)):
                self._lose(group, reason)
        self._end_loading()
        return tuple(sorted(self._orders.keys() - before, key=self._orders.__getitem__))


class Loading(Restoring):
    """Single names of one checkpoint, and the definitions that they need and that are not there."""

    def __init__(self, store: Store, namespace: dict[str, Any], lent: Lent, caution: Caution) -> None:
        super().__init__(store, namespace, lent, caution)
        self.cells: dict[str, int | None] = {}
        """The names that were bound, and the cells that had made them."""
        self._wanted: set[str] = set()

    def fetch(self, checkpoint: int, names: Collection[str]) -> Outcome:
        """CheckpointNotFound, or UsageError for a name that the checkpoint does not have, before anything is bound."""
        manifest = self._store.manifest(checkpoint)
        home = {name: group for group in self._groups(manifest) for name in group.names}
        for name in names:
            if name not in home:
                raise UsageError(_why_not(name, manifest))
        self._missing.clear()  # damage elsewhere in the checkpoint is not what was asked about
        needed = self._needed(names, home)
        self._wanted = {*names, *(name for name in needed if name not in self._namespace)}
        with collecting_later():
            for group in in_order(list({group.id: group for group in needed.values()}.values())):
                if reason := self._reason_against(group) or self._bring_back(group):
                    self._lose(group, reason)
            self._end_loading()
        lost = [missing for missing in self._missing if missing.name in self._wanted]
        loaded = [name for name in self._wanted if name in self._orders]
        parts = [missing for missing in manifest.missing if root_of(missing.name) in loaded]
        return Outcome(tuple(sorted(loaded, key=self._orders.__getitem__)), (*lost, *parts), self.source)

    def _needed(self, names: Collection[str], home: dict[str, Group]) -> dict[str, Group]:
        """Names -> their groups, with absent definitions to a fixpoint."""
        needed: dict[str, Group] = {}
        waiting = list(names)
        while waiting:
            name = waiting.pop(0)
            if name not in needed:
                needed[name] = home[name]
                waiting += [ref for ref in home[name].references if ref in home and ref not in self._namespace]
        return needed

    def _bind(self, group: Group, content: dict[str, Any]) -> None:
        for binding in group.bindings:
            name = sys.intern(binding.name)
            if name in self._wanted:
                self._namespace[name] = content[name]
                self._orders[name] = binding.order
                self.cells[name] = group.cell


def root_of(path: str) -> str:
    """The name that a path into a value begins with; of a name, itself."""
    found = _ROOT.match(path)
    return found[0] if found else path


def _why_not(name: str, manifest: Manifest) -> str:
    lost = next((lost for lost in manifest.missing if lost.name == name), None)
    if lost is None:
        return f"there is no {name} in checkpoint {manifest.sequence}"
    return f"checkpoint {manifest.sequence} does not hold {name} ({lost.type}): {lost.reason}"
