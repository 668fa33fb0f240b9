"""Prune a store: forget old checkpoints, and remove the chunks that nothing needs any more.

Runs in: host.

In an order in which a crash at any point leaves a sound store: live chunks are copied out of mostly dead packs; the
log is replaced by one of the checkpoints that stay; then packs without live chunks are unlinked. A pack is never
changed or truncated, so whoever has it mapped keeps what it maps.

On a full disk, where nothing can be copied and no log written, a short record in the log's reserve says what is
forgotten, and unlinking makes the room.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Collection, Iterator
from dataclasses import replace

from pyshell.errors import StoreCorrupt, StoreFull
from pyshell.frozen import dataclass
from pyshell.store import format
from pyshell.store.files import errors_named
from pyshell.store.format import ChunkId
from pyshell.store.index import Pack
from pyshell.store.layout import FULL_EVERY, Entry
from pyshell.store.reading import Reader

LIVE_SHARE = 0.3
"""A pack of whose bytes a smaller part is in use is rewritten."""

HOUR, DAY, WEEK = 3600.0, 86_400.0, 604_800.0
SPANS = ((DAY, HOUR), (30 * DAY, DAY))
"""Up to which age the last checkpoint of each such span is kept; beyond, of each week."""

NOTES = 50
"""So many of the newest notes outlive a rewrite of the log."""


@dataclass(frozen=True)
class Retention:
    """Which checkpoints stay: HEAD, the newest, labelled ones, and what these rules keep."""

    recent: int = 50
    """So many of the newest."""
    every: int = 10
    """Of the older ones, those whose number this divides; 0: none."""
    by_age: bool = False
    """Of the older ones also the last of each hour for a day, of each day for a month, and of each week."""
    budget: int | None = None
    """Bytes that all chunks together may take; the oldest unlabelled checkpoints make room."""


KEEP = Retention()


@dataclass(frozen=True)
class Pruned:
    """What `prune` did."""

    checkpoints: tuple[int, ...] = ()
    """Those forgotten."""
    packs_removed: int = 0
    packs_rewritten: int = 0
    freed: int = 0
    """Bytes by which the packs became smaller."""
    reason: str = ""
    """Why nothing was done; empty if it was."""


def prune(store: Reader, retention: Retention) -> Pruned:
    """Only for the store's writer. OSError or StoreError: as much was done as the files now show."""
    gate = store.proposals.gate.close_to_others()
    if gate is None:
        return Pruned(reason="a checkpoint is being written")
    try:
        store.refresh()
        for name in store.proposals.waiting():
            if store.timeline.committed(name) is None:
                return Pruned(reason="a proposal waits to be committed")
            # Now, while its checkpoint still tells that it is committed.
            store.proposals.remove(name)
        return _Pruning(store).run(retention)
    finally:
        store.files.close(gate)


