"""Decide which names are saved together, and pickle them all.

Runs in: the forked child that saves.

Names that share something mutable are one group, and so are definitions that refer to each other in a circle.
Everything else stands alone, so that what cannot be saved or loaded costs itself only.
"""

from __future__ import annotations

import contextlib
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from pyshell.frozen import dataclass
from pyshell.store.likeness import is_output
from pyshell.worker.kinds import SESSION, home_of, is_class, is_importable, mro_of, qualname_of, static_dict
from pyshell.worker.pickles.leaves import NotNow, Unsavable
from pyshell.worker.pickles.limits import NO_LIMITS, Limits
from pyshell.worker.pickles.pickling import Dump, Dumper, Snapshot, describe, load

TRIAL_SIZE = 16 << 20
"""The largest plain stream that is loaded once for trial."""

_VALUES = frozenset(
    {
        "builtins.ellipsis", "datetime.date", "datetime.datetime", "datetime.time", "datetime.timedelta",
        "datetime.timezone", "decimal.Decimal", "fractions.Fraction", "uuid.UUID", "re.Pattern", "numpy.ufunc",
        "pathlib.PosixPath", "pathlib.PurePosixPath", "pathlib._local.PosixPath", "zoneinfo.ZoneInfo",
        "operator.itemgetter", "operator.attrgetter", "types.GenericAlias", "logging.Logger", "logging.RootLogger",
    }
)  # fmt: skip
"""Types whose values do not change or are found by name, so that sharing one needs no common pickle."""


@dataclass(frozen=True)
class Pickled:
    """One group, ready to be written."""

    names: tuple[str, ...]
    kind: str
    module: str
    """What to import, if it is a module."""
    dump: Dump | None


@dataclass(frozen=True)
class Lost:
    """A name that is not saved."""

    name: str
    reason: str


@dataclass(frozen=True)
class Saved:
    """The whole namespace, pickled."""

    groups: tuple[Pickled, ...]
    lost: tuple[Lost, ...]


def pickle_namespace(snapshot: Snapshot, dumper: Dumper, limits: Limits, breadcrumb: Callable[[str], None]) -> Saved:
    """Pickle every name of the snapshot. `breadcrumb(name)` is told whose code is about to run."""
    return Pickling(snapshot, dumper, limits, breadcrumb).run()


