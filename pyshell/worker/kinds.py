"""What can be told of a value without asking it: its type, its place, whether it is a definition of the session.

Runs in: worker, and the forked child that saves.

`isinstance`, `getattr` and `==` ask the value or its metaclass, which may answer what they like, or crash.
"""

from __future__ import annotations

import functools
import sys
import types
import typing
from typing import Any

from pyshell.worker.pickles import rebuilding

SESSION = "__main__"

mro_of = type.__dict__["__mro__"].__get__
name_of = type.__dict__["__name__"].__get__
qualname_of = type.__dict__["__qualname__"].__get__
bases_of = type.__dict__["__bases__"].__get__
_module_of = type.__dict__["__module__"].__get__
static_dict = type.__dict__["__dict__"].__get__

CACHED = type(functools.lru_cache(len))
VARIABLES = tuple([
    getattr(typing, name) for name in ("TypeVar", "ParamSpec", "TypeVarTuple", "NewType") if hasattr(typing, name)
])
ALIAS = getattr(typing, "TypeAliasType", None)
SELF_NAMED = frozenset(map(id, (CACHED, ALIAS, *VARIABLES)))
"""Types of values that pickle by their own name in their module, as functions and classes do."""


TYPES = {id(value): name for name, value in vars(types).items() if type(value) is type}
"""Types that are found in `types` only: `function` says that it lies in `builtins`."""


def is_class(value: object) -> bool:
    return issubclass(type(value), type)


def home_of(cls: type) -> str | None:
    """`__module__` of a class, read without its metaclass; None where it is no plain text, which would run its code."""
    try:
        return _text(_module_of(cls))
    except AttributeError:  # somebody deleted it
        return None


def module_of(value: Any) -> str | None:
    """`__module__` of a function or class; None as above."""
    return home_of(value) if is_class(value) else _text(getattr(value, "__module__", None))


def _text(name: object) -> str | None:
    return name if type(name) is str else None


def is_definition(value: Any, namespace: dict[str, Any]) -> bool:
    """Whether a value that the namespace binds is saved as a record of its own."""
    kind = type(value)
    if kind is types.FunctionType:
        return value.__globals__ is namespace or module_of(value) == SESSION
    if is_class(value) or id(kind) in SELF_NAMED:
        return module_of(value) == SESSION
    return False


def walk(owner: Any, path: str) -> Any:
    """What lies at a dotted path in a class, or None."""
    try:
        return rebuilding.attribute(owner, path)
    except (rebuilding.DefinitionMissing, TypeError):
        return None


def is_importable(value: Any, module: object, qualname: str) -> bool:
    """Whether pickle's own way, by module and qualified name, finds this very value."""
    home = sys.modules.get(module) if type(module) is str else None
    if home is None or module == SESSION:
        return False
    found: Any = home
    try:
        for part in qualname.split("."):
            found = getattr(found, part)
    except AttributeError:
        return False
    return found is value
