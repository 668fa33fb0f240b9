"""Look at objects without running any of their code: no property, `__getattr__`, `__dir__` or `__repr__`.

Runs in: worker, on any thread.

Also what looks harmless runs code of the object's: isinstance() asks for its `__class__`, `cls in (int, str)` and
`cls == int` ask its metaclass's `__eq__`, `cls.__name__` its `__getattribute__`. So: type(), `is`, and the slots of
`type` and `object` themselves.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterable
from typing import Any, NamedTuple

_PLAIN = (bool, int, float, complex, str, bytes, type(None))
_CONTAINERS = (list, tuple, dict, set, frozenset)
MAX_PREVIEW = 80

UNKNOWN = object()
"""Stands for a value that only running code could tell."""


class OfClass(NamedTuple):
    """Stands for a value of which only the class is known, or for a column of a frame, of which also the values are."""

    cls: type
    frame: Any = None
    place: int = 0


_mro = type.__dict__["__mro__"].__get__
_dict_of_class = type.__dict__["__dict__"].__get__
_module = type.__dict__["__module__"].__get__
_qualname = type.__dict__["__qualname__"].__get__
_name = type.__dict__["__name__"].__get__
_flags = type.__dict__["__flags__"].__get__
_IMMUTABLE = 1 << 8
"""Py_TPFLAGS_IMMUTABLETYPE: the class is written in C, and nobody has changed it."""


def is_exactly(value: object, kinds: Iterable[type]) -> bool:
    """Whether the value's class is one of `kinds`, and no subclass."""
    cls = type(value)
    for kind in kinds:  # noqa: SIM110 (any() takes twice as long, and this is asked a hundred times for each name)
        if cls is kind:
            return True
    return False


def is_a(value: object, *kinds: type) -> bool:
    """isinstance() by the class that the value has, whatever it says of itself."""
    for base in _mro(type(value)):
        for kind in kinds:
            if base is kind:
                return True
    return False


def is_in_c(cls: type) -> bool:
    """Whether a class is written in C and cannot be changed from Python."""
    return bool(_flags(cls) & _IMMUTABLE)


def exact(text: str) -> str:
    """A plain str, also of a subclass, whose methods would be the user's."""
    return str.__str__(text)


def type_name(value: object) -> str:
    """The class's qualified name, with its module unless that is builtins or `__main__`."""
    return class_name(type_of(value))


def type_of(value: object) -> type:
    """The class of a value, or of an OfClass that it stands for."""
    return value.cls if type(value) is OfClass else type(value)


def class_name(cls: type) -> str:
    module, name = _module(cls), exact(_qualname(cls))
    return name if type(module) is not str or module in ("builtins", "__main__") else f"{module}.{name}"


def is_function(value: Any) -> bool:
    """Whether it is a function of Python, or of Cython, which looks like one."""
    cls = type(value)
    if cls is types.FunctionType:
        return True
    is_compiled = type(_dict_of_class(cls).get("__code__")) is types.GetSetDescriptorType
    return is_compiled and exact(_name(cls)) == "cython_function_or_method"


def is_array(value: object) -> bool:
    """Whether it is numpy's own array, and not something that only says so."""
    numpy = sys.modules.get("numpy")
    return type(numpy) is types.ModuleType and type(value) is numpy.__dict__.get("ndarray")


def is_plain(value: object) -> bool:
    """A value or container of an exact builtin class."""
    return is_exactly(value, _PLAIN + _CONTAINERS)


def own_attributes(value: object) -> dict[str, Any]:
    """The instance's `__dict__` if it is a real one, else nothing."""
    if is_a(value, type):
        return {}
    defining = (_dict_of_class(base) for base in _mro(type(value)))
    slot = next((found["__dict__"] for found in defining if "__dict__" in found), None)
    # A class may define a property of that name, which would be its code.
    # Modules have a member there, other objects a getset.
    if slot is None or not is_exactly(slot, (types.GetSetDescriptorType, types.MemberDescriptorType)):
        return {}
    try:
        found = slot.__get__(value)
    except Exception:  # an extension's class may refuse
        return {}
    return named(found) if type(found) is dict else {}


def class_attributes(cls: type) -> dict[str, Any]:
    """Everything that the class and its bases define, nearest first."""
    nearest, *others = _mro(cls) or (object,)
    merged = named(_dict_of_class(nearest))
    for base in others:
        for name, value in named(_dict_of_class(base)).items():
            merged.setdefault(name, value)
    return merged


def named(attributes: Any) -> dict[str, Any]:
    """A copy with those keys that are text, of a dict or of a class's."""
    # A key of a subclass of str would run its own __eq__ in the next dict; `list` because others may add names.
    if are_texts(list(attributes)):
        return attributes.copy()  # type: ignore[no-any-return]
    return {name: value for name, value in list(attributes.items()) if type(name) is str}


def are_texts(keys: list[Any]) -> bool:
    """Whether they are plain text, all of them. In a loop of its own: this is asked of thousands for each answer."""
    for key in keys:  # noqa: SIM110 (all() takes three times as long)
        if type(key) is not str:
            return False
    return True


def attributes(value: object) -> dict[str, Any]:
    """Name → stored object: instance attributes before those of the class; descriptors unevaluated."""
    if is_a(value, types.ModuleType):
        return own_attributes(value)
    if is_a(value, type):
        return {**class_attributes(type(value)), **class_attributes(value)}  # type: ignore[arg-type]
    found = own_attributes(value)
    return {**found, **class_attributes(type(value)), **found}  # its own in front; a loop takes three times as long


def shape(value: object) -> str:
    """`(1000, 3)` for arrays and frames, the length for exact containers, else empty."""
    if is_exactly(value, (str, bytes, *_CONTAINERS)):
        return str(len(value))  # type: ignore[arg-type]
    if is_array(value):
        return str(value.shape)  # type: ignore[attr-defined]
    return ""


def preview(value: object, limit: int = MAX_PREVIEW) -> str:
    """A line that describes the value; only exact builtin values are shown themselves."""
    text = _preview(value, 2)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _preview(value: object, depth: int) -> str:
    if is_exactly(value, (str, bytes)):
        return repr(value[:MAX_PREVIEW])  # type: ignore[index]
    if type(value) is int and value.bit_length() > 1000:
        return f"<int of {value.bit_length()} bits>"
    if is_exactly(value, _PLAIN):
        return repr(value)
    if is_exactly(value, _CONTAINERS) and depth:
        return _preview_items(value, depth)
    if type(value) is types.FunctionType:
        return f"<function {exact(value.__name__)}>"
    return f"<{type_name(value)}>"


def _preview_items(value: Any, depth: int) -> str:
    kind = type(value)
    try:
        first = [item for item, _ in zip(value.items() if kind is dict else value, range(8))]
    except RuntimeError:  # another thread changes it at this moment
        return f"<{type_name(value)} of {len(value)}>"
    if kind is dict:
        parts = [f"{_preview(k, depth - 1)}: {_preview(v, depth - 1)}" for k, v in first]
    else:
        parts = [_preview(item, depth - 1) for item in first]
    if len(value) > len(first):
        parts.append("…")
    elif kind is tuple and len(parts) == 1:
        parts.append("")
    return _brackets(kind, ", ".join(parts).rstrip(" "))


def _brackets(kind: type, inside: str) -> str:
    if kind is list:
        return f"[{inside}]"
    if kind is tuple:
        return f"({inside})"
    if kind is frozenset or (kind is set and not inside):
        return f"{kind.__name__}({f'{{{inside}}}' if inside else ''})"
    return f"{{{inside}}}"