class Pickling:
    """One run over one snapshot; who cannot run through at once (slices.py) takes the steps by themselves."""

    def __init__(self, snapshot: Snapshot, dumper: Dumper, limits: Limits, breadcrumb: Callable[[str], None]) -> None:
        self._snapshot = snapshot
        self._limits = limits
        self._breadcrumb = breadcrumb
        self._dumper = dumper
        self.lost: dict[str, str] = {}
        """Names that are not saved, and why."""

    def run(self) -> Saved:
        modules, others = self.sort()
        # The limit is for single values: what they share makes one pickle of any size.
        self._dumper.limits = self._limits
        single = [dump for names in others if (dump := self.dump(names)) is not None]
        self._dumper.limits = NO_LIMITS
        merged = [dump for part in self._together(single) for dump in self._merge(part)]
        tried = [good for dump in merged if (good := self._that_loads(dump)) is not None]
        sound = self.without_broken_references(tried)
        self._breadcrumb("")
        groups = [*modules, *(Pickled(dump.names, self.kind(dump), "", dump) for dump in sound)]
        return Saved(tuple(groups), tuple([Lost(name, reason) for name, reason in self.lost.items()]))

    def sort(self) -> tuple[list[Pickled], list[list[str]]]:
        """Modules apart from the rest; names of one definition together."""
        modules = []
        others: dict[object, list[str]] = {}
        for name, value in self._snapshot.wanted().items():
            module = importable_name(value)
            if reason := self._limits.reason_against(name):
                self.lost[name] = reason
            elif module is not None:
                modules.append(Pickled((name,), "module", module, None))
            elif id(value) in self._snapshot.definitions:
                others.setdefault(id(value), []).append(name)
            else:
                others[name] = [name]
        return modules, [sorted(names, key=is_output) for names in others.values()]

    def dump(self, names: Sequence[str]) -> Dump | None:
        """One dump of these names; None if they are lost."""
        self._breadcrumb(names[0])
        try:
            dump = self._dumper.dump(names)
            self._limits.check_size(dump.size)
            return dump
        except NotNow:
            raise
        except BaseException as exc:  # whatever a value's code manages to raise outside of dump's own guard
            reason = str(exc) if isinstance(exc, Unsavable) else describe(exc)
            self.lost.update(dict.fromkeys(names, reason))
            return None

    def _together(self, dumps: list[Dump]) -> list[list[Dump]]:
        parts = Parts(len(dumps))
        owners: dict[int, int] = {}
        shared: dict[int, list[int]] = {}
        for number, dump in enumerate(dumps):
            common = intersect(dump.shareable, owners)
            for key in common:
                shared.setdefault(key, [owners[key]]).append(number)
            owners.update(dict.fromkeys(dump.shareable - common, number))
        for key in that_matter(shared, dumps):
            for number in shared[key]:
                parts.join(shared[key][0], number)
        home = {name: number for number, dump in enumerate(dumps) for name in dump.names}
        edges = [{home[name] for name in dump.references if name in home} for dump in dumps]
        parts.join_circles(edges)
        return [[dumps[number] for number in part] for part in parts.all()]

    def _merge(self, part: list[Dump]) -> list[Dump]:
        """One dump of all names of the part; what spoils it is lost, by name, and the others stay together."""
        if len(part) == 1:
            return part
        # What a cell showed comes last, so that a pickle begins as it did before somebody looked (store/likeness.py).
        part = sorted(part, key=lambda dump: all(map(is_output, dump.names)))
        names = sorted((name for dump in part for name in dump.names), key=is_output)
        kept = self.dump_together(names)
        if kept is not None:
            return [kept]
        kept = part[0]
        for dump in part[1:]:
            larger = self.dump_together([*kept.names, *dump.names])
            if larger is None:
                reason = f"it shares values with {', '.join(kept.names[:3])}, and they cannot be saved together"
                self.lost.update(dict.fromkeys(dump.names, reason))
            else:
                kept = larger
        return [kept]

    def dump_together(self, names: Sequence[str]) -> Dump | None:
        """One dump of names that share values; None if that cannot be."""
        self._breadcrumb(names[0])
        try:
            return self._dumper.dump(names)
        except Unsavable:
            return None  # the caller finds out who is to blame

    def _that_loads(self, dump: Dump) -> Dump | None:
        """The dump, or one of the same names that loads."""
        reason = self._fault(dump)
        if not reason:
            return dump
        with contextlib.suppress(Unsavable):
            salvaged = self._dumper.salvage(dump.names, reason, by_trial=True)
            if not self._fault(salvaged):
                return salvaged
        self.lost.update(dict.fromkeys(dump.names, reason))
        return None

    def _fault(self, dump: Dump) -> str:
        """Try what may fail to load: here it costs nothing, after a crash it would cost the value."""
        is_large = dump.codec == "pickle" and len(dump.stream) > TRIAL_SIZE
        if not dump.is_doubtful or (is_large and not dump.leaves):
            return ""
        self._breadcrumb(dump.names[0])
        try:
            content = load(dump.codec, dump.stream, dump.buffers, self._dumper.lent)
            return self._difference(content)
        except BaseException as exc:  # a value's own code for coming back may raise anything
            return f"it could be saved, but not loaded: {describe(exc)}"

    def _difference(self, content: dict[str, Any]) -> str:
        for name, value in content.items():
            before, after = type(self._snapshot.values[name]), type(value)
            is_stream = id(self._snapshot.values[name]) in self._snapshot.streams
            same = before is after or is_stream or home_of(before) == SESSION
            if not same and not _is_made_anew(before, after):
                return f"it would come back as {after.__name__}"
        return ""

    def without_broken_references(self, dumps: list[Dump]) -> list[Dump]:
        """Drop what refers to a definition that is lost, and what refers to that."""
        while True:
            broken = [dump for dump in dumps if not dump.references.isdisjoint(self.lost)]
            if not broken:
                return dumps
            for dump in broken:
                name = next(name for name in dump.references if name in self.lost)
                reason = f"it needs {name}, which is not saved: {self.lost[name]}"
                self.lost.update(dict.fromkeys(dump.names, reason[:300]))
            dumps = [dump for dump in dumps if dump not in broken]

    def kind(self, dump: Dump) -> str:
        """What a group of these names is called."""
        values = [self._snapshot.values[name] for name in dump.names]
        return "definition" if any(id(value) in self._snapshot.definitions for value in values) else "data"


def _is_made_anew(before: type, after: type) -> bool:
    """Whether a class that its module no longer has, as after `importlib.reload`, comes back by value."""
    name = home_of(before), qualname_of(before)
    return name == (home_of(after), qualname_of(after)) and not is_importable(after, *name)


