"""Complete names, attributes, keys, keywords, modules and paths from what is there, without running any of its code.

Runs in: worker, on its RPC thread, also while a cell runs.

An answer comes in any case: each part has a limit, and what takes too long is left out.
"""

from __future__ import annotations

import builtins
import keyword
import time
import types
import weakref
from collections.abc import Callable, Collection, Mapping
from functools import cache
from typing import Any, NamedTuple

from pyshell.protocol import MAX_MATCHES, Completions, Match
from pyshell.typed.cursor import Asked, asked
from pyshell.typed.ranking import ranked
from pyshell.worker.introspection import finding, keys
from pyshell.worker.introspection.calling import keywords, signature
from pyshell.worker.introspection.following import inherited
from pyshell.worker.introspection.resolving import members, resolve
from pyshell.worker.looking import (
    UNKNOWN,
    OfClass,
    class_name,
    is_a,
    is_exactly,
    is_in_c,
    named,
    own_attributes,
    type_of,
)

SECONDS = 0.1
"""What looking into the file system may take of the time that the host waits."""
SIGNATURE_SECONDS = 0.02
_FIRST = ("param", "key")
"""What is meant where it fits: these come before names."""
_FUNCTIONS = (
    types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.MethodDescriptorType,
    types.WrapperDescriptorType, types.ClassMethodDescriptorType, staticmethod, classmethod,
)  # fmt: skip


class Found(NamedTuple):
    """A candidate that is no object of the user's."""

    kind: str
    type: str = ""
    signature: str = ""


_WORDS = dict.fromkeys(keyword.kwlist, Found("keyword"))


def complete(variables: dict[str, Any], code: str, cursor_pos: int) -> Completions:
    """What could stand at `code[cursor_pos]`, best first; private names last, or only when asked for with `_`."""
    cursor_pos = min(max(cursor_pos, 0), len(code))
    try:
        return _complete(variables, code, cursor_pos)
    except Exception:  # a namespace that changes under our hands, or a class that lies: no answer is an answer, too
        return Completions((), cursor_pos, cursor_pos, "live")


def _complete(variables: dict[str, Any], code: str, cursor_pos: int) -> Completions:
    what = asked(code, cursor_pos)
    if what.kind == "attribute":
        owner = UNKNOWN if _is_hidden(what, what.target) else resolve(variables, what.target)
        attributes = {} if owner is UNKNOWN else members(owner)
        found = _matches(attributes, ranked(attributes, what.prefix, MAX_MATCHES), _filled(owner))
        return Completions(found, what.start, cursor_pos, "live")
    candidates = _CANDIDATES[what.kind](variables, what)
    first: Collection[str] = ()
    if what.kind == "key" or what.call is not None:  # else there is none
        first = {name for name, value in candidates.items() if type(value) is Found and value.kind in _FIRST}
    names = ranked(candidates, what.prefix, MAX_MATCHES, first)
    if what.kind in ("name", "key") and not what.prefix:  # everything fits: what was made here first
        own = {name for name in list(variables) if type(name) is str} | {*what.bound, *first}
        mine = ranked([name for name in candidates if name in own], "", MAX_MATCHES, first)
        names = (mine + [name for name in names if name not in own])[:MAX_MATCHES]
    return Completions(_matches(candidates, names, _filled(UNKNOWN)), what.start, cursor_pos, "live")


# --- what there is, by what is asked for ----------------------------------------------------------------------------


def _names(variables: dict[str, Any], what: Asked) -> dict[str, Any]:
    bound = {name: Found(kind) for name, kind in what.bound.items()}
    texts = named(variables)
    for name, value in {**bound, **_WORDS, **builtins.__dict__}.items():
        texts.setdefault(name, value)  # there are fewer of these
    if what.is_local:
        texts.update(bound)
    texts.update(_keywords(variables, what))
    return texts


def _keywords(variables: dict[str, Any], what: Asked) -> dict[str, Any]:
    """`name=` of the call that an argument is typed for."""
    if what.call is None or _is_hidden(what, what.call.function):
        return {}
    names = keywords(resolve(variables, what.call.function))
    return {f"{name}=": Found("param") for name in names if name not in what.call.given}


