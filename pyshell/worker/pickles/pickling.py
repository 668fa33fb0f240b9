"""Turn names of the namespace into one pickle, and a pickle back into names.

Runs in: worker (loading), and the forked child that saves.

Four ways, the first that works is taken:

1. *plain*: C pickle without any of our code in between. A C-level list collects every object that was reached, and what
   types are among them tells whether the result can be right.
2. *ruled*: C pickle with the rules of `reducing.py`, where functions, views or the like were reached.
3. *dill* with the same rules, for what only dill knows, and for nesting that is too deep for C.
4. *salvaged*: the second or third way with placeholders for what cannot be saved, where something holds it.

A pickle is of a dict from names to values. Buffers of 64 KiB and more stay outside of it.
"""

from __future__ import annotations

import contextlib
import functools
import io
import pickle
import sys
import types
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pyshell.frozen import dataclass
from pyshell.store.likeness import is_output
from pyshell.worker.kinds import SELF_NAMED, SESSION, home_of, is_definition, module_of, mro_of, static_dict
from pyshell.worker.pickles import adapters, picklers, rebuilding
from pyshell.worker.pickles.leaves import NotInline, NotNow, Unsavable
from pyshell.worker.pickles.limits import NO_LIMITS, TooLarge, new_file
from pyshell.worker.pickles.placeholders import Leaf
from pyshell.worker.pickles.reached import Reached
from pyshell.worker.pickles.reducing import Reducer
from pyshell.worker.pickles.refusals import describe as describe
from pyshell.worker.pickles.refusals import refusal
from pyshell.worker.pickles.salvaging import Salvager

_PICKLING_HOOKS = (
    "__reduce__", "__reduce_ex__", "__getstate__", "__setstate__", "__getnewargs__", "__getnewargs_ex__", "__new__",
)  # fmt: skip


@dataclass(frozen=True)
class Lent:
    """Modules that the worker has, but the user's code does not see: `dill` and its parts."""

    modules: Mapping[str, types.ModuleType]

    @property
    def dill(self) -> Any:
        return self.modules.get("dill")

    @contextlib.contextmanager
    def visible(self) -> Iterator[None]:
        """Put them into `sys.modules` for a while, in front of what the user may have under these names."""
        hidden = {name: sys.modules.get(name) for name in self.modules}
        sys.modules.update(self.modules)
        try:
            yield
        finally:
            for name, module in hidden.items():
                if module is None:
                    sys.modules.pop(name, None)
                else:
                    sys.modules[name] = module


class Snapshot:
    """The namespace as one save sees it. Take it on the main thread, or in a forked child."""

    def __init__(
        self,
        namespace: dict[str, Any],
        hidden: Iterable[str],
        streams: Mapping[int, str],
        cells: Mapping[str, int] | None = None,
        touched: frozenset[str] | None = None,
    ) -> None:
        """`cells`: the cells that bound the names, as far as they are known. `touched`: what to pickle; None: all."""
        unwanted = frozenset(hidden)
        self.namespace = namespace
        self.streams = dict(streams)
        self.cells = dict(cells or {})
        self.touched = touched
        self._hidden = unwanted
        # list() first: another thread may bind names meanwhile.
        self.values = {name: value for name, value in list(namespace.items()) if _is_wanted(name, unwanted)}
        named = [name for name in sorted(self.values, key=is_output) if is_definition(self.values[name], namespace)]
        self.definitions = {id(self.values[name]): name for name in reversed(named)}
        """Ids of definitions -> the name that others refer to them by; not `_`, which one that was shown has, too."""

    def wanted(self) -> dict[str, Any]:
        """What is to be pickled: everything, or what was touched since the last checkpoint."""
        if self.touched is None:
            return self.values
        return {name: value for name, value in self.values.items() if name in self.touched}

    def whole(self) -> Snapshot:
        """The same, with everything to be pickled."""
        return Snapshot(self.namespace, self._hidden, self.streams, self.cells)