def importable_name(value: Any) -> str | None:
    """What to import to get this module again; None if it is no module that was imported."""
    if not issubclass(type(value), types.ModuleType):
        return None
    name = object.__getattribute__(value, "__dict__").get("__name__")
    return name if type(name) is str and sys.modules.get(name) is value else None


class Parts:
    """A partition of the numbers below `count` that only gets coarser (union-find)."""

    def __init__(self, count: int) -> None:
        self._parents = list(range(count))

    def find(self, number: int) -> int:
        while self._parents[number] != number:
            self._parents[number] = self._parents[self._parents[number]]
            number = self._parents[number]
        return number

    def join(self, one: int, other: int) -> None:
        # The smaller number stays on top, so that parts keep the order of their first members.
        low, high = sorted((self.find(one), self.find(other)))
        self._parents[high] = low

    def all(self) -> list[list[int]]:
        parts: dict[int, list[int]] = {}
        for number in range(len(self._parents)):
            parts.setdefault(self.find(number), []).append(number)
        return list(parts.values())

    def join_circles(self, edges: Sequence[Iterable[int]]) -> None:
        """Join parts that can reach each other along `edges[number]`."""
        below: dict[int, set[int]] = {part[0]: set() for part in self.all()}
        for number, targets in enumerate(edges):
            below[self.find(number)].update(self.find(target) for target in targets)
        for circle in circles(below):
            for number in circle:
                self.join(circle[0], number)


def circles(graph: dict[int, set[int]]) -> list[list[int]]:
    """The strongly connected components of a graph, each after those that it leads to (Tarjan 1972, no recursion)."""
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    path: list[int] = []
    on_path: set[int] = set()
    found: list[list[int]] = []
    for start in graph:
        stack = [(start, iter(sorted(graph[start])))] if start not in index else []
        while stack:
            node, targets = stack[-1]
            if node not in index:
                index[node] = low[node] = len(index)
                path.append(node)
                on_path.add(node)
            target = next(targets, None)
            if target is None:
                stack.pop()
                if stack:
                    low[stack[-1][0]] = min(low[stack[-1][0]], low[node])
                if low[node] == index[node]:
                    found.append(_pop_through(path, node))
                    on_path.difference_update(found[-1])
            elif target not in index:
                stack.append((target, iter(sorted(graph[target]))))
            elif target in on_path:
                low[node] = min(low[node], index[target])
    return found


def _pop_through(path: list[int], node: int) -> list[int]:
    """Take the end of the path away, from `node` on."""
    taken = [path.pop()]
    while taken[-1] != node:
        taken.append(path.pop())
    return taken[::-1]


def intersect(keys: set[int], others: Mapping[int, object]) -> set[int]:
    """The common keys, in time that the smaller one sets; `&` with a dict goes through the dict."""
    if len(others) < len(keys):
        return set(filter(keys.__contains__, others))
    return set(filter(others.__contains__, keys))


def that_matter(shared: dict[int, list[int]], dumps: list[Dump]) -> list[int]:
    """Those shared values whose identity the session could notice."""
    if not shared:
        return []
    values: dict[int, Any] = {}
    for number in {numbers[0] for numbers in shared.values()}:
        values.update(dumps[number].reached.among(shared))
    library = _Library(dumps)
    return [key for key in shared if key not in values or not _is_constant(values[key], library)]


def _is_constant(value: Any, library: _Library) -> bool:
    kind = type(value)
    if is_class(value) or kind is types.FunctionType:
        return False  # these are shared only if they are pickled by value
    name = f"{home_of(kind)}.{qualname_of(kind)}"
    if name in _VALUES or (name.startswith("numpy.") and "dtype" in name.lower()):
        return True
    return id(value) in library


class _Library:
    """Ids of what modules and their classes bind: pandas' frames, for instance, all hold one list of their class."""

    def __init__(self, dumps: Iterable[Dump]) -> None:
        kinds = {id(kind): kind for dump in dumps for kind in dump.reached.kinds()}
        classes = {id(cls): cls for kind in kinds.values() for cls in mro_of(kind) if home_of(cls) != SESSION}
        self._of_classes = {id(value) for cls in classes.values() for value in static_dict(cls).values()}
        self._of_modules: set[int] | None = None

    def __contains__(self, key: int) -> bool:
        if key in self._of_classes:
            return True
        if self._of_modules is None:
            self._of_modules = set(_bound_by_modules())
        return key in self._of_modules


def _bound_by_modules() -> Iterator[int]:
    session = sys.modules[SESSION]
    for module in list(sys.modules.values()):
        # multiprocessing lists `__main__` under a second name.
        if module is not session and type(module) is types.ModuleType:
            yield from map(id, list(vars(module).values()))
