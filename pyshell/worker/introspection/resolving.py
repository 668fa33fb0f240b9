"""Follow an expression to the object that it names, as far as that is possible without running any code.

Runs in: worker, on any thread.

Where only the class of the value can be known (of `Path("x")`, of `frame["column"]`), that is said.
"""

from __future__ import annotations

import builtins
import functools
import os
import sys
import types
from itertools import islice
from typing import Any

from pyshell.typed.chains import SLICE, Chain, chain
from pyshell.typed.tokens import scan
from pyshell.worker.introspection.arrays import is_of
from pyshell.worker.introspection.columns import axes_of, column_names, column_of, is_frame, series_class
from pyshell.worker.introspection.following import attribute, inherited, item, stored
from pyshell.worker.looking import (
    UNKNOWN,
    OfClass,
    attributes,
    class_attributes,
    is_a,
    is_array,
    is_exactly,
    is_function,
    own_attributes,
)

MAX_TEXT = 400
MAX_LOOKED_AT = 100_000
"""Entries of a dict that are listed."""
SCALARS = "biufcmMSU"
"""Kinds of numpy's types whose items are numbers, times and texts of its own."""
_LITERALS = {cls.__name__: cls for cls in (str, bytes, int, float, complex, bool, list, tuple, dict, set, type(None))}
_OF_FRAMES = ("index", "columns", "T", "dtypes")
_FUNCTIONS = (types.FunctionType, types.MethodDescriptorType, types.WrapperDescriptorType, types.BuiltinFunctionType)


def follow(variables: dict[str, Any], text: str) -> Any:
    """As `resolve`, of an expression as text; UNKNOWN for what is more than names, attributes, items and calls."""
    if len(text) > MAX_TEXT:
        return UNKNOWN
    seen = scan(text)
    found = chain(seen, len(seen.tokens))
    return resolve(variables, found[0]) if found is not None and found[1] == 0 else UNKNOWN


def resolve(variables: dict[str, Any], chain: Chain) -> Any:
    """The value, an OfClass, or UNKNOWN. A method is bound, to an OfClass if its object is one."""
    (_, root), *steps = chain
    if chain[0][0] == "literal":
        value: Any = OfClass(_LITERALS[str(root)])
    else:
        value = stored(variables, str(root))
        value = stored(builtins.__dict__, str(root)) if value is UNKNOWN else value
    for kind, operand in steps:
        if value is UNKNOWN:
            break
        if kind == "attribute":
            value = _attribute(value, str(operand))
        else:
            value = _item(value, operand) if kind == "item" else _called(value)
    return value


def members(value: Any) -> dict[str, Any]:
    """Name → stored object, of a value or of an OfClass."""
    if type(value) is OfClass:
        return class_attributes(value.cls)
    found = attributes(value)
    if is_of(value, "pandas", "DataFrame"):
        for name in column_names(value):
            if type(name) is str and name.isidentifier():
                found.setdefault(name, OfClass(series_class(value) or object))
    return found


# --- attributes ---------------------------------------------------------------------------------------------------


def _attribute(value: Any, name: str) -> Any:
    if type(value) is OfClass:
        return _of_class(value, inherited(value.cls, name))
    found = attribute(value, name)
    if found is not UNKNOWN or is_a(value, types.ModuleType):
        return found
    if is_of(value, "pandas", "DataFrame"):
        if name in _OF_FRAMES:
            return _of_frame(value, name)
        if inherited(type(value), name) is UNKNOWN:
            return column_of(value, name)
    return _computed(inherited(value if is_a(value, type) else type(value), name))


def _of_class(value: OfClass, found: Any) -> Any:
    """What the class has stored under a name, as an attribute of one of its instances."""
    if type(found) is classmethod:
        return types.MethodType(found.__func__, value.cls) if is_exactly(found.__func__, _FUNCTIONS) else UNKNOWN
    if type(found) is staticmethod:
        return found.__func__
    if is_exactly(found, _FUNCTIONS) or is_function(found):
        return types.MethodType(found, value)
    is_read = found is not UNKNOWN and inherited(type(found), "__get__") is UNKNOWN
    return found if is_read else _computed(found)


