"""Which names mean something else in another checkpoint. Reads, and loads nothing.

Runs in: host and worker (Python 3.10 and newer).

Equal groups have equal ids. But a cell that only shows a value binds `_` and `_7` to it, and names that share a value
are one pickle: the group is another one then, and nothing that the user cares for has changed. So two groups also count
as alike if their pickles are the same up to such names. They are pickled after all others (checkpoints/groups.py),
so what they add stands at the end. Large pickles are not compared in part: if they are not equal, they differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from pyshell.errors import StoreError
from pyshell.store.format import Group
from pyshell.store.reading import Reader

MAX_STREAM = 60_000
"""Bytes of the largest stream that is compared in part. Pickle cuts longer ones into frames, which get in the way."""
MAX_KEYS = 1000
"""Names of one group; pickle sets more of them in several batches."""

_OUTPUT = re.compile(r"_{1,3}|_\d+|_exit_code|_resume|__warningregistry__")
_HEAD = re.compile(rb"\x80\x05(?:\x95.{8})?\}\x94\(?", re.DOTALL)
"""PROTO 5, FRAME, EMPTY_DICT, MEMOIZE, and MARK if there are several names."""


def is_output(name: str) -> bool:
    """Whether no cell binds it: what cells show, how the last program ended, how far loops are, Python's own notes."""
    return _OUTPUT.fullmatch(name) is not None


def differing(store: Reader, first: Iterable[str], second: Iterable[str]) -> set[str]:
    """The names, those of outputs apart, that are not the same in two checkpoints with these group ids."""
    one, other = set(first), set(second)
    before, after = dict(_by_names(store, one - other)), dict(_by_names(store, other - one))
    found: set[str] = set()
    for names in before.keys() | after.keys():
        was, now = before.get(names), after.get(names)
        if was is None or now is None or not _are_alike(store, was, now):
            found |= names
    return found


def _by_names(store: Reader, keys: Iterable[str]) -> Iterator[tuple[frozenset[str], Group | None]]:
    for key in keys:
        try:
            group = store.group(key)
        except StoreError:
            yield frozenset({f"(group {key[:12]})"}), None  # damaged: what it was is not known
            continue
        names = frozenset(name for name in group.names if not is_output(name))
        if names:
            yield names, group


def _are_alike(store: Reader, one: Group, other: Group) -> bool:
    if (one.kind, one.codec, one.references, one.buffers) != (other.kind, other.codec, other.references, other.buffers):
        return False
    if one.stream == other.stream:
        return {b.name: b.type for b in one.bindings} == {b.name: b.type for b in other.bindings}
    outside = sum(buffer.size for buffer in one.buffers)
    if max(one.size, other.size) - outside > MAX_STREAM or max(len(one.names), len(other.names)) > MAX_KEYS:
        return False
    try:
        return _without_outputs(store, one) == _without_outputs(store, other)
    except (StoreError, ValueError, IndexError):  # not a pickle as ours are
        return False


def _without_outputs(store: Reader, group: Group) -> bytes:
    """The part of a group's pickle that holds the user's names; all of it if that cannot be told apart."""
    stream = store.read(group.stream)
    head = _HEAD.match(stream)
    count = sum(not is_output(name) for name in group.names)
    end = _key_at(stream, count) if count < len(group.names) else len(stream) - 2  # SETITEM or SETITEMS, and STOP
    return stream[head.end() : end] if head and end else stream


def _key_at(stream: bytes, number: int) -> int:
    """Where that key of the pickled dict begins, counted from 0; 0 if it is not found.

    Follows what lies on the unpickler's stack, as pickletools.dis does, and where the bytes of each thing begin. When
    the dict takes its items, they all lie there, on top of the dict and a mark.
    """
    import pickletools  # only who asks what has changed needs it, not every host and worker that starts

    mark = pickletools.markobject
    stack: list[tuple[object, int]] = []
    for operation, _, position in pickletools.genops(stream):
        taken = list(operation.stack_before)
        at = len(stack) - len(taken)
        if mark in taken:
            opened = max(index for index, (kind, _) in enumerate(stack) if kind is mark)
            if operation.name == "SETITEMS" and opened == 1:
                return stack[2 + 2 * number][1]
            at = opened - taken.index(mark)
        begin = stack[at][1] if at < len(stack) else position or 0
        stack[at:] = [(kind, begin) for kind in operation.stack_after]
    return 0
