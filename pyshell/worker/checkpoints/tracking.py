"""Keep account of large buffers: where each lay in memory when it was saved, and what was written to it since.

Runs in: worker, on its main thread; what it finds out goes to the child that saves (reusing.py).

An entry speaks of addresses, never of objects: "these bytes are what that chunk holds". So it does not matter who owns
the memory, or whether it was freed and given to somebody else in between, as long as the kernel says that nobody wrote.
Where the kernel does not say, an entry is a hint: the child compares.

A buffer is watched once it was saved twice and was mostly the same. To watch one costs whoever writes to it a fault for
every page, so what is written to all over is left alone, longer each time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Sequence

from pyshell.frozen import dataclass, field
from pyshell.store.layout import buffer_chunk_size
from pyshell.worker.checkpoints.pages import PAGE, OwnMemory, PageWatch, Span, has_pinned, join_pages, open_watch

SMALLEST = 1 << 20
"""Bytes of a buffer of which account is kept; smaller ones are hashed in a millisecond."""
MAX_WATCHED = 512
MAX_ASKED = 64
"""Buffers about which the kernel is asked after every cell: each question takes some microseconds."""
MAX_PATIENCE = 64
"""Saves during which a buffer must stay the same before it is watched, if it was written to all over so often."""

Key = tuple[int, int]
"""Address and size of a buffer."""

NOT_TRACKED = (
    "memory of a large array had changed although the kernel called it unchanged; it is saved now, and from here on "
    "large arrays are compared whole in this worker: saving them takes longer"
)


@dataclass(frozen=True)
class Spot:
    """Where a buffer that was just saved lay in memory."""

    key: Key
    names: tuple[str, ...]
    group: str
    number: int
    """Which of the group's buffers it is."""
    is_ours: bool
    """Whether its memory is Python's or numpy's own, in which nobody has a watch of his."""
    is_calm: bool
    """Whether most of it is what was saved before."""


@dataclass(frozen=True)
class Earlier:
    """What a buffer at these addresses held when it was saved last."""

    group: str
    number: int
    written: frozenset[int] | None
    """The chunks that may have changed since; None: it is not known, so compare."""


Seen = dict[Key, Earlier]


