"""What a cell did: which names it made, changed and deleted, and what that took of memory.

Runs in: worker, on its main thread.

Looked at between the end of every cell and the word that it has ended, so it costs microseconds: bindings are compared
by `id` in C, and of containers that the cell's code names the length.
"""

from __future__ import annotations

import collections
import os
from collections.abc import Collection, Iterable
from contextlib import suppress

from pyshell.protocol import Changes
from pyshell.store.likeness import is_output
from pyshell.worker.bindings import Bindings, Bound
from pyshell.worker.looking import is_exactly

MAX_NAMES = 200
"""Names that one event lists of each kind."""
MAX_NAME = 200
_MUTABLE = (list, dict, set, bytearray, collections.deque, collections.defaultdict, collections.OrderedDict)


class ChangeWatch:
    """Owner: the main thread; others may read `last`."""

    def __init__(self, bindings: Bindings) -> None:
        self._bindings = bindings
        self._lengths: dict[str, int] = {}
        """Of the containers that cells have bound or named."""
        self._memory = 0
        self._so_far = Bound([], [], [])
        """What the cell had bound when it was looked at midway."""
        self.last: Collection[str] = ()
        """Names that the last cell has made or changed."""

    def begin(self) -> None:
        """A cell begins."""
        self._memory = memory_in_use()
        self._so_far = Bound([], [], [])

    def midway(self, cell: int) -> None:
        """Note what the cell has bound up to now, for a checkpoint in its middle."""
        self._so_far = _joined(self._so_far, self._bindings.note(cell))

    def end(self, cell: int, named: Collection[str] | None) -> Changes:
        """The cell has ended; `named` are the names in its code, None: they do not tell."""
        bound = _joined(self._so_far, self._bindings.note(cell))
        changed = [*bound.changed, *self._grown(bound, self._lengths if named is None else named)]
        self.last = frozenset([*bound.created, *changed])
        lists = [_told(names) for names in (bound.created, changed, bound.deleted)]
        more = sum([max(0, len(names) - MAX_NAMES) for names in lists])
        created, more_changed, deleted = [tuple(names[:MAX_NAMES]) for names in lists]
        return Changes(created, more_changed, deleted, more, self._memory, memory_in_use())

    def _grown(self, bound: Bound, named: Iterable[str]) -> list[str]:
        """Containers that are the same and have another length."""
        rebound = {*bound.created, *bound.changed}
        found = []
        for name in {*named, *rebound}:
            value = self._bindings.namespace.get(name)
            before = self._lengths.pop(name, None)
            if is_exactly(value, _MUTABLE):
                self._lengths[name] = len(value)  # type: ignore[arg-type]
                if before is not None and before != len(value) and name not in rebound:  # type: ignore[arg-type]
                    found.append(name)
        return found


def _joined(first: Bound, then: Bound) -> Bound:
    """What two parts of a cell bound, one after the other."""
    if not any(first):
        return then
    made, gone = {*first.created}, {*then.deleted}
    lost = {*first.deleted}
    created = [name for name in (*first.created, *then.created) if name not in gone | lost]
    changed = {*first.changed, *then.changed, *(lost & {*then.created})} - made - gone
    return Bound(created, sorted(changed), sorted((lost - {*then.created}) | (gone - made)))


def _told(names: Iterable[str]) -> list[str]:
    """Without the results' own names, which grow by one with each."""
    return [name[:MAX_NAME] for name in names if type(name) is str and not is_output(name)]


def memory_in_use() -> int:
    """Bytes of this process that are in memory; 0 where the system does not tell."""
    with suppress(OSError, ValueError, IndexError):
        # Opened each time: a number that is kept may be closed by the user's code, and mean something else then.
        fd = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return int(os.read(fd, 100).split()[1]) * _PAGE
        finally:
            os.close(fd)
    return 0


_PAGE = os.sysconf("SC_PAGE_SIZE")
