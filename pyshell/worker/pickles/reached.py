"""What one pickle has reached: every object, collected by C code, and what can be asked of so many at once.

Runs in: the forked child that saves, and worker.

A list of ten million objects is gone through in a second if the loop is C's, and in ten if it is Python's: so these are
chains of `map` and `compress`.
"""

from __future__ import annotations

import enum
import pickle
import types
from collections.abc import Callable, Collection, Container, Iterator
from itertools import compress, repeat
from operator import is_
from sys import getrefcount
from typing import Any

_NEVER_SHARED = frozenset(
    {
        str, bytes, int, float, complex, bool, type(None), tuple, frozenset, range, slice, type(...),
        type(NotImplemented), pickle.PickleBuffer, types.CodeType, types.ModuleType, types.BuiltinFunctionType,
        types.MethodDescriptorType, types.WrapperDescriptorType, types.MethodWrapperType,
        types.ClassMethodDescriptorType, types.GetSetDescriptorType, types.MemberDescriptorType,
    }
)  # fmt: skip
"""Types of values whose identity nobody can rely on, or which are found by name."""


class Reached:
    """Objects in the order in which a pickler came across them; `add` is to be its `persistent_id`.

    The objects are kept alive, or an id could be used twice.
    """

    def __init__(self) -> None:
        self._values: list[Any] = []
        self.add: Callable[[Any], None] = self._values.append
        self._kinds: Collection[type] | None = None

    def values(self) -> Collection[Any]:
        """The objects; ask when the pickler is done."""
        return self._values

    def kinds(self) -> Collection[type]:
        """The types of all values."""
        if self._kinds is None:
            try:
                self._kinds = set(map(type, self._values))
            except BaseException:  # a metaclass may define its own __hash__ or __eq__
                self._kinds = dict(zip(map(id, map(type, self._values)), map(type, self._values))).values()
        return self._kinds

    def of(self, kinds: Collection[type]) -> Iterator[Any]:
        """The values of these exact types, as often as they were reached."""
        if not kinds:
            return iter(())
        wanted = frozenset(map(id, kinds))
        if any(type(kind) is not type for kind in kinds):
            return compress(self.values(), map(wanted.__contains__, map(id, map(type, self.values()))))
        # The types themselves hash faster than numbers that are to be made first.
        return compress(self.values(), map(frozenset(kinds).__contains__, map(type, self.values())))

    def has(self, value: object) -> bool:
        """Whether this very object was reached."""
        return any(map(is_, self.values(), repeat(value)))

    def among(self, ids: Container[int]) -> dict[int, Any]:
        """The values with these ids."""
        found = list(compress(self.values(), map(ids.__contains__, map(id, self.values()))))
        return dict(zip(map(id, found), found))

    def shareable(self, kinds: Collection[type]) -> set[int]:
        """Ids of values that could change under two names; functions and classes are left to the caller."""
        wanted = [kind for kind in kinds if not is_never_shared(kind) and not is_found_by_name(kind)]
        return set(map(id, self.of(wanted)))


def is_never_shared(kind: type) -> bool:
    return type(kind) is type and kind in _NEVER_SHARED


def is_found_by_name(kind: type) -> bool:
    """Whether all values of a type are functions, classes or enum members, most of which are saved by name."""
    return kind is types.FunctionType or issubclass(kind, type) or issubclass(type(kind), enum.EnumMeta)


class Sifted(Reached):
    """The same for a process that goes on living: sifted now and then, and in the end nothing is held but ids."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: dict[int, Any] = {}
        self._found: dict[int, type] = {}

    def sift(self) -> None:
        """Let go of what no two names can share. So little has come since the last time that it takes no time."""
        kinds = list(map(type, self._values))
        found = dict(zip(map(id, kinds), kinds))
        self._found.update(found)
        wanted = frozenset([key for key, kind in found.items() if not is_never_shared(kind)])
        kept = list(compress(self._values, map(wanted.__contains__, map(id, kinds))))
        self._values.clear()
        self._kept.update(zip(map(id, kept), kept))

    def values(self) -> Collection[Any]:
        self.sift()
        return self._kept.values()

    def kinds(self) -> Collection[type]:
        self.sift()
        try:
            return set(self._found.values())
        except BaseException:  # as above
            return self._found.values()

    def lasting(self) -> set[int]:
        """Ids of what lives on when this is gone; it is empty from here on.

        What was made for the pickle goes, and its ids will be those of others.
        """
        kept = self._kept
        self.sift()
        while alone := list(compress(kept, map(_ALONE.__ge__, map(getrefcount, kept.values())))):
            for key in alone:
                del kept[key]
        found = set(kept)
        kept.clear()
        return found


_ALONE = next(map(getrefcount, {0: object()}.values()))
"""The references to what nothing holds but a dict that is gone through in this way."""