class TouchedSnapshot(Snapshot):
    """What was touched, and nothing of the rest: it takes no longer where there is much of that."""

    def __init__(
        self,
        namespace: dict[str, Any],
        touched: Sequence[str],
        definitions: dict[int, str],
        cells: Mapping[str, int],
    ) -> None:
        """`touched`, in their order, may be bound no more; `definitions` are those of the whole namespace."""
        self.namespace = namespace
        self.streams = {}
        self.cells = dict(cells)
        self.touched = frozenset(touched)
        self.values = {name: namespace[name] for name in touched if name in namespace}
        self.definitions = definitions

    def whole(self) -> Snapshot:
        raise NotInline("everything")


def _is_wanted(name: object, unwanted: frozenset[str]) -> bool:
    return type(name) is str and name not in unwanted and name != "__builtins__"


def standard_streams() -> dict[int, str]:
    """The process's standard streams by id; to be asked before a child replaces them."""
    found = {id(getattr(sys, name, None)): name for name in ("stdin", "stdout", "stderr")}
    return {key: name for key, name in found.items() if key != id(None)}  # a cell may have taken them away


# --- dumping ----------------------------------------------------------------------------------------------


@dataclass
class Dump:
    """Names as bytes."""

    names: tuple[str, ...]
    codec: str
    """`pickle` or `dill`."""
    stream: memoryview
    buffers: list[memoryview]
    references: frozenset[str]
    """Names of definitions that the stream refers to."""
    uses: frozenset[str]
    """Names that the code in the stream looks up."""
    holds_code: bool
    shareable: set[int]
    """Ids of reached values that other names could share."""
    reached: Reached
    is_doubtful: bool
    """Whether to try loading it before it counts as saved."""
    leaves: tuple[Leaf, ...] = ()
    """What is in it as placeholders only."""

    @property
    def size(self) -> int:
        return self.stream.nbytes + sum(buffer.nbytes for buffer in self.buffers)