def _filled(owner: Any) -> Callable[[str, Any], bool]:
    """Tells whether what is stored under a name is called with its first parameter filled in, like a method."""
    is_instance = type(owner) is OfClass or not (owner is UNKNOWN or is_a(owner, type, types.ModuleType))
    own = cache(lambda: own_attributes(owner))  # not for every object of thousands: only functions are asked about

    def is_filled(name: str, stored: Any) -> bool:
        if is_exactly(stored, (staticmethod, classmethod)):
            return type(stored) is classmethod
        return is_instance and name not in own()

    return is_filled


def _is_hidden(what: Asked, chain: Any) -> bool:
    """Whether the text itself, inside of a function, means something else by that name."""
    return what.is_local and chain[0][0] == "name" and chain[0][1] in what.bound


def _keys(variables: dict[str, Any], what: Asked) -> dict[str, Any]:
    found = {} if _is_hidden(what, what.target) else keys.texts(variables, what.target, what.quote)
    typed = {text: Found("key", type_name) for text, type_name in found.items()}
    return typed if what.quote or what.prefix else {**_names(variables, what), **typed}


def _modules(_: dict[str, Any], what: Asked) -> dict[str, Any]:
    return dict.fromkeys(finding.modules(what.module, SECONDS), Found("module", "module"))


def _members(_: dict[str, Any], what: Asked) -> dict[str, Any]:
    modules, names = finding.members(what.module, SECONDS)
    unknown = {name: Found("instance") for name, value in names.items() if value is None}
    return {**dict.fromkeys(modules, Found("module", "module")), **names, **unknown}


def _paths(_: dict[str, Any], what: Asked) -> dict[str, Any]:
    found = finding.files(what.module, SECONDS)
    hidden = what.prefix.startswith(".")
    # Not those that only have the letters: most strings are no paths.
    begin = {name: kind for name, kind in found.items() if name.lower().startswith(what.prefix.lower())}
    return {name: Found("path", kind) for name, kind in begin.items() if hidden or not name.startswith(".")}


def _commands(_: dict[str, Any], what: Asked) -> dict[str, Any]:
    from pyshell.worker.commands.table import COMMANDS  # late: most sessions have no command

    lines = {f"%{name}": command.help for name, command in COMMANDS.items() if command.is_line}
    cells = {f"%%{name}": command.help for name, command in COMMANDS.items() if command.is_cell}
    found = {**({} if what.prefix.startswith("%%") else lines), **(cells if what.is_first else {})}
    return {text: Found("command", "", help_text) for text, help_text in found.items()}


def _words(_: dict[str, Any], what: Asked) -> dict[str, Any]:
    return dict.fromkeys(what.words, Found("keyword"))


def _nothing(_: dict[str, Any], __: Asked) -> dict[str, Any]:
    return {}


_CANDIDATES: Mapping[str, Callable[[dict[str, Any], Asked], dict[str, Any]]] = {
    "name": _names,
    "key": _keys,
    "module": _modules,
    "member": _members,
    "command": _commands,
    "path": _paths,
    "word": _words,
    "nothing": _nothing,
}


# --- how it is shown ------------------------------------------------------------------------------------------------


def _matches(candidates: dict[str, Any], names: list[str], is_filled: Callable[[str, Any], bool]) -> tuple[Match, ...]:
    deadline = time.perf_counter() + SIGNATURE_SECONDS
    described: dict[int, tuple[str, str]] = {}
    """By the id of the class: a class as a key would be asked for its hash."""
    matches = []
    for name in names:
        value = candidates[name]
        if type(value) is Found:
            matches.append(Match(name, *value))
            continue
        cls = type_of(value)
        kind, shown = described.get(id(cls)) or described.setdefault(id(cls), (kind_of(value), class_name(cls)))
        is_signed = kind in ("function", "class") and time.perf_counter() < deadline
        matches.append(Match(name, kind, shown, signature(value, is_filled(name, value)) if is_signed else ""))
    return tuple(matches)


def kind_of(value: Any) -> str:
    """`module class function property instance`."""
    if type(value) is OfClass:
        return "instance"
    if is_a(value, types.ModuleType):
        return "module"
    if is_a(value, type):
        return "class"
    if is_exactly(value, _FUNCTIONS) or is_called_in_c(type(value)):
        return "function"
    return "property" if is_a(value, property) else "instance"


def is_called_in_c(cls: type) -> bool:
    """Whether a library made the class of its own functions: numpy's, Cython's, a partial."""
    return is_in_c(cls) and cls is not weakref.ref and inherited(cls, "__call__") is not UNKNOWN
