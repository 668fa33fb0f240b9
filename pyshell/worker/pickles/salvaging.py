"""Save what holds a value that cannot be saved: the value alone is replaced by a placeholder that says so.

Runs in: the forked child that saves.

Taken when all other ways have failed for some names. `Salvager.override` is a pickler's `reducer_override`: it does
itself what pickle would do with each value, so that what fails there fails for that value only. What pickles and does
not come back is found by trying every object on its own (`trial`), which is slow and so comes last.
"""

from __future__ import annotations

import collections
import contextlib
import copyreg
import pickle
import re
import time
import types
from collections.abc import Callable, Iterator
from typing import Any

from pyshell.worker import looking
from pyshell.worker.kinds import is_class, is_importable, mro_of, qualname_of, static_dict
from pyshell.worker.pickles.leaves import NotNow, Reduced, Unsavable
from pyshell.worker.pickles.placeholders import Leaf, NotSaved, leaf_of, make_placeholder
from pyshell.worker.pickles.reducing import Reducer
from pyshell.worker.pickles.refusals import describe, type_name

MAX_LOOKED_AT = 50_000
"""Objects that are looked through for the path to a value."""
MAX_LEAVES = 10_000
"""Placeholders in one pickle: where all is missing, nothing is saved."""
TRIAL_SECONDS = 5.0
MAX_TEXT = 80

_BY_PICKLE = frozenset(map(id, (type(None), type(NotImplemented), type(...))))
_home_of: Callable[[Any, str], str] = vars(pickle)["whichmodule"]
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


class Salvager:
    """The rules of one pickle, and what became of the values that they could not save."""

    def __init__(self, rules: Reducer, content: dict[str, Any], cells: dict[str, int]) -> None:
        self.rules = rules
        self.leaves: list[Leaf] = []
        self.only_refused = True
        """Whether all of them were refused by our own rules; another pickler may know what to do with the rest."""
        self.trial: Callable[[Any], object] | None = None
        """Saves and loads one value; set it to find what does not come back."""
        self._deadline = time.monotonic() + TRIAL_SECONDS
        self._content = content
        self._cells = cells
        self._roots = frozenset(map(id, content.values()))
        self._paths: dict[int, str] | None = None
        self._stand_ins: dict[int, tuple[Any, Reduced]] = {}
        self._tried: dict[int, Any] = {}

    def override(self, value: Any) -> Reduced:
        """For C's pickler."""
        if id(value) in self._stand_ins:
            return self._stand_ins[id(value)][1]
        try:
            reduced = self.rules.override(value)
            if reduced is NotImplemented:
                reduced = _as_pickle_does(value)
        except NotNow:
            raise
        except BaseException as exc:  # a value's own __reduce__ may raise anything, SystemExit included
            return self._stand_in(value, exc)
        return self._tried_out(value, reduced)

    def override_refused(self, value: Any) -> Reduced:
        """For dill's pickler, which does by itself what we have no rule for."""
        try:
            return self.rules.override(value)
        except Unsavable as exc:
            return self._stand_in(value, exc)

    def _stand_in(self, value: Any, exc: BaseException) -> Reduced:
        reason = str(exc) if type(exc) is Unsavable else describe(exc)
        self.only_refused = self.only_refused and type(exc) is Unsavable
        if id(value) in self._roots or len(self.leaves) >= MAX_LEAVES:
            raise Unsavable(reason) from exc
        leaf = self._leaf(value, reason)
        self.leaves.append(leaf)
        reduced = make_placeholder, (leaf.path, leaf.type, leaf.text, leaf.reason, leaf.cell)
        self._stand_ins[id(value)] = (value, reduced)
        return reduced

    def _leaf(self, value: Any, reason: str) -> Leaf:
        path = self._path_of(value)
        name = max(filter(path.startswith, self._content), key=len)
        if type(value) is NotSaved:
            before = leaf_of(value)
            return Leaf(path, before.type, before.text, before.reason, before.cell)
        return Leaf(path, type_name(type(value)), _text_of(value), reason, self._cells.get(name))

    def _path_of(self, value: Any) -> str:
        if self._paths is None:
            self._paths = _paths_in(self._content)
        return self._paths.get(id(value)) or f"{next(iter(self._content))} (inside)"

    # --- what does not come back ---------------------------------------------------------------------------

    def _tried_out(self, value: Any, reduced: Reduced) -> Reduced:
        """The reduction, or a placeholder's if the value can be saved but not loaded."""
        if self.trial is None or id(value) in self._tried or type(reduced) is not tuple:
            return reduced
        if time.monotonic() > self._deadline:
            raise Unsavable("it takes too long to find out what cannot be loaded")
        # Kept alive, or its id could be used twice; known from here on, or what leads back to it is tried for ever.
        self._tried[id(value)] = value
        try:
            self.trial(value)
        except BaseException as exc:  # the value's own code for coming back may raise anything
            return self._stand_in(value, Unsavable(f"it could be saved, but not loaded: {describe(exc)}"))
        return reduced