class Dumper:
    """Pickles names of one snapshot."""

    make_plain: picklers.MakePickler = staticmethod(picklers.plain)

    def __init__(self, snapshot: Snapshot, lent: Lent) -> None:
        self.snapshot = snapshot
        self.lent = lent
        self.limits = NO_LIMITS
        """Of the size of what is dumped from here on; TooLarge where that is too much."""
        self._adapted = frozenset(adapters.imported())

    def make_file(self) -> io.BytesIO:
        """What a pickle is written to."""
        return new_file(self.limits)

    def make_reached(self) -> Reached:
        """What a pickle notes the objects in that it comes across."""
        return Reached()

    def make_rules(self, members: frozenset[int]) -> Reducer:
        """The rules of one pickle of these definitions, if there are any in it."""
        return Reducer(self.snapshot.namespace, self.snapshot.definitions, members, self.snapshot.streams)

    def dump(self, names: Sequence[str]) -> Dump:
        """Pickle these names together. Unsavable says why that cannot be, or is not wanted."""
        attempts: list[Callable[[Sequence[str]], Dump]] = [self._ruled]
        if not any(id(self.snapshot.values[name]) in self.snapshot.definitions for name in names):
            attempts.insert(0, self._plain)
        if self.lent.dill is not None:
            attempts.append(self._with_dill)
        reason = ""
        for attempt in attempts:
            try:
                return attempt(names)
            except (TooLarge, NotNow):
                raise
            except Unsavable as exc:
                reason = str(exc)
                if attempt != self._plain:
                    break
            except BaseException as exc:  # a value's own __reduce__ may raise anything, SystemExit included
                # The second way's reason tells most: it got furthest with the session's own values.
                if not reason or attempt == self._ruled:
                    reason = describe(exc)
        return self.salvage(names, reason)

    def salvage(self, names: Sequence[str], reason: str, by_trial: bool = False) -> Dump:
        """Pickle these names with placeholders for what cannot be saved; Unsavable with that reason if that fails.

        `by_trial`: also for what can be saved but not loaded, which takes long.
        """
        try:
            return self._salvaged(names, by_trial)
        except (TooLarge, NotNow):
            raise
        except BaseException as exc:  # as in `dump`
            raise Unsavable(reason) from exc

    def _salvaged(self, names: Sequence[str], by_trial: bool) -> Dump:
        salvagers: list[Salvager] = []

        def rescue(rules: Reducer) -> Salvager:
            salvager = Salvager(rules, self._content(names), self.snapshot.cells)
            if by_trial:
                salvager.trial = lambda value: self._try_alone(value, salvager)
            salvagers.append(salvager)
            return salvager

        dump = self._dump_by_rules(names, "pickle", lambda rules: picklers.ruled(rescue(rules).override))
        if not by_trial and self.lent.dill is not None and not salvagers[0].only_refused:
            # dill may know what to do with some of it.
            try:
                with self.lent.visible():
                    make = functools.partial(picklers.dilled, self.lent.dill)
                    dump = self._dump_by_rules(names, "dill", lambda rules: make(rescue(rules).override_refused))
            except NotNow:
                raise
            except BaseException:  # dill may know no better, and what it calls may raise anything
                pass
        leaves = salvagers[-1 if dump.codec == "dill" else 0].leaves
        return replace(dump, leaves=tuple(leaves), is_doubtful=True)

    def _try_alone(self, value: Any, salvager: Salvager) -> None:
        """Save and load one value, what it holds included; raises what that raises."""
        output, buffers = io.BytesIO(), list[memoryview]()
        pickler = picklers.ruled(salvager.override)(output, buffers)
        pickler.persistent_id = picklers.persistent_id(self.snapshot.namespace, Reached())
        pickler.dump({"": value})
        load("pickle", output.getbuffer(), buffers, self.lent)

    def _plain(self, names: Sequence[str]) -> Dump:
        content = self._content(names)
        output, reached, buffers = self.make_file(), self.make_reached(), list[memoryview]()
        pickler = self.make_plain(output, buffers)
        pickler.persistent_id = reached.add
        pickler.dump(content)
        kinds = reached.kinds()
        if self._needs_rules(kinds, reached):
            raise Unsavable("needs rules")
        references = self._named_definitions(kinds, reached)
        return Dump(
            names=tuple(names),
            codec="pickle",
            stream=output.getbuffer(),
            buffers=buffers,
            references=references,
            uses=frozenset(),
            holds_code=False,
            shareable=reached.shareable(kinds) - {id(content)},
            reached=reached,
            is_doubtful=any(has_hooks(kind) for kind in kinds),
        )

    def _content(self, names: Sequence[str]) -> dict[str, Any]:
        return {name: self.snapshot.values[name] for name in names}

    def _needs_rules(self, kinds: Collection[type], reached: Reached) -> bool:
        """Whether a value was reached that pickle takes without complaint, but not right."""
        for kind in kinds:
            has_rule = id(kind) in SELF_NAMED or id(kind) in self._adapted or kind is types.MethodType
            if has_rule or issubclass(kind, BaseException) or home_of(kind) == "dataclasses" or refusal(kind):
                return True
        if reached.has(self.snapshot.namespace):
            return True
        array: Any = getattr(sys.modules.get("numpy"), "ndarray", None)
        return array in kinds and any(type(item.base) is array for item in reached.of([array]))

    def _named_definitions(self, kinds: Collection[type], reached: Reached) -> frozenset[str]:
        """The definitions that a plain pickle names by itself; raise if it names what no definition holds."""
        finder = Reducer(self.snapshot.namespace, self.snapshot.definitions, frozenset(), {})
        wanted = [kind for kind in kinds if kind is types.FunctionType or issubclass(kind, type)]
        for value in {id(value): value for value in reached.of(wanted)}.values():
            if module_of(value) == SESSION and finder.refer(value) is None:
                raise Unsavable("needs rules")
        return frozenset(finder.references)

    def _ruled(self, names: Sequence[str]) -> Dump:
        return self._dump_by_rules(names, "pickle", lambda rules: picklers.ruled(rules.override))

    def _with_dill(self, names: Sequence[str]) -> Dump:
        with self.lent.visible():
            return self._dump_by_rules(names, "dill", lambda rules: picklers.dilled(self.lent.dill, rules.override))

    def _dump_by_rules(self, names: Sequence[str], codec: str, make: Callable[[Reducer], picklers.MakePickler]) -> Dump:
        content = self._content(names)
        members = frozenset(id(value) for value in content.values() if id(value) in self.snapshot.definitions)
        rules = self.make_rules(members)
        output, reached, buffers = self.make_file(), self.make_reached(), list[memoryview]()
        pickler = make(rules)(output, buffers)
        pickler.persistent_id = picklers.persistent_id(self.snapshot.namespace, reached)
        sys.modules[rebuilding.MODULE] = rebuilding.NAMES
        try:
            pickler.dump(content)
        finally:
            sys.modules.pop(rebuilding.MODULE, None)  # another thread may be at it, too
        _check_foreign(rules, reached)
        return Dump(
            names=tuple(names),
            codec=codec,
            stream=output.getbuffer(),
            buffers=buffers,
            references=frozenset(rules.references),
            uses=frozenset(rules.uses),
            holds_code=rules.holds_code or codec == "dill",
            shareable=_shareable(rules, reached) - {id(content), id(self.snapshot.namespace)},
            reached=reached,
            is_doubtful=True,
        )


