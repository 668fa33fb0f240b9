"""Tell whether a function or class of the session is still what it was when it was saved, without saving it again.

Runs in: worker, on its main thread.

A cell that calls a function names it, and could have changed it; nearly none does. A fingerprint lists the immutable
parts that a definition is made of, and keeps them alive, so that the same parts mean the same definition. What has a
part that can change unseen (a mutable default, a decorator's wrapper) has no fingerprint, and is saved again.
"""

from __future__ import annotations

import operator
import types
from collections.abc import Collection, Container, Iterable, Iterator
from typing import Any

from pyshell.worker.kinds import SESSION, home_of, static_dict

Fingerprint = tuple[object, ...]

_ATOMS = frozenset({int, float, complex, str, bytes, bool, type(None), type(...), types.CodeType})
_OF_LAYOUT = (types.GetSetDescriptorType, types.MemberDescriptorType)
_EMPTY = object()


class _Unknown(Exception):
    """There is a part that may change unseen."""


def fingerprint(value: Any, definitions: Container[int]) -> Fingerprint | None:
    """What a definition is made of; None if that cannot be told. `definitions`: ids of what is saved on its own."""
    try:
        return tuple(list(_Parts(definitions).of(value)))  # noqa: C414 (see test_layers.py)
    except _Unknown:
        return None


def _is_same(one: Fingerprint | None, other: Fingerprint | None) -> bool:
    if one is None or other is None or len(one) != len(other):
        return False
    return all(map(operator.is_, one, other))


class _Parts:
    """Lists the parts of one definition."""

    def __init__(self, definitions: Container[int]) -> None:
        self._definitions = definitions

    def of(self, value: Any) -> Iterator[object]:
        kind = type(value)
        if kind is types.FunctionType:
            yield from self._of_function(value)
        elif kind is type:
            yield from self._of_class(value)
        else:
            raise _Unknown

    def _of_function(self, function: Any) -> Iterator[object]:
        yield function
        yield from (function.__code__, function.__name__, function.__qualname__)
        for cell in function.__closure__ or ():
            yield from self._leaves((cell.cell_contents,)) if cell != types.CellType() else (_EMPTY,)
        parts = (function.__module__, function.__doc__, function.__defaults__, function.__kwdefaults__)
        more = (function.__annotations__, function.__dict__, getattr(function, "__type_params__", None))
        yield from self._leaves((*parts, *more))

    def _of_class(self, cls: type) -> Iterator[object]:
        yield from self._leaves((cls, *type.__dict__["__bases__"].__get__(cls)))
        for name, value in list(static_dict(cls).items()):
            if name == "__slotnames__":
                continue  # left there by copyreg when an instance is pickled
            yield name
            kind = type(value)
            if kind is types.FunctionType:
                yield from self._of_function(value)
            elif kind in (staticmethod, classmethod):
                yield from (value, *self._leaves((vars(value),)), *self.of(value.__func__))
            elif kind is property:
                yield value
                yield from self._of_property(value)
            elif kind in _OF_LAYOUT:
                yield value
            else:
                yield from self._leaves((value,))

    def _of_property(self, value: property) -> Iterator[object]:
        for function in (value.fget, value.fset, value.fdel):
            yield from (None,) if function is None else self.of(function)
        yield from self._leaves((value.__doc__,))

    def _leaves(self, values: Iterable[Any]) -> Iterator[object]:
        for value in values:
            kind = type(value)
            if kind in _ATOMS:
                yield value
            elif issubclass(kind, type) and (home_of(value) != SESSION or id(value) in self._definitions):
                yield value  # it is saved on its own, or by its name
            elif kind is tuple:
                yield from (tuple, len(value), *self._leaves(value))
            elif kind is dict:
                yield from (dict, len(value), *self._leaves(value.keys()), *self._leaves(value.values()))
            else:
                raise _Unknown


class Fingerprints:
    """Those of the definitions in the last committed checkpoint that code has named since they were made."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._namespace = namespace
        self._saved: dict[str, Fingerprint] = {}
        self._being_saved: dict[str, Fingerprint | None] = {}

    def unchanged(self, names: Iterable[str], definitions: Container[int]) -> set[str]:
        """Those of the names that mean what the checkpoint has."""
        named = [name for name in names if name in self._saved and name in self._namespace]
        return {name for name in named if _is_same(self._saved[name], self._take(name, definitions))}

    def look(self, touched: Collection[str], definitions: Container[int]) -> None:
        """The namespace is being saved, or what was touched of it."""
        names = [name for name in {*self._saved, *touched} if id(self._namespace.get(name)) in definitions]
        self._being_saved = {name: self._take(name, definitions) for name in names}

    def committed(self, touched: Collection[str] | None) -> None:
        """What was looked at is in the checkpoint as far as it was touched; None: everything was."""
        kept = {} if touched is None else {name: one for name, one in self._saved.items() if name not in touched}
        for name, one in self._being_saved.items():
            if one is not None and (touched is None or name in touched):
                kept[name] = one
        self._saved, self._being_saved = kept, {}

    def refused(self) -> None:
        """What was looked at is in no checkpoint."""
        self._being_saved = {}

    def forget(self) -> None:
        """Another checkpoint is followed."""
        self._saved, self._being_saved = {}, {}

    def _take(self, name: str, definitions: Container[int]) -> Fingerprint | None:
        return fingerprint(self._namespace[name], definitions)