def _as_pickle_does(value: Any) -> Reduced:
    """What pickle does with a value that there is no rule for, up to where the value's own code is done."""
    kind = type(value)
    if is_class(value) or kind is types.FunctionType:
        name = qualname_of(value) if is_class(value) else value.__qualname__
        if id(value) in _BY_PICKLE or is_importable(value, _home_of(value, name), name):
            return NotImplemented
        raise pickle.PicklingError(f"{name} is not where it says")
    reduce = copyreg.dispatch_table.get(kind)
    reduced = reduce(value) if reduce is not None else value.__reduce_ex__(5)
    if type(reduced) is str:
        if not is_importable(value, _home_of(value, reduced), reduced):
            raise pickle.PicklingError(f"{reduced} is not where it says")
        return reduced
    if type(reduced) is not tuple or not 2 <= len(reduced) <= 6 or type(reduced[1]) is not tuple:
        raise pickle.PicklingError("__reduce__ must return a string or tuple")
    # The items come from iterators of the value, which may raise when it is too late.
    items = [iter(list(part)) if part is not None else None for part in reduced[3:5]]
    return (*reduced[:3], *items, *reduced[5:])


def _text_of(value: Any) -> str:
    """Its repr if that is C code of a value that holds no others; else only what it is."""
    found = next(home["__repr__"] for home in map(static_dict, mro_of(type(value))) if "__repr__" in home)
    containers = (list, tuple, dict, set, frozenset, BaseException)
    if type(found) is not types.WrapperDescriptorType or looking.is_a(value, *containers):
        return looking.preview(value)
    try:
        text = repr(value)
    except BaseException:  # extensions' code may raise anything too
        return looking.preview(value)
    return _ADDRESS.sub("", text)[:MAX_TEXT]


def _paths_in(content: dict[str, Any]) -> dict[int, str]:
    """Ids of what the names hold -> how to get there, the shortest way; of a limited number of objects."""
    found: dict[int, str] = {}
    row = [(value, name) for name, value in content.items()]
    while row and len(found) < MAX_LOOKED_AT:
        following = []
        for value, path in row:
            if id(value) not in found and len(found) < MAX_LOOKED_AT:
                found[id(value)] = path
                following.append((value, path))
        row = [child for value, path in following for child in _children(value, path)]
    return found


def _children(value: Any, path: str) -> Iterator[tuple[Any, str]]:
    kind = type(value)
    if looking.is_a(value, dict):
        for key, item in dict.items(value):
            yield item, f"{path}[{looking.preview(key)[:40]}]"
            yield key, f"{path} (a key)"
    elif looking.is_a(value, list, tuple, collections.deque):
        for number, item in enumerate(_items_of(value)):
            yield item, f"{path}[{number}]"
    elif looking.is_a(value, set, frozenset):
        for item in _items_of(value):
            yield item, f"{path} (in the set)"
    elif kind is types.FunctionType:
        for name, cell in zip(value.__code__.co_freevars, value.__closure__ or ()):
            yield cell, f"{path} (its {name})"
    elif kind is types.CellType:
        with contextlib.suppress(ValueError):  # a variable that has no value yet
            yield value.cell_contents, path
    elif kind is types.MethodType:
        yield value.__self__, f"{path}.__self__"
    attributes = static_dict(value) if is_class(value) else looking.own_attributes(value)
    for name, item in attributes.items():
        yield item, f"{path}.{name}"


def _items_of(value: Any) -> Iterator[Any]:
    """What a container holds, by its builtin class: a subclass may have an `__iter__` of its own."""
    for base in (list, tuple, collections.deque, set, frozenset):
        if looking.is_a(value, base):
            return base.__iter__(value)
    return iter(())
