"""Write the annotations and default values of a signature as `inspect` would, without running any code of theirs.

Runs in: worker, on its RPC thread.

`repr` of a generic alias asks the metaclasses of all classes in it; so the parts of those that the standard library
has are put together here, and of all others only the type is said.
"""

from __future__ import annotations

import re
import sys
import types
from typing import Any

from pyshell.worker.introspection.arrays import is_number
from pyshell.worker.looking import UNKNOWN, class_name, exact, is_a, is_exactly, own_attributes, preview

MAX_DEPTH = 5
MAX_ARGUMENTS = 30
MAX_DEFAULT = 400
_origin = types.GenericAlias.__dict__["__origin__"].__get__
_args = types.GenericAlias.__dict__["__args__"].__get__
_args_of_union = types.UnionType.__dict__["__args__"].__get__


def default_text(value: object) -> str:
    """A default as `repr` shows it, where that is known without asking the value; else its type."""
    if is_a(value, type):
        return f"<class '{_full_name(value)}'>"  # type: ignore[arg-type]
    if type(value) is types.BuiltinFunctionType and is_exactly(value.__self__, (types.ModuleType, type(None))):
        return f"<built-in function {value.__name__}>"
    return repr(value) if is_number(value) else preview(value, MAX_DEFAULT)


def annotation_text(value: Any) -> str:
    """An annotation as `inspect.signature` shows it."""
    text = _text(value, MAX_DEPTH)
    if _typing_class(value) or (is_a(value, type) and class_name(value).startswith("typing.")):
        return re.sub(r"\btyping\.", "", text)  # as inspect does, where the outermost one comes from there
    return text


def _text(value: Any, depth: int) -> str:
    kind = type(value)
    if value is None or value is type(None):
        return "None"
    if value is ...:
        return "..."
    if kind is str:
        return repr(value[:400])
    if is_a(value, type):
        return _full_name(value)
    if not depth:
        return "…"
    if kind is list:
        return f"[{_join(value, depth)}]"
    if is_a(value, types.GenericAlias):
        return _alias(_text(_origin(value), depth), _origin(value), _args(value), depth)
    if kind is types.UnionType:
        return _join(_args_of_union(value), depth, " | ")
    return _of_typing(value, depth) if _typing_class(value) else preview(value)


def _full_name(cls: type) -> str:
    name = class_name(cls)
    return "ellipsis" if cls is type(...) else name


def _join(values: Any, depth: int, separator: str = ", ") -> str:
    return separator.join([_text(value, depth - 1) for value in values[:MAX_ARGUMENTS]])


def _alias(name: str, origin: Any, arguments: Any, depth: int) -> str:
    if not is_exactly(arguments, (tuple,)):
        return name
    if is_a(origin, type) and class_name(origin) == "collections.abc.Callable" and len(arguments) > 1:
        inside = _join(arguments[:-1], depth)
        shown = inside if arguments[0] is ... else f"[{inside}]"
        return f"{name}[{shown}, {_text(arguments[-1], depth - 1)}]"
    return f"{name}[{_join(arguments, depth)}]"


def _typing_class(value: object) -> str:
    """The name of the value's class if that is one of the module `typing`."""
    typing = sys.modules.get("typing")
    name = exact(type.__dict__["__name__"].__get__(type(value)))
    known = typing.__dict__.get(name) if type(typing) is types.ModuleType else None
    return name if known is type(value) else ""


def _of_typing(value: Any, depth: int) -> str:
    kind, own = _typing_class(value), own_attributes(value)
    if kind == "ForwardRef":
        return f"ForwardRef({_text(_slot(value, '__forward_arg__'), depth)})"
    if kind in ("TypeVar", "ParamSpec", "TypeVarTuple"):
        name = own.get("__name__") or _slot(value, "__name__")
        return ("~" if kind != "TypeVarTuple" else "") + name if type(name) is str else preview(value)
    name = own.get("_name") or _slot(value, "_name")
    origin, arguments = own.get("__origin__"), own.get("__args__", ())
    full = f"typing.{name}" if type(name) is str else _text(origin, depth) if is_a(origin, type) else f"typing.{kind}"
    if type(arguments) is not tuple or not arguments:
        return full
    if kind == "_UnionGenericAlias":
        return _union(arguments, depth)
    if kind == "_LiteralGenericAlias":
        return f"typing.Literal[{', '.join([preview(argument) for argument in arguments[:MAX_ARGUMENTS]])}]"
    if kind == "_AnnotatedAlias":
        notes = own.get("__metadata__", ())
        shown = [preview(note) for note in notes[:MAX_ARGUMENTS]] if type(notes) is tuple else []
        return f"typing.Annotated[{', '.join([_text(origin, depth - 1), *shown])}]"
    return _alias(full, origin, arguments, depth)


def _union(arguments: Any, depth: int) -> str:
    if len(arguments) == 2 and type(None) in [argument for argument in arguments if argument is type(None)]:
        inner = next(argument for argument in arguments if argument is not type(None))
        return f"typing.Optional[{_text(inner, depth - 1)}]"
    return f"typing.Union[{_join(arguments, depth).replace('None', 'NoneType')}]"


def _slot(value: object, name: str) -> Any:
    """What lies in a slot of an object of `typing`."""
    found = type.__dict__["__dict__"].__get__(type(value)).get(name)
    if not is_exactly(found, (types.MemberDescriptorType, types.GetSetDescriptorType)):
        return UNKNOWN
    try:
        return found.__get__(value)
    except AttributeError:
        return UNKNOWN
