"""Which groups of a checkpoint a new worker may load after its first cells. Pure but for looking at classes.

Runs in: worker, on its main thread.

Only data, only where it is large, and only what runs no code of the session's while it comes back: that code would see
names that are not there yet.
"""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from typing import Any

from pyshell.store import Group
from pyshell.store.likeness import is_output
from pyshell.worker.checkpoints.remaking import is_foreign
from pyshell.worker.kinds import SESSION, home_of, mro_of, static_dict

AT_ONCE = 4 << 20
"""Bytes of pickles that are loaded before the first cell, the small ones first: some tens of milliseconds."""

_OF_LAYOUT = frozenset(map(id, (types.GetSetDescriptorType, type(None))))
_HOOKS = frozenset(
    {
        "__reduce__", "__reduce_ex__", "__setstate__", "__new__", "__getattr__", "__getattribute__", "__setattr__",
        "__setitem__", "__missing__", "__slots__", "append", "extend", "add", "update",
    }
)  # fmt: skip
"""What an unpickler may call of a class of the session, or what that leads to. `__hash__` is looked at besides."""


def can_wait(groups: Sequence[Group], namespace: Mapping[str, Any]) -> list[Group]:
    """Those of the data's groups that can be loaded later, in the order in which to do so: small and recent first.

    `groups` are in the order in which they are loaded at once; definitions and modules are in the namespace already.
    """
    if sum(map(_stream_size, groups)) <= AT_ONCE or any(_has_last_words(value) for value in list(namespace.values())):
        return []
    # Session code that runs while a value comes back finds all that was bound before it, as without any of this.
    calling = [number for number, group in enumerate(groups) if _may_call(group, namespace)]
    named = {name for group in groups for name in group.references}
    after = groups[max(calling, default=-1) + 1 :]
    waiting = [group for group in after if _is_plain(group) and named.isdisjoint(group.names)]
    waiting.sort(key=lambda group: (_stream_size(group), -max(binding.order for binding in group.bindings)))
    room = AT_ONCE
    while waiting and (room := room - _stream_size(waiting[0])) >= 0:
        del waiting[0]
    return waiting


def _stream_size(group: Group) -> int:
    return group.size - sum([buffer.size for buffer in group.buffers])


def _is_plain(group: Group) -> bool:
    # What begins with an underscore and is no result is for somebody who looks for it without naming it.
    return all(name[:1] != "_" or (is_output(name) and name != "_resume") for name in group.names)


def _may_call(group: Group, namespace: Mapping[str, Any]) -> bool:
    """Whether code of the session may run while this comes back."""
    if group.codec != "pickle" or is_foreign(group):
        return True
    return not all(_is_quiet(namespace.get(name)) for name in group.references)


def _is_quiet(cls: object) -> bool:
    """Whether instances of this class are made and filled by C code alone."""
    if type(cls) is not type:
        return False
    for base in mro_of(cls):
        content = static_dict(base)
        if home_of(base) == "builtins":
            continue
        if home_of(base) != SESSION or any(name in content for name in _HOOKS):
            return False
        # A class's own hash is asked for where its instances are keys; nearly every class has a `__dict__`.
        if content.get("__hash__") is not None or id(type(content.get("__dict__"))) not in _OF_LAYOUT:
            return False
    return True


def _has_last_words(value: object) -> bool:
    """Whether code of the session runs at a moment that nobody chooses."""
    return issubclass(type(value), type) and any(
        home_of(base) == SESSION and "__del__" in static_dict(base) for base in mro_of(value)
    )
