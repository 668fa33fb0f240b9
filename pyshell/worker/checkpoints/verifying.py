"""Save a restored checkpoint again and compare: whether what is saved can be loaded, and is then what was saved.

Runs in: a scratch worker, and children that it forks.

The same bytes mean the same value. Other bytes need not mean another one: a set that came back from a pickle may have
another order, equal strings may have become one, an array may have become a view of the buffer that was loaded. So of
what differs it is asked whether everything that was in it is there again.
"""

from __future__ import annotations

import pickletools
from collections.abc import Collection, Iterator
from typing import Any

from pyshell.blackbox import SAVING
from pyshell.errors import WorkerError
from pyshell.store import Group
from pyshell.worker.checkpoints.groups import Pickled, pickle_namespace
from pyshell.worker.checkpoints.scratch import ChildDied, Scratch, in_child
from pyshell.worker.pickles.limits import Limits
from pyshell.worker.pickles.pickling import Dumper, Snapshot, standard_streams

MAX_COMPARED = 64 << 20
"""Bytes of the largest pickle that is compared by its parts."""
ANOTHER = "it comes back, and is not what was saved"
Part = tuple[str, str]
"""An operation of the pickle's, and the repr of its argument."""
WAYS = {"'C'", "'F'", "'search'", "'match'", "'fullmatch'"}
"""How a value is made, where several ways make the same one: how an array lies in memory (one that came back as a view
says that by its strides), by which search a match is found again."""
AGAIN = "it comes back, and cannot be saved again"


def verify(scratch: Scratch) -> dict[str, Any]:
    """What came back and is not what was saved: names and reasons."""
    streams = standard_streams()
    crashed: set[str] = set()
    while True:
        scratch.box.drop_crumb(SAVING, "")
        try:
            return {"differing": in_child(lambda: _compare(scratch, streams, Limits(crashed=frozenset(crashed))))}
        except ChildDied as exc:
            culprit = scratch.box.crumb(SAVING)
            if not culprit or culprit in crashed:
                raise WorkerError(f"what came back could not be saved again to compare it: {exc}") from None
            crashed.add(culprit)


def _compare(scratch: Scratch, streams: dict[int, str], limits: Limits) -> list[tuple[str, str]]:
    snapshot = Snapshot(scratch.variables, scratch.hidden, streams)
    dumper = Dumper(snapshot, scratch.lent)
    saved = pickle_namespace(snapshot, dumper, limits, lambda name: scratch.box.drop_crumb(SAVING, name))
    reasons = {lost.name: f"{AGAIN}: {lost.reason}" for lost in saved.lost}
    now = {name: pickled for pickled in saved.groups for name in pickled.names}
    for group in scratch.store.groups(scratch.store.manifest(scratch.settings["checkpoint"])).values():
        names = [name for name in group.names if name in now]
        if names and (reason := _difference(scratch, group, now[names[0]])):
            reasons.update(dict.fromkeys(names, reason))
    return list(reasons.items())


def _difference(scratch: Scratch, group: Group, pickled: Pickled) -> str:
    if set(group.names) != set(pickled.names):
        others = sorted(set(group.names) ^ set(pickled.names))
        return f"{ANOTHER}: it shares values with {', '.join(others[:3])} only before or only after"
    if pickled.dump is None:
        return "" if group.bindings[0].type == pickled.module else f"{ANOTHER}, but {pickled.module}"
    buffers = zip(group.buffers, pickled.dump.buffers)
    if len(group.buffers) != len(pickled.dump.buffers) or not all(
        was.size == now.nbytes and scratch.store.read(was.chunks) == now for was, now in buffers
    ):
        return f"{ANOTHER}: its large buffers differ"
    was, now = bytes(scratch.store.read(group.stream)), bytes(pickled.dump.stream)
    if was == now:
        return ""
    if len(was) > MAX_COMPARED:
        return f"{ANOTHER}: it is too large to find out what has changed"
    # Not how often: a shared part is there once, and what has become a view tells its shape twice.
    again = set(_parts(now))
    lost = [part for part in _parts(was) if part not in again and part[1] not in WAYS]
    return f"{ANOTHER}: of its parts, {_shown(lost)} did not come back" if lost else ""


def _parts(stream: bytes) -> Iterator[Part]:
    """Everything that is made when the pickle is loaded, whatever the order, and shared or not."""
    memo: list[Part] = []
    last: Part = ("", "")
    for operation, argument, _ in pickletools.genops(stream):
        if operation.name == "MEMOIZE":
            memo.append(last)
        elif operation.name in ("BINGET", "LONG_BINGET"):
            yield memo[int(argument or 0)]
        elif operation.name not in ("FRAME", "PROTO"):
            last = (operation.name, "" if argument is None else repr(argument))
            yield last


def _shown(parts: Collection[Part]) -> str:
    """One that a person can do something with, if there is one."""
    return next((text[:60] for _, text in parts if text), "something without a value of its own")
