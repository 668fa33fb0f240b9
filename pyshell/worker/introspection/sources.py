"""Find the documentation, the place and the source of a function, class or module, without asking it.

Runs in: worker, on its RPC thread.
"""

from __future__ import annotations

import enum
import functools
import inspect
import linecache
import os
import re
import sys
import tokenize
import types
from typing import Any

from pyshell.worker.introspection.following import attribute, definition, stored
from pyshell.worker.introspection.signatures import IN_C, doc_by_class, doc_of_class, unwrapped
from pyshell.worker.kinds import SESSION, home_of, qualname_of
from pyshell.worker.looking import UNKNOWN, exact, is_a, is_exactly, is_function, is_in_c, own_attributes, type_of

MAX_DOC = 20_000
MAX_SOURCE = 100_000
MAX_LINES = 3000
"""Of one definition: to find its end takes a millisecond for each hundred lines."""
MAX_CUT = 100
MAX_STEPS = 20
"""How many partials and methods of methods are looked through."""
MAX_FILE = 4 << 20
"""A longer file is not read."""
_PROPERTIES = (
    property, functools.cached_property, types.GetSetDescriptorType, types.DynamicClassAttribute,
    getattr(enum, "property", types.DynamicClassAttribute),  # it has a class of its own from 3.11 on
)  # fmt: skip
_CELL = re.compile(r"<In\[\d+\]>")
_dict_of_class = type.__dict__["__dict__"].__get__
_mro = type.__dict__["__mro__"].__get__


# --- documentation ------------------------------------------------------------------------------------------------


def doc_of(value: Any) -> str:
    """As `inspect.getdoc` has it: cleaned, and inherited where a class or a method has none of its own."""
    for _ in range(MAX_STEPS):  # that of partial itself says nothing of this one
        value = value.func if type(value) is functools.partial else value
    doc = _own_doc(value)
    if doc is None:
        doc = _inherited_doc(value)
    return inspect.cleandoc(doc[:MAX_DOC]) if doc is not None else ""


def _own_doc(value: Any) -> str | None:
    for _ in range(MAX_STEPS):
        value = value.__func__ if type(value) is types.MethodType else value
    if is_a(value, type):
        return _text(doc_of_class(value))
    if is_exactly(value, (types.FunctionType, property, *IN_C)) or is_function(value):
        return _text(value.__doc__)
    own = _text(stored(own_attributes(value), "__doc__"))
    if own is not None or is_a(value, types.ModuleType):
        return own
    return _text(doc_by_class(value))


def _text(doc: object) -> str | None:
    return str.__str__(doc) if type(doc) is str else None


def _inherited_doc(value: Any) -> str | None:
    if is_a(value, type):
        bases = [doc_of_class(base) for base in _mro(value) if base is not object]
        return next((doc for doc in bases if type(doc) is str), None)
    if type(value) is types.MethodType:
        owner = value.__self__ if is_a(value.__self__, type) else type_of(value.__self__)
        name = exact(value.__func__.__name__) if type(value.__func__) is types.FunctionType else ""
    elif type(value) is types.FunctionType:
        path, _, name = exact(value.__qualname__).rpartition(".")
        owner = _class_at(value.__module__, path)
    else:
        return None
    if not is_a(owner, type):
        return None
    found = [stored(_dict_of_class(base), name) for base in _mro(owner)]
    found = [one.__func__ if is_exactly(one, (staticmethod, classmethod)) else one for one in found]
    docs = [_own_doc(one) for one in found if is_exactly(one, (types.FunctionType, property, *IN_C))]
    return next((doc for doc in docs if doc is not None), None)


def _class_at(module: object, path: str) -> Any:
    value: Any = sys.modules.get(module) if type(module) is str else None
    for name in path.split(".") if path else [""]:
        value = attribute(value, name) if value is not UNKNOWN and value is not None else UNKNOWN
    return value


# --- place and source ---------------------------------------------------------------------------------------------


def place_of(value: Any) -> tuple[str, int]:
    """File and line of a definition; a cell is called `<In[3]>`. Empty and 0 where there is none."""
    value = _definition_of(value)
    if type(value) is types.FunctionType:
        return _file_of(value), value.__code__.co_firstlineno
    if is_a(value, type):
        return _place_of_class(value)
    if is_a(value, types.ModuleType):
        file = stored(own_attributes(value), "__file__")
        return (file, 1) if type(file) is str else ("", 0)
    return "", 0


def _file_of(function: types.FunctionType) -> str:
    """Of what is frozen into the interpreter the file that it was made of."""
    file = exact(function.__code__.co_filename)
    if file.startswith("<frozen "):
        known = stored(function.__globals__, "__file__")
        return known if type(known) is str else file
    return file


