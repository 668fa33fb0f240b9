"""How an object is called: its parameters, without asking it for its `__signature__`.

Runs in: worker, on any thread.
"""

from __future__ import annotations

import functools
import types
from inspect import CO_VARARGS, CO_VARKEYWORDS
from typing import Any

from pyshell.typed.signatures import keywords_in, name_of, split
from pyshell.worker.introspection.following import inherited
from pyshell.worker.introspection.resolving import undecorated
from pyshell.worker.looking import OfClass, exact, is_a, is_exactly, preview

MAX_SIGNATURE = 200
_NATIVE = (
    types.BuiltinFunctionType, types.MethodDescriptorType, types.WrapperDescriptorType, types.MethodWrapperType,
    types.ClassMethodDescriptorType,
)  # fmt: skip
_UNBOUND = (types.MethodDescriptorType, types.WrapperDescriptorType)
_text_of_class = type.__dict__["__text_signature__"].__get__
_object_init, _object_new = object.__init__, object.__new__


def signature(value: object, is_bound: bool = False) -> str:
    """`(a, b=1)` in one line; empty where nothing is known. `is_bound`: the first one is filled in."""
    found = parameters(value, is_bound)
    if found is None:
        return ""
    text = f"({', '.join(found)})"
    return text if len(text) <= MAX_SIGNATURE else text[: MAX_SIGNATURE - 2] + "…)"


def keywords(value: object) -> list[str]:
    """The names of the parameters that can be given by keyword."""
    return keywords_in(parameters(value) or [])


def parameters(value: object, is_bound: bool = False) -> list[str] | None:
    """As they are written in a definition, with `/` and `*`; None if they are not known."""
    if is_a(value, type):
        return _of_class(value)  # type: ignore[arg-type]
    if type(value) is OfClass:
        return parameters(inherited(value.cls, "__call__"), is_bound=True)
    is_bound = is_bound or type(value) is types.MethodType or type(value) is classmethod
    inner = undecorated(value)
    if type(inner) is types.FunctionType:
        found = _of_function(inner)
        found = _without_first(found) if is_bound else found
        return _left_over(value, found) if type(value) is functools.partial else found
    if is_exactly(inner, _NATIVE):
        text = inner.__text_signature__
        is_filled = is_bound or not is_exactly(inner, _UNBOUND)
        return _of_text(text, is_filled) if type(text) is str else None
    if is_a(inner, type) and inner is not value:
        return _of_class(inner)
    call = inherited(type(inner), "__call__")
    return _without_first(_of_function(call)) if type(call) is types.FunctionType else None


def _of_class(cls: type) -> list[str] | None:
    """Of the `__init__` or `__new__` that it has; of a native class what its documentation says."""
    if inherited(type(cls), "__call__") is not type.__dict__["__call__"]:
        return None  # its metaclass says what a call does
    for name, plain in (("__init__", _object_init), ("__new__", _object_new)):
        found = inherited(cls, name)
        if found is plain:
            continue
        inner = undecorated(found)
        if type(inner) is types.FunctionType:
            return _without_first(_of_function(inner))
        if name == "__new__" or is_exactly(inner, _NATIVE):
            break
    text = _text_of_class(cls)
    return _of_text(text, True) if type(text) is str else None


def _without_first(found: list[str]) -> list[str]:
    if not found or found[0].startswith("*"):
        return found
    return found[2:] if found[1:2] == ["/"] else found[1:]


def _left_over(value: Any, found: list[str]) -> list[str]:
    """Without what a partial has filled in."""
    given = value.keywords if type(value.keywords) is dict else {}
    filled = {name for name in list(given) if type(name) is str}
    count = len(value.args) if type(value.args) is tuple else 0
    positional = [text for text in found if not text.startswith("*") and text != "/"][:count]
    return [text for text in found if text not in positional and name_of(text) not in filled]


def _of_function(function: types.FunctionType) -> list[str]:
    """Off the code object."""
    code = function.__code__
    names = [exact(name) for name in code.co_varnames]
    count, only_count = code.co_argcount, code.co_kwonlyargcount
    defaults = function.__defaults__ if type(function.__defaults__) is tuple else ()
    shown = names[: count - len(defaults)]
    shown += [f"{name}={preview(value)}" for name, value in zip(names[count - len(defaults) : count], defaults)]
    if code.co_posonlyargcount:
        shown.insert(code.co_posonlyargcount, "/")
    following = count + only_count
    if code.co_flags & CO_VARARGS:
        shown.append("*" + names[following])
        following += 1
    elif only_count:
        shown.append("*")
    only = function.__kwdefaults__ if type(function.__kwdefaults__) is dict else {}
    shown += [f"{n}={preview(only[n])}" if n in only else n for n in names[count : count + only_count]]
    return [*shown, "**" + names[following]] if code.co_flags & CO_VARKEYWORDS else shown


def _of_text(text: str, is_bound: bool) -> list[str]:
    """What starts with `$` is filled in."""
    shown = split(text)
    if not shown or not shown[0].startswith("$"):
        return shown
    return _without_first(shown) if is_bound else [shown[0][1:], *shown[1:]]
