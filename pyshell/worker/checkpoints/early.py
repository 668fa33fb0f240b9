"""Which names must be there before a cell may begin, while a part of the state is still to be loaded.

Runs in: worker, on its main thread.

What is not known to be harmless needs everything. Known is code that gets at values by the names in it alone: it calls
some builtins, methods of plain values, functions and classes of the session that are made of such code, and modules
that look at nobody. All these names are followed to a fixpoint. What such cells make is harmless in turn: all names in
their code were there when they ran, and a name that is there once is never missing again.
"""

from __future__ import annotations

import builtins
import dis
import inspect
import math
import sys
import time
import types
from collections.abc import Iterable, Mapping
from typing import Any

from pyshell.frozen import dataclass, field
from pyshell.store import Group
from pyshell.worker.checkpoints.others import has_other_threads
from pyshell.worker.kinds import SESSION, bases_of, home_of, qualname_of, static_dict
from pyshell.worker.touched import ESCAPES, parts_of

MAX_PARTS = 10_000
"""Values that one definition may consist of; each is looked at."""

_BUILTINS = {
    name: getattr(builtins, name)
    for name in (
        "abs", "all", "any", "ascii", "bin", "bool", "bytearray", "bytes", "chr", "classmethod", "complex", "dict",
        "divmod", "enumerate", "filter", "float", "frozenset", "hash", "hex", "id", "int", "isinstance", "issubclass",
        "iter", "len", "list", "map", "max", "min", "next", "object", "oct", "ord", "pow", "print", "property",
        "range", "repr", "reversed", "round", "set", "slice", "sorted", "staticmethod", "str", "sum", "super", "tuple",
        "type", "zip", "__build_class__", "NotImplemented", "Ellipsis",
        *(name for name, value in vars(builtins).items() if type(value) is type and issubclass(value, BaseException)),
    )
}  # fmt: skip
"""As they were before the session's first cell. None of them gets at a value by the text of its name."""
_MODULES = (math, time)
"""C code that takes numbers. What looks at frames or at `__main__` is found in the least expected libraries."""
_KINDS = frozenset(
    {
        *(f"builtins.{name}" for name in _BUILTINS),
        "collections.OrderedDict", "collections.defaultdict", "collections.deque", "collections.Counter",
        "copyreg._reconstructor", "datetime.date", "datetime.datetime", "datetime.time", "datetime.timedelta",
        "datetime.timezone", "decimal.Decimal", "fractions.Fraction", "numpy.ndarray", "numpy.dtype",
        "numpy.core.multiarray._reconstruct", "numpy.core.multiarray.scalar", "numpy.core.numeric._frombuffer",
        "numpy._core.multiarray._reconstruct", "numpy._core.multiarray.scalar", "numpy._core.numeric._frombuffer",
    }
)  # fmt: skip
"""What a pickle of plain values names."""
_ATTRIBUTES = frozenset({"format", "format_map", "dump", "dumps", "tofile", "mro", "with_traceback"})
"""Methods of these kinds that get at what the text in their arguments names, or run code that is not followed."""
_INSIDE = ("gi_", "cr_", "ag_", "f_", "tb_", "co_")
_OWN_DUNDERS = frozenset({"__init__", "__class__", "__name__", "__module__", "__qualname__", "__doc__"})
_LOOKS = frozenset({
    "LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS", "STORE_NAME", "STORE_GLOBAL", "DELETE_NAME",
    "DELETE_GLOBAL",
})  # fmt: skip
_ASKS = frozenset({"LOAD_ATTR", "LOAD_METHOD", "STORE_ATTR", "DELETE_ATTR", "LOAD_SUPER_ATTR"})
_NAMED = frozenset(dis.hasname)
# By their ids: a class as a key would be asked for its hash.
_ATOMS = frozenset(map(id, (int, float, complex, str, bytes, bool, type(None), type(...), type(NotImplemented), range)))
_OF_LAYOUT = frozenset(map(id, (types.GetSetDescriptorType, types.MemberDescriptorType)))
_METHODS = frozenset(map(id, (staticmethod, classmethod)))
_CONTAINERS = frozenset(map(id, (tuple, list, set, frozenset)))
_MAPPINGS = frozenset(map(id, (dict, types.MappingProxyType)))
_HARMLESS = frozenset(map(id, (*_BUILTINS.values(), *_MODULES)))
SHOWN = ("_", "__", "___")


class Doubt(Exception):
    """It cannot be told what this code reaches."""


@dataclass
class Origins:
    """Where the names of the restored namespace come from."""

    groups: dict[str, Group] = field(default_factory=dict)
    """By name; what is in none was made by a cell since then."""
    found: dict[str, set[str]] = field(default_factory=dict)
    """What the pickles of data name, by the ids of groups. Without an entry it is not known."""

    def is_plain(self, group: Group) -> bool:
        """Whether all in it is of known kinds, or of the session's classes."""
        return group.id in self.found and is_plain(self.found[group.id])


def is_plain(found: Iterable[str]) -> bool:
    """Whether a pickle that names these holds nothing else than values of known kinds, and of the session's classes."""
    return all(name in _KINDS or name.startswith(SESSION + ".") for name in found)


def needed(
    codes: Iterable[types.CodeType], namespace: Mapping[str, Any], waiting: Mapping[str, Group], origins: Origins
) -> frozenset[str] | None:
    """Those of the waiting names that the code can reach, as far as can be told without them; None: all of them.

    Ask again when they are there: what they hold counts, too. `waiting`: names that are not there, and their groups.
    """
    if has_other_threads() or _is_watched():
        return None
    search = _Search(namespace, waiting, origins)
    try:
        for code in codes:
            search.take_code(code)
        return search.run()
    except Doubt:
        return None


