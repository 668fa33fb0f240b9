"""Take one step from a value to an attribute or an item that it has stored, without running any code of an object's.

Runs in: worker, on any thread.

What only code can tell (a property, `__getattr__`, an item of a class that is not builtin) is UNKNOWN. Also a
dictionary runs code when it is asked for a key: `__eq__` of a stored key that has the same hash.
"""

from __future__ import annotations

import collections
import types
from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from typing import Any

from pyshell.worker.looking import UNKNOWN, are_texts, is_a, is_array, is_exactly, is_function, own_attributes, type_of

MAX_KEYS = 1 << 20
"""A dictionary that has more is not searched: each key has to be looked at before one is asked for."""
MAX_TRIES = 20

_ATOMS = (str, int, float, bool, bytes, type(None))
_PLAIN_KEYS = frozenset(map(id, _ATOMS))
_SEQUENCES = (list, tuple, str, bytes, bytearray, range, collections.deque)
DICTIONARIES = (dict, collections.defaultdict, collections.OrderedDict, collections.Counter)
"""Classes that keep their items as `dict` does."""

_mro = type.__dict__["__mro__"].__get__
_dict_of_class = type.__dict__["__dict__"].__get__
_TUPLE_FIELD = type(collections.namedtuple("_Sample", "field").__dict__["field"])
_READ_IN_C = (types.MemberDescriptorType, _TUPLE_FIELD)
_BOUND_IN_C = (types.MethodDescriptorType, types.WrapperDescriptorType)
_FUNCTIONS = (types.FunctionType, *_BOUND_IN_C, types.ClassMethodDescriptorType)


def stored(mapping: Any, key: object) -> Any:
    """What a dict or a class's dict has under a key of a plain type, without asking another key for its equality."""
    keys = dict.keys(mapping) if is_a(mapping, dict) else mapping.keys()
    if len(keys) > MAX_KEYS:
        return UNKNOWN
    known = list(keys)  # in C: another thread may change it between the steps of an iteration
    if are_texts(known) or set(map(id, map(type, known))) <= _PLAIN_KEYS:
        return dict.get(mapping, key, UNKNOWN) if is_a(mapping, dict) else mapping.get(key, UNKNOWN)
    items = dict.items(mapping) if is_a(mapping, dict) else mapping.items()
    same = (value for known, value in list(items) if type(known) is type(key) and _is_plain(known) and known == key)
    return next(same, UNKNOWN)


def _is_plain(key: Any) -> bool:
    return is_exactly(key, _ATOMS) or (type(key) is tuple and all(is_exactly(part, _ATOMS) for part in key))


def sliced(values: Iterable[Any], start: int, stop: int) -> list[Any]:
    """A part of a set or of a dict's view; nothing if another thread changes it all the time."""
    for _ in range(MAX_TRIES):
        with suppress(RuntimeError):  # it was changed between two steps
            return list(islice(values, start, stop))
    return []


def item(value: Any, key: Any) -> Any:
    """`value[key]` of a builtin container."""
    if is_exactly(value, DICTIONARIES):
        return stored(value, key)
    if is_exactly(value, _SEQUENCES) and type(key) is int and -len(value) <= key < len(value):
        try:
            return value[key]
        except IndexError:  # another thread has taken it away
            return UNKNOWN
    return UNKNOWN


def attribute(value: Any, name: str) -> Any:
    """`value.name` where that is stored: methods bound as they would be, descriptors of others left alone."""
    if is_a(value, types.ModuleType):
        return stored(own_attributes(value), name)
    if is_a(value, type):
        return _class_attribute(value, name)
    # A data descriptor of the class goes before what the instance has.
    found = inherited(type(value), name)
    if found is UNKNOWN or not _is_data(found):
        own = stored(own_attributes(value), name)
        if own is not UNKNOWN:
            return own
    return UNKNOWN if found is UNKNOWN else _bound(found, value)


def definition(value: Any, name: str) -> Any:
    """What the class of a value has under that name, a property for example; not evaluated."""
    return inherited(value if is_a(value, type) else type_of(value), name)


def inherited(cls: type, name: str) -> Any:
    """What the class or the nearest of its bases has stored under that name, or UNKNOWN."""
    for base in _mro(cls):
        found = stored(_dict_of_class(base), name)
        if found is not UNKNOWN:
            return found
    return UNKNOWN


def _class_attribute(cls: Any, name: str) -> Any:
    found = inherited(cls, name)
    if found is UNKNOWN:
        of_meta = inherited(type(cls), name)
        return UNKNOWN if of_meta is UNKNOWN else _bound(of_meta, cls)
    kind = type(found)
    if kind is staticmethod:
        return found.__func__
    if kind is classmethod:
        return types.MethodType(found.__func__, cls) if _is_callable(found.__func__) else UNKNOWN
    if kind is types.ClassMethodDescriptorType:
        return found.__get__(None, cls)
    return found


def _bound(found: Any, value: Any) -> Any:
    kind = type(found)
    if kind is staticmethod:
        return found.__func__
    if kind is classmethod:
        return types.MethodType(found.__func__, type(value)) if _is_callable(found.__func__) else UNKNOWN
    if is_function(found):
        return types.MethodType(found, value)
    if is_exactly(found, _BOUND_IN_C):
        return _get(found, value)
    if kind is types.ClassMethodDescriptorType:
        return found.__get__(None, type(value))
    if is_exactly(found, _READ_IN_C) or (kind is types.GetSetDescriptorType and is_array(value)):
        return _get(found, value)
    return UNKNOWN if _has(found, "__get__") else found


def _get(descriptor: Any, value: object) -> Any:
    try:
        return descriptor.__get__(value)
    except (AttributeError, TypeError):  # a slot that is empty, or a class that was put together by hand
        return UNKNOWN


def _is_callable(value: object) -> bool:
    return _has(value, "__call__")


def _is_data(found: object) -> bool:
    return _has(found, "__set__") or _has(found, "__delete__")


def _has(value: object, name: str) -> bool:
    return inherited(type(value), name) is not UNKNOWN