@dataclass
class _Entry:
    spot: Spot
    is_watched: bool = False
    written: set[int] | None = None
    """As in `Earlier`, up to the last look."""
    is_changed: bool = False
    """Whether a page was written that it has for itself: not only what a neighbour keeps in the first or last one."""
    calm: int = 0
    """So many saves in a row it was mostly the same."""
    patience: int = 1

    @property
    def span(self) -> Span:
        """The pages that hold it, neighbours in the first and the last included."""
        address, size = self.spot.key
        return address // PAGE * PAGE, -(-(address + size) // PAGE) * PAGE

    def note_written(self, spans: Sequence[Span]) -> None:
        """`spans` are in order and apart from each other."""
        if self.written is None:
            return
        address, size = self.spot.key
        step = buffer_chunk_size(size)
        own = -(-address // PAGE) * PAGE, (address + size) // PAGE * PAGE
        first = max(bisect_left(spans, (address, 0)) - 1, 0)
        for start, end in spans[first:]:
            if start >= address + size:
                break
            self.is_changed |= start < own[1] and end > own[0]
            if end > address:
                last = min(end, address + size) - 1
                self.written.update(range((max(start, address) - address) // step, (last - address) // step + 1))

    def forget(self) -> None:
        self.is_watched, self.written = False, None


@dataclass
class Tracking:
    """Owner: the main thread."""

    open_watch: Callable[[], PageWatch | None] = open_watch
    _watch: PageWatch | None = None
    _may_watch: bool = True
    _entries: dict[Key, _Entry] = field(default_factory=dict)

    def look(self, touched: Collection[str] | None) -> Seen:
        """What is known of the buffers under these names (None: all). Right before the fork.

        What is written from here on counts as written after the fork.
        """
        chosen = [entry for entry in self._entries.values() if touched is None or _is_any(entry.spot.names, touched)]
        if not chosen:
            return {}
        self._begin(chosen)
        self._ask([entry for entry in chosen if entry.is_watched])
        return {
            entry.spot.key: Earlier(
                entry.spot.group, entry.spot.number, None if entry.written is None else frozenset(entry.written)
            )
            for entry in chosen
        }

    def written(self) -> set[str]:
        """Names of watched buffers that were written to since they were saved, by whomever."""
        watched = [entry for entry in self._entries.values() if entry.is_watched][:MAX_ASKED]
        self._ask(watched)
        return {name for entry in watched if entry.is_changed for name in entry.spot.names}

    def hints(self, touched: Collection[str] | None) -> Seen:
        """What buffers under these names held when they were saved last, for who compares and relies on nothing."""
        chosen = [entry for entry in self._entries.values() if touched is None or _is_any(entry.spot.names, touched)]
        return {entry.spot.key: Earlier(entry.spot.group, entry.spot.number, None) for entry in chosen}

    def saved(self, touched: Collection[str] | None, spots: Iterable[Spot]) -> None:
        """The child has saved what was touched, and found these buffers; or they were loaded."""
        before, kept = self._entries, dict[Key, _Entry]()
        if touched is not None:
            kept = {key: entry for key, entry in before.items() if not _is_any(entry.spot.names, touched)}
        self._entries = kept
        for spot in spots:
            kept[spot.key] = _renewed(before.get(spot.key), spot)
        given_up = [entry.span for key, entry in kept.items() if not entry.is_watched and _was_watched(before, key)]
        if given_up:
            join_pages(given_up)

    def is_refuted(self, changed: Iterable[tuple[Key, int]]) -> bool:
        """Whether chunks that the last look called clean, and that were not, are none that a thread wrote meanwhile.

        Then the kernel is not asked again. Call it after `saved`.
        """
        suspects = [(self._entries[key], number) for key, number in changed if key in self._entries]
        self._ask([entry for entry, _ in suspects if entry.is_watched])
        if all(entry.written is None or number in entry.written for entry, number in suspects):
            return False
        self._give_up()
        return True

    # --- watching

    def _begin(self, chosen: Iterable[_Entry]) -> None:
        """Watch what may be and is worth it."""
        waiting = [e for e in chosen if not e.is_watched and e.spot.is_ours and e.calm >= e.patience]
        if not (self._may_watch and waiting) or has_pinned():
            return
        self._watch = self._watch or self.open_watch()
        self._may_watch = self._watch is not None
        room = MAX_WATCHED - sum(entry.is_watched for entry in self._entries.values())
        if self._watch is None or room <= 0:
            return
        try:
            own = OwnMemory()
            for entry in waiting[:room]:
                if entry.span in own:
                    self._watch.watch(entry.span)
                    entry.is_watched = True
        except OSError:  # no more memory for it, or somebody else watches it
            return

    def _ask(self, watched: Collection[_Entry]) -> None:
        """Note what was written to these, and to what shares pages with them."""
        if not watched:
            return
        if has_pinned():
            self._forget_all()
            return
        chosen = set(map(id, watched))
        for zone, members in _zones([entry for entry in self._entries.values() if entry.is_watched]):
            if chosen.isdisjoint(map(id, members)):
                continue
            # The kernel tells once. If that is lost on the way, nothing is known.
            accounts = [(entry, entry.written) for entry in members]
            for entry in members:
                entry.written = None
            try:
                spans = _joined(self._watch.written(zone)) if self._watch else [zone]
            except OSError:  # it is not mapped any more, or is mapped anew
                for entry in members:
                    entry.forget()
                continue
            for entry, written in accounts:
                entry.written = written
                entry.note_written(spans)

    def _forget_all(self) -> None:
        for entry in self._entries.values():
            entry.forget()

    def _give_up(self) -> None:
        self._forget_all()
        if self._watch is not None:
            self._watch.close()
        self._watch, self._may_watch = None, False


def _renewed(old: _Entry | None, spot: Spot) -> _Entry:
    entry = _Entry(spot)
    if old is not None:
        entry.calm = old.calm + 1 if spot.is_calm else 0
        too_soon = old.is_watched and not spot.is_calm
        entry.patience = min(2 * old.patience, MAX_PATIENCE) if too_soon else old.patience
        if old.is_watched and spot.is_calm:
            # Watched since before the fork: what was written since shows at the next look.
            entry.is_watched, entry.written = True, set()
    return entry


def _was_watched(entries: dict[Key, _Entry], key: Key) -> bool:
    return key in entries and entries[key].is_watched


def _is_any(names: Iterable[str], wanted: Collection[str]) -> bool:
    return any(name in wanted for name in names)


def _zones(entries: Iterable[_Entry]) -> list[tuple[Span, list[_Entry]]]:
    """Those that share pages together: to ask for one of them would take the answer away from the other."""
    found: list[tuple[Span, list[_Entry]]] = []
    for entry in sorted(entries, key=lambda entry: entry.span):
        start, end = entry.span
        if found and start < found[-1][0][1]:
            (first, last), members = found[-1]
            found[-1] = (first, max(last, end)), [*members, entry]
        else:
            found.append(((start, end), [entry]))
    return found


def _joined(spans: Iterable[Span]) -> list[Span]:
    """The same pages in order, each once."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found