def _shareable(rules: Reducer, reached: Reached) -> set[int]:
    return (reached.shareable(reached.kinds()) | rules.by_value) - rules.notes.by_name


def _check_foreign(rules: Reducer, reached: Reached) -> None:
    # One dict would come back as two, and the functions would not see what is assigned to the other.
    if rules.foreign and reached.among(rules.foreign):
        raise Unsavable("function: it was made by exec() in a dict that is saved too; run that cell again")


def has_hooks(kind: type) -> bool:
    """Whether a class of the session has a say in how its instances are pickled."""
    return any(
        home_of(cls) == SESSION and any(hook in static_dict(cls) for hook in _PICKLING_HOOKS) for cls in mro_of(kind)
    )


# --- loading ----------------------------------------------------------------------------------------------


def load(codec: str, stream: bytes | memoryview, buffers: Sequence[Any], lent: Lent) -> dict[str, Any]:
    """Bring one pickle's names back; raises whatever the values' own code raises. Binds nothing."""
    if codec == "dill" and lent.dill is None:
        raise Unsavable("it was saved with dill, which is not there")
    unpickler = Unpickler if codec == "pickle" else _dill_unpickler(lent.dill)
    with lent.visible() if codec == "dill" else Lent({}).visible():
        content = unpickler(io.BytesIO(stream), buffers=buffers).load()
    if type(content) is not dict:
        raise Unsavable("the pickle does not hold names")
    return content


class _Session:
    """Where a stream's names are looked for; mixed into an unpickler."""

    def find_class(self, module: str, name: str) -> Any:
        if module == rebuilding.MODULE:
            return rebuilding.REBUILDERS[name]
        if module == SESSION:
            root, _, path = name.partition(".")
            owner = rebuilding.named(root)
            return rebuilding.attribute(owner, path) if path else owner
        return super().find_class(module, name)  # type: ignore[misc]

    def persistent_load(self, key: str) -> Any:
        if key != "namespace":
            raise pickle.UnpicklingError(f"unknown reference {key!r}")
        return rebuilding.session()


class Unpickler(_Session, pickle.Unpickler):
    pass


def _dill_unpickler(dill: Any) -> Any:
    return type("Unpickler", (_Session, dill.Unpickler), {})
