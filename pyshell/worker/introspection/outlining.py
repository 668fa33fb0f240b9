"""Describe the names of the namespace for the host, which answers when this process cannot.

Runs in: worker, on the thread that summing.py starts.
"""

from __future__ import annotations

import sys
from typing import Any

from pyshell.protocol import Family, Member, Outline
from pyshell.worker.introspection import keys
from pyshell.worker.introspection.calling import signature
from pyshell.worker.introspection.completion import kind_of
from pyshell.worker.introspection.resolving import members
from pyshell.worker.looking import (
    class_attributes,
    is_a,
    is_array,
    is_plain,
    own_attributes,
    preview,
    shape,
    type_name,
)

MAX_MEMBERS = 200
MAX_LENGTH = 100


def outline(name: str, value: Any) -> Outline:
    """One name, with what its value has of its own."""
    is_bare = is_plain(value) and type(value) is not dict  # most values of a large namespace
    kind = "instance" if is_bare else kind_of(value)
    text = signature(value) if kind in ("function", "class") else ""
    size = sys.getsizeof(value) if is_bare else _size(value)
    own = () if is_bare else _own(name, value, kind)
    return Outline(name, kind, _type_of(value), shape(value), size, preview(value), text, own)


def _type_of(value: Any) -> str:
    return type_name(value)[:MAX_LENGTH]


def _size(value: Any) -> int:
    if is_array(value):
        return int(value.nbytes)
    return sys.getsizeof(value) if is_plain(value) else 0


def family(value: Any) -> Family:
    """What the value's class gives to all its instances."""
    cls = type(value)
    return Family(_type_of(value), _listed(class_attributes(cls), is_filled=True))


def _own(name: str, value: Any, kind: str) -> tuple[Member, ...]:
    if kind in ("class", "module"):
        return _listed(members(value), is_filled=False)
    if kind == "function":
        return ()
    found = _listed(own_attributes(value) if not is_a(value, dict) else {}, is_filled=False)
    texts = [text for text in keys.texts({name: value}, (("name", name),), "") if len(text) <= MAX_LENGTH]
    return found + tuple([Member(text, "key", "") for text in texts[:MAX_MEMBERS]])


def _listed(attributes: dict[str, Any], is_filled: bool) -> tuple[Member, ...]:
    """Public names only: in an answer without the namespace nobody looks for others."""
    public = sorted([name for name in attributes if name[:1] != "_" and len(name) <= MAX_LENGTH])[:MAX_MEMBERS]
    found = []
    for name in public:
        kind = kind_of(attributes[name])
        text = signature(attributes[name], is_filled) if kind in ("function", "class") else ""
        found.append(Member(name, kind, text))
    return tuple(found)