def _definition_of(value: Any) -> Any:
    """What was written: the function of a method, of a partial, inside of decorators; the class of an instance."""
    for _ in range(MAX_STEPS):
        if is_exactly(value, (types.MethodType, staticmethod, classmethod)):
            value = value.__func__
        elif type(value) is functools.partial:
            value = value.func
        elif type(value) is property:
            value = value.fget
        elif (inner := unwrapped(value, wholly=True)) is not value:
            value = inner
        else:
            break
    if type(value) is types.FunctionType or is_a(value, type, types.ModuleType) or is_in_c(type(value)):
        return value
    return type(value)


def source_of(value: Any) -> str:
    """The lines of the definition; empty where they are not to be had."""
    value = _definition_of(value)
    file, line = place_of(value)
    lines = _lines(file)
    if is_a(value, types.ModuleType):
        return "".join(lines[:MAX_LINES])[:MAX_SOURCE]
    if not 0 < line <= len(lines):
        return ""
    lines = lines[line - 1 : line - 1 + MAX_LINES]
    try:
        return "".join(inspect.getblock(lines))[:MAX_SOURCE]
    except (SyntaxError, tokenize.TokenError):  # it was cut, or the file has changed since
        return "".join(lines[:MAX_CUT])[:MAX_SOURCE]


def _lines(file: str) -> list[str]:
    """Of a cell as it was typed, else of the file; not by linecache.getlines: it may ask a loader of the user's."""
    known = linecache.cache.get(file)
    if type(known) is tuple and len(known) == 4 and type(known[2]) is list:
        return list(known[2])
    if not file.endswith((".py", ".pyw")):
        return []
    try:
        if os.path.getsize(file) > MAX_FILE:
            return []
        with open(file, encoding="utf-8", errors="replace") as opened:
            return opened.readlines()
    except OSError:
        return []


def _place_of_class(cls: type) -> tuple[str, int]:
    """By what its methods say, then by the first line that says `class` and its name."""
    places = [place for value in list(_dict_of_class(cls).values()) if (place := _place_of_member(cls, value))]
    names = exact(qualname_of(cls)).split(".")
    pattern = re.compile(rf"^[ \t]*class[ \t]+{re.escape(names[-1])}\b")
    for file in dict.fromkeys([file for file, _ in places]) or _files_of(cls):
        lines = _lines(file)
        found = [number for number, line in enumerate(lines, 1) if pattern.match(line)]
        stated = stored(_dict_of_class(cls), "__firstlineno__")
        # Of a class without methods nothing tells the cell: it is none where no such class follows.
        if type(stated) is int and 0 < stated <= len(lines) and (places or found[-1:] >= [stated]):
            return file, stated
        before = min([line for place, line in places if place == file], default=len(lines))
        near = [number for number in found if number <= before]
        if found:
            newest = found[-1] if _CELL.fullmatch(file) else found[0]
            return file, _with_decorators(lines, near[-1] if near and places else newest)
    return "", 0


def _files_of(cls: type) -> list[str]:
    """Where a class without methods may have been written: the cells, the newest first, or its module's file."""
    home = home_of(cls)
    module = sys.modules.get(home) if home is not None else None
    cells = [name for name in list(linecache.cache) if type(name) is str and _CELL.fullmatch(name)]
    file = stored(own_attributes(module), "__file__")
    found = sorted(cells, key=_number, reverse=True) if home == SESSION else []
    return [*found, file] if type(file) is str else found


def _number(cell: str) -> int:
    return int(cell[4:-2])


def _with_decorators(lines: list[str], line: int) -> int:
    while line > 1 and lines[line - 2].lstrip().startswith("@"):
        line -= 1
    return line


def _place_of_member(cls: type, value: Any) -> tuple[str, int] | None:
    function: Any = value.fget if type(value) is property else value
    function = function.__func__ if is_exactly(function, (staticmethod, classmethod)) else function
    if type(function) is not types.FunctionType:
        return None
    # A dataclass has methods that were made, and a class may hold functions from elsewhere.
    is_own = exact(function.__qualname__).startswith(exact(qualname_of(cls)) + ".")
    file = _file_of(function)
    return (file, function.__code__.co_firstlineno) if is_own and file != "<string>" else None


def describe_property(value: Any, name: str) -> Any:
    """The property that the class of a value has under that name; UNKNOWN if it is none, or not a plain one."""
    found = definition(value, name)
    return found if is_exactly(found, _PROPERTIES) else UNKNOWN