def _computed(found: Any) -> Any:
    """What is known of the value that a descriptor would compute."""
    if type(found) is property:
        return _returned(found.fget)
    if is_of(found, "pandas.core.accessor", "CachedAccessor", "Accessor"):
        cls = own_attributes(found).get("_accessor", UNKNOWN)
        return OfClass(cls) if is_a(cls, type) else UNKNOWN
    return UNKNOWN


def _of_frame(value: Any, name: str) -> Any:
    if name in ("index", "columns"):
        return (axes_of(value) or [UNKNOWN] * 2)[name == "index"]
    return OfClass(type(value) if name == "T" else series_class(value) or object)


# --- calls --------------------------------------------------------------------------------------------------------


def _called(value: Any) -> Any:
    """A class makes its instances; a function says what it returns if it is annotated with a class."""
    if type(value) is OfClass:
        return UNKNOWN
    if is_a(value, type):
        return OfClass(value) if value is not type else UNKNOWN
    return _returned(value)


def _returned(function: Any) -> Any:
    function = undecorated(function)
    if type(function) is not types.FunctionType or sys.version_info >= (3, 14):  # annotations are code there
        return UNKNOWN
    hint = own_annotations(function).get("return", UNKNOWN)
    if type(hint) is str:
        hint = hint.strip("'\"")  # of a text that `from __future__ import annotations` has made a text of
        hint = function.__globals__.get(hint, builtins.__dict__.get(hint, UNKNOWN))
    return OfClass(hint) if hint is not UNKNOWN and is_a(hint, type) else UNKNOWN


def own_annotations(function: types.FunctionType) -> dict[str, Any]:
    """Those whose names are plain text."""
    found = function.__annotations__
    return {n: v for n, v in list(found.items()) if type(n) is str} if type(found) is dict else {}


def undecorated(value: Any) -> Any:
    """What functools.wraps says is inside, what a method is bound to, what a partial calls."""
    for _ in range(20):
        if is_exactly(value, (staticmethod, classmethod, types.MethodType)):
            value = value.__func__
        elif type(value) is functools.partial:
            value = value.func
        elif is_a(value, type) or "__wrapped__" not in (own := own_attributes(value)):
            break
        else:
            value = own["__wrapped__"]
    return value


# --- items --------------------------------------------------------------------------------------------------------


def _item(value: Any, key: object) -> Any:
    if type(value) is OfClass:
        is_sequence = any(value.cls is kind for kind in (str, bytes, list, tuple))  # `in` would ask the metaclass
        return OfClass(value.cls) if key == SLICE and is_sequence else UNKNOWN
    if key == SLICE:
        is_sequence = is_exactly(value, (str, bytes, list, tuple)) or is_array(value) or is_frame(value)
        return OfClass(type(value)) if is_sequence else UNKNOWN
    if is_frame(value):
        return column_of(value, key)
    if is_array(value):
        return value[key] if _is_part(value, key) else UNKNOWN  # numpy's own code makes a view, or a number
    for kind in (list, tuple):
        if is_a(value, kind) and inherited(type(value), "__getitem__") is kind.__dict__["__getitem__"]:
            is_place = type(key) is int and -kind.__len__(value) <= key < kind.__len__(value)
            return kind.__dict__["__getitem__"](value, key) if is_place else UNKNOWN
    return item(value, key)


def _is_part(array: Any, key: object) -> bool:
    if type(key) is str:
        return key in (array.dtype.names or ())
    is_simple = array.ndim > 1 or (array.ndim and array.dtype.kind in SCALARS)
    return bool(is_simple) and type(key) is int and -len(array) <= key < len(array)


def entries(value: dict[Any, Any], limit: int) -> list[tuple[Any, Any]]:
    """Keys and values of a dict or of a subclass, as they are stored; none if others change it all the time."""
    for _ in range(10):
        try:
            return list(islice(dict.items(value), limit))
        except RuntimeError:  # it was changed by another thread
            continue
    return []


def environment(value: Any) -> list[str]:
    """The names of `os.environ`, which is a mapping of its own class."""
    stored = own_attributes(value).get("_data") if type(value) is os._Environ else None
    if type(stored) is not dict:
        return []
    return [os.fsdecode(key) for key, _ in entries(stored, MAX_LOOKED_AT) if is_exactly(key, (bytes, str))]
