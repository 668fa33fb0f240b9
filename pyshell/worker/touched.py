"""Which names a cell can have touched, read off its code and off what was saved before. Pure.

Runs in: worker, on its main thread.

A cell reaches values by the names in its code, and by those in the code of functions that these values hold, and so on.
What it can do besides (a thread, a callback that a library keeps, a weak reference) is not seen here: whatever hints at
that means *everything*, and the audit, which saves everything when the session is idle, finds the rest.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Collection, Iterable, Iterator

from pyshell.frozen import dataclass
from pyshell.store import Missing

ESCAPES = frozenset(
    {
        "exec", "eval", "compile", "globals", "locals", "vars", "breakpoint", "set_trace", "pdb", "__import__",
        "__main__", "importlib", "runpy", "inspect", "gc", "ctypes", "weakref", "modules", "_getframe",
        "_current_frames", "currentframe", "settrace", "setprofile", "__globals__", "__dict__", "__closure__",
        "__builtins__", "__subclasses__", "__self__", "__wrapped__", "tb_frame", "f_globals", "f_locals", "f_back",
        "gi_frame", "cr_frame", "displayhook", "excepthook", "In", "Out",
    }
)  # fmt: skip
"""Names by which code gets at values that it does not name."""


def names_in(code: types.CodeType) -> set[str]:
    """All names that a piece of code and the code inside of it look up; names of attributes are among them."""
    return {name for part in parts_of(code) for name in part.co_names}


def parts_of(code: types.CodeType) -> Iterator[types.CodeType]:
    """A piece of code and the code inside of it."""
    waiting = [code]
    while waiting:
        current = waiting.pop()
        yield current
        waiting += [constant for constant in current.co_consts if type(constant) is types.CodeType]


@dataclass(frozen=True)
class KnownGroup:
    """A group of the last committed checkpoint, as far as the worker needs to know it."""

    id: str
    names: tuple[str, ...]
    uses: frozenset[str]
    """Names that its functions look up, and definitions that it refers to."""
    references: frozenset[str]
    """Only the latter."""
    is_opaque: bool = False
    """Whether it holds a value that could not be saved, which may hold on to anything."""


class Known:
    """What the last committed checkpoint holds: the groups, and the names that could not be saved."""

    def __init__(self, groups: Iterable[KnownGroup], lost: Iterable[str]) -> None:
        self.lost = set(lost)
        self.missing: tuple[Missing, ...] = ()
        """What the checkpoint says of those, and of parts of values that could not be saved."""
        self._home: dict[str, KnownGroup] = {}
        self._users: dict[str, set[str]] = {}
        """A definition -> names of the groups that refer to it."""
        for group in groups:
            self._add(group)

    def _add(self, group: KnownGroup) -> None:
        self._home.update(dict.fromkeys(group.names, group))
        for name in group.references:
            self._users.setdefault(name, set()).add(group.names[0])

    def replace(self, touched: Collection[str], groups: Iterable[KnownGroup], lost: Iterable[str]) -> None:
        """The touched names have been saved anew."""
        for group in self.groups_of(touched):
            for name in group.names:
                del self._home[name]
            for name in group.references:
                self._users[name].discard(group.names[0])
        self.lost = {name for name in self.lost if name not in touched} | set(lost)
        for group in groups:
            self._add(group)

    def groups_of(self, names: Iterable[str]) -> list[KnownGroup]:
        """The groups that bind these names, each once."""
        found = [self._home[name] for name in names if name in self._home]
        return list({group.names[0]: group for group in found}.values())

    def besides(self, names: Collection[str]) -> list[KnownGroup]:
        """The groups that bind none of these names."""
        return [group for group in self.groups_of(self._home) if not any(name in names for name in group.names)]

    def has(self, name: str) -> bool:
        """Whether the checkpoint knows of that name, saved or not."""
        return name in self._home or name in self.lost

    def referred(self, touched: Collection[str]) -> set[str]:
        """Those of the touched names that groups refer to which are not touched."""
        return {name for name in touched if any(user not in touched for user in self._users.get(name, ()))}

    def users_of(self, names: Iterable[str]) -> set[str]:
        """A name of each group that refers to one of these definitions."""
        return {user for name in names for user in self._users.get(name, ())}

    def closure(
        self, names: Iterable[str], rebound: Collection[str], uses_of: Callable[[str], Iterable[str]]
    ) -> set[str] | None:
        """All names that code with these names can have reached; None: any.

        `rebound` are those that mean another value than before, or none: what refers to them is touched, too.
        `uses_of` says what a name uses that no checkpoint knows yet.
        """
        waiting = {*names, *rebound, *self.users_of(rebound)}
        reached: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name in ESCAPES or (name in self.lost and name not in rebound):
                return None  # what cannot be saved (a generator, a thread) may hold on to anything
            reached.add(name)
            group = self._home.get(name)
            if group is not None and group.is_opaque and name not in rebound:
                return None
            uses = {*group.uses, *group.names} if group is not None else uses_of(name)
            waiting.update(use for use in uses if use not in reached)
        return reached


def uses_of(value: object) -> Iterator[str]:
    """Names that a function or the functions of a class look up."""
    if type(value) is types.FunctionType:
        yield from names_in(value.__code__)
    elif issubclass(type(value), type):
        for part in list(type.__dict__["__dict__"].__get__(value).values()):
            if type(part) in _OF_CLASSES:
                yield from uses_of(part)
    elif type(value) in (staticmethod, classmethod):
        yield from uses_of(value.__func__)  # type: ignore[attr-defined]
    elif type(value) is property:
        for function in (value.fget, value.fset, value.fdel):
            yield from uses_of(function)


_OF_CLASSES = (types.FunctionType, staticmethod, classmethod, property)