class _Pruning:
    """One run, with the gate closed to others."""

    def __init__(self, store: Reader) -> None:
        self._store, self._index, self._timeline = store, store.index, store.timeline
        self._members = {at: tuple(self._timeline.members(at)) for at in self._timeline.sequences}
        self._chunks: dict[str, tuple[ChunkId, ...]] = {}
        for group in {group for members in self._members.values() for group in members}:
            self._chunks[group] = self._chunks_of(group)
        self._stored = {chunk: place[2] for pack in self._index.packs.values() for chunk, place, _ in pack.entries()}

    def run(self, retention: Retention) -> Pruned:
        before = self._bytes()
        keep = self._within(retention.budget, self._chosen(retention))
        live = self._live(keep)
        doomed, rewritten = self._rewrite_packs(live)
        forgotten = tuple([sequence for sequence in self._members if sequence not in keep])
        if keep and (forgotten or self._store.log.damage or self._timeline.damage):
            self._forget(keep, forgotten)
        doomed += self._unreadable(live)
        if doomed:
            self._index.remove(doomed)
        return Pruned(forgotten, len(doomed) - rewritten, rewritten, before - self._bytes())

    # --- which checkpoints

    def _chosen(self, retention: Retention) -> list[int]:
        """What stays by number and label, oldest first."""
        sequences = list(self._members)
        recent = set(sequences[max(0, len(sequences) - retention.recent) :]) | self._pinned()
        if retention.by_age:
            recent |= self._thinned(time.time())
        keep = [at for at in sequences if at in recent or (retention.every and at % retention.every == 0)]
        passed = self._timeline.superseded() - self._pinned()
        return [at for at in keep if at not in passed]

    def _thinned(self, now: float) -> set[int]:
        """The last of each span of time; the spans are longer the older they are."""
        last: dict[tuple[float, int], int] = {}
        for at in self._members:
            when = self._timeline.manifest(at).time
            span = next((span for age, span in SPANS if now - when < age), WEEK)
            last[span, int(when // span)] = at
        return set(last.values())

    def _pinned(self) -> set[int]:
        """What no rule may take: HEAD, labelled ones, and the newest."""
        head = self._timeline.head
        labelled = {at for at in self._members if self._timeline.manifest(at).label is not None}
        return labelled | {self._timeline.newest, head.sequence if head else 0}

    def _within(self, budget: int | None, keep: list[int]) -> list[int]:
        """Without as many of the oldest as must go for the rest to fit."""
        if budget is None:
            return keep
        pinned = self._pinned()
        loose = [at for at in keep if at not in pinned]

        def rest(count: int) -> list[int]:
            gone = set(loose[:count])
            return [at for at in keep if at not in gone]

        def fits(count: int) -> bool:
            return sum(self._stored.get(chunk, 0) for chunk in self._live(rest(count))) <= budget

        return rest(bisect_left(range(len(loose)), True, key=fits))

    def _live(self, keep: Collection[int]) -> set[ChunkId]:
        groups = {group for at in keep for group in self._members[at]}
        live = {chunk for group in groups for chunk in self._chunks[group]}
        return live | {self._timeline.manifest(at).environment for at in keep}

    def _chunks_of(self, group: str) -> tuple[ChunkId, ...]:
        own = bytes.fromhex(group)
        try:
            return (own, *self._store.group(group).chunks())
        except StoreCorrupt:
            return (own,)  # what it consisted of, nobody will ever know

    # --- the log

    def _forget(self, keep: list[int], forgotten: tuple[int, ...]) -> None:
        try:
            with errors_named("rewrite the log"):
                self._timeline.rewrite(list(self._entries(keep)))
        except StoreFull:
            self._timeline.append(format.encode_forget(forgotten))

    def _entries(self, keep: list[int]) -> Iterator[Entry]:
        stay = frozenset(keep)
        depths: dict[int, int] = {0: 0}
        for at in keep:
            base = self._timeline.base(at)
            while base and base not in depths:
                base = self._timeline.base(base)
            if depths[base] >= FULL_EVERY:
                base = 0
            depths[at] = depths[base] + 1
            before = self._timeline.members(base) if base else {}
            added, dropped = format.changes(before, self._timeline.members(at))
            manifest = replace(
                self._timeline.manifest(at), parent=self._timeline.parent(at, stay), base=base, added=added,
                dropped=dropped,
            )  # fmt: skip
            yield self._timeline.encode(manifest)
        head = self._timeline.head
        if head is not None and head.sequence != keep[-1]:
            yield format.encode_head(head.sequence)
        if self._timeline.newest not in keep:
            # It is lost, but its number must not be given again.
            yield format.encode_label(self._timeline.newest, None)
        yield from map(format.encode_note, self._timeline.notes[-NOTES:])

    # --- the packs

    def _rewrite_packs(self, live: set[ChunkId]) -> tuple[list[str], int]:
        """Names of the packs that may go, and how many of them were copied for that."""
        dead, sparse = [], []
        for pack in self._index.packs.values():
            sizes = {chunk: place[2] for chunk, place, _ in pack.entries()}
            used = sum(size for chunk, size in sizes.items() if self._is_used(chunk, pack, live))
            if not used:
                dead.append(pack.name)
            elif used < LIVE_SHARE * sum(sizes.values()):
                sparse.append(pack)
        name = self._index.free_name(f"pruned{self._timeline.newest}")
        if sparse and self._index.copy(sparse, lambda chunk, pack: self._is_used(chunk, pack, live), name):
            return dead + [pack.name for pack in sparse], len(sparse)
        return dead, 0

    def _is_used(self, chunk: ChunkId, pack: Pack, live: set[ChunkId]) -> bool:
        return chunk in live and chunk in self._index and self._index.place(chunk)[0] == pack.name

    def _unreadable(self, live: set[ChunkId]) -> list[str]:
        """Packs without a readable index, if nothing that is missing can be in them."""
        self._index.refresh()
        return [] if any(chunk not in self._index for chunk in live) else list(self._index.damage)

    def _bytes(self) -> int:
        return sum(pack.size for pack in self._index.packs.values())