def _is_watched() -> bool:
    """Whether somebody's code is called for every line, result, error or piece of output."""
    hooks = sys.displayhook is sys.__displayhook__ and sys.excepthook is sys.__excepthook__
    streams = sys.stdout is sys.__stdout__ and sys.stderr is sys.__stderr__
    # It shows the session's figures after every cell, by whatever code they were made with.
    pyplot = "matplotlib.pyplot" in sys.modules
    return not (hooks and streams) or pyplot or sys.gettrace() is not None or sys.getprofile() is not None


class _Search:
    def __init__(self, namespace: Mapping[str, Any], waiting: Mapping[str, Group], origins: Origins) -> None:
        self._namespace = namespace
        self._waiting = waiting
        self._origins = origins
        self._names: list[str] = []
        self._seen: set[str] = set()
        self._stored: set[str] = set()
        self._looked_at: dict[int, object] = {}
        self._found: set[str] = set()
        self._users: dict[str, set[str]] = {}
        for name, group in waiting.items():
            for definition in group.references:
                self._users.setdefault(definition, set()).add(name)

    def run(self) -> frozenset[str]:
        """After all code was taken."""
        # What a cell shows is bound to these, and moves what they meant on.
        self._found.update(name for name in SHOWN if name in self._waiting)
        self._found.update(sorted((name for name in self._waiting if _number(name)), key=_number)[-1:])
        unknown: list[str] = []
        while self._names:
            name = self._names.pop()
            if name not in self._seen:
                self._seen.add(name)
                if not self._follow(name):
                    unknown.append(name)
        if not self._stored.issuperset(unknown):
            raise Doubt  # a NameError, which somebody may expect, or a builtin that is not harmless
        return frozenset(self._found)

    def take_code(self, code: types.CodeType) -> None:
        for part in parts_of(code):
            if part.co_flags & (inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR):
                raise Doubt
            for each in dis.get_instructions(part):
                if each.opcode in _NAMED:
                    self._take_name(each.opname, each.argval)

    def _take_name(self, operation: str, name: object) -> None:
        if type(name) is not str or name in ESCAPES:
            raise Doubt
        if operation in _LOOKS:
            self._names.append(name)
            if operation.startswith("STORE"):
                self._stored.add(name)
        elif operation not in _ASKS or not _is_harmless(name):
            raise Doubt

    def _follow(self, name: str) -> bool:
        """Take what a name leads to; False if it is nowhere."""
        # Who has a class may change it, and those who wait are to find it as they left it.
        self._found |= self._users.get(name, set())
        if name in self._waiting:
            self._found.add(name)
        elif name in self._namespace:
            if name.startswith("__") and name not in _OWN_DUNDERS:
                raise Doubt
            self._take_value(name, self._namespace[name])
        elif name in _BUILTINS:
            if vars(builtins).get(name) is not _BUILTINS[name]:
                raise Doubt
        elif name not in _OWN_DUNDERS:
            return False
        return True

    def _take_value(self, name: str, value: Any) -> None:
        group = self._origins.groups.get(name)
        if group is None:  # a cell has made it since, or it belongs to every module
            if type(value) is types.ModuleType:
                self._part(value)
        elif group.kind != "data":
            self._part(value)
        elif self._origins.is_plain(group):
            self._names += group.references
            self._names += [found.split(".")[1] for found in self._origins.found[group.id] if found.startswith(SESSION)]
        else:
            raise Doubt

    # --- what definitions consist of -----------------------------------------------------------------------

    def _part(self, value: Any) -> None:
        kind, key = type(value), id(type(value))
        if key in _ATOMS or key in _OF_LAYOUT or id(value) in _HARMLESS or id(value) in self._looked_at:
            return
        self._looked_at[id(value)] = value  # kept, so that its id is not another's
        if len(self._looked_at) > MAX_PARTS:
            raise Doubt
        if kind is types.FunctionType:
            self._function(value)
        elif kind is type:
            self._class(value)
        elif key in _METHODS:
            self._part(value.__func__)
        elif kind is property:
            self._parts((value.fget, value.fset, value.fdel))
        elif key in _CONTAINERS:
            self._parts(value)
        elif key in _MAPPINGS:
            self._parts(value.keys())
            self._parts(value.values())
        elif home_of(kind) != "dataclasses":
            raise Doubt

    def _parts(self, values: Iterable[Any]) -> None:
        for value in list(values):
            self._part(value)

    def _function(self, function: types.FunctionType) -> None:
        if function.__globals__ is not self._namespace:
            # What dataclasses puts around methods: harmless, and so it is if what it holds is.
            if function.__globals__.get("__name__") not in ("dataclasses", "reprlib"):
                raise Doubt
        else:
            self.take_code(function.__code__)
        for cell in function.__closure__ or ():
            if cell != types.CellType():
                self._part(cell.cell_contents)
        self._parts((function.__defaults__, function.__kwdefaults__, function.__dict__))

    def _class(self, cls: type) -> None:
        if home_of(cls) != SESSION:
            if f"{home_of(cls)}.{qualname_of(cls)}" not in _KINDS:
                raise Doubt
            return
        self._parts(bases_of(cls))
        for name, value in list(static_dict(cls).items()):
            if name not in ("__annotations__", "__annotations_cache__", "__slotnames__", "__weakref__"):
                self._part(value)


def _is_harmless(attribute: str) -> bool:
    if attribute.startswith("__"):
        return attribute in _OWN_DUNDERS
    return attribute not in _ATTRIBUTES and not attribute.startswith(_INSIDE)


def _number(name: str) -> int:
    """Of the cell that showed what this name means; 0 for any other."""
    return int(name[1:]) if name[:1] == "_" and name[1:].isdecimal() else 0
