"""One save in the worker itself: a group at a time, each written as soon as it is pickled, with cells in between.

Runs in: worker, on its main thread, where no process can be forked. When: slicing.py.

Nothing of the user's is held while a cell runs, no file is open, and no pack is claimed: of a group that is done there
are its chunks, in a pack that nobody refers to yet, and the ids of what it can share with others. These ids hold for as
long as no cell touches the group; what a cell can have touched is dropped here and pickled anew. So what is proposed in
the end is the state after the last cell, as it would be with a fork.

Nothing is loaded for trial: that runs code of the values', which may change what the process shares with the session.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from pyshell.frozen import dataclass
from pyshell.memory import free_memory
from pyshell.store import Group, PackWriter, Store
from pyshell.store.likeness import is_output
from pyshell.worker.checkpoints.groups import Lost, Parts, Pickled, Pickling, Saved, intersect, that_matter
from pyshell.worker.checkpoints.proposing import Job, Outcome, Proposing, as_known
from pyshell.worker.checkpoints.reusing import BufferWriter
from pyshell.worker.checkpoints.tracking import Seen
from pyshell.worker.pickles import adapters
from pyshell.worker.pickles.leaves import Stopped
from pyshell.worker.pickles.limits import NO_LIMITS, Limits, Measured, TooLarge
from pyshell.worker.pickles.pickling import Dump, Dumper, Lent, Snapshot
from pyshell.worker.pickles.reached import Reached, Sifted
from pyshell.worker.pickles.reducing import Reducer
from pyshell.worker.touched import Known, KnownGroup

MEMORY_RESERVE = 128 << 20
"""Free memory below which no pickle grows here: it is the session itself that would be killed."""
_LOOK_EVERY = 1 << 20
"""Bytes of a pickle between two looks at the free memory."""

T = TypeVar("T")


class Guard(Protocol):
    """Who says when to stop."""

    def tick(self) -> None:
        """Stopped: the main thread is wanted. Called every millisecond or so."""

    def run(self, names: tuple[str, ...], function: Callable[[], T]) -> T:
        """What the function returns, which runs code of these names' values; Stopped if that does not get on."""

    def has_hung(self) -> bool:
        """Whether what was run last was stopped because it did not get on."""


@dataclass(frozen=True)
class _Unit:
    """Names to be pickled together: each part was good by itself, and they share values."""

    parts: tuple[tuple[str, ...], ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple([name for part in self.parts for name in part])


@dataclass(frozen=True)
class _Done:
    """A group that is in a pack."""

    pickled: Pickled
    """Without the bytes, and without what was reached."""
    group: Group
    ids: frozenset[int]
    """What other names could share with it."""


class Slices:
    """One save. Between `begin` and `pause` no cell runs."""

    def __init__(self, store: Store, guard: Guard, earlier: Seen) -> None:
        self._store = store
        self._guard = guard
        self._done: list[_Done] = []
        self._lost: dict[str, str] = {}
        self._joined: list[_Unit] = []
        """What was found to share values: not to be found out again."""
        self._owners: dict[int, _Done] = {}
        self._buffers = BufferWriter(store, earlier, reads_all=False)
        self._run: _Run | None = None
        self._in_work: tuple[str, ...] = ()
        self.hung: tuple[str, ...] = ()
        """Names whose values' code had to be stopped in the last step."""
        self.must_be_whole = False
        """What was touched refers to what is not saved: all of the namespace is to be pickled."""

    @property
    def is_paused(self) -> bool:
        return self._run is None

    def begin(self, job: Job, snapshot: Snapshot, lent: Lent) -> None:
        """Go on, with the namespace as it is now. StoreError: nothing can be written now."""
        writer = self._store.pack_writer(job.name)
        writer.between = self._guard.tick
        self._run = _Run(job, snapshot, writer, _Dumper(snapshot, lent, self._guard.tick))
        saved = {name for done in self._done for name in done.pickled.names}
        # What is done and was lost because of others may be right by now.
        lost = {name: reason for name, reason in self._lost.items() if name not in saved}
        self._run.pickling.lost.update(lost)
        modules, others = self._run.pickling.sort()
        waiting = [tuple(names) for names in others if saved.isdisjoint(names) and lost.keys().isdisjoint(names)]
        # What a cell that comes in between can reach is known of what is done, and of these.
        waiting.sort(key=lambda names: _is_flat(snapshot.values[names[0]]))
        self._in_order = {name: number for number, names in enumerate(others) for name in names}
        all_waiting = set(waiting)
        self._joined = [unit for unit in self._joined if all_waiting.issuperset(unit.parts)]
        together = {part for unit in self._joined for part in unit.parts}
        self._run.queue.extend([pickled for pickled in modules if saved.isdisjoint(pickled.names)])
        self._run.queue.extend([_Unit((names,)) for names in waiting if names not in together])
        self._run.queue.extend(self._joined)

    def step(self) -> Outcome | None:
        """Pickle and write the next group; the outcome once all of them are proposed. Stopped: call it again."""
        run = self._started()
        self.hung = ()
        if run.queue:
            following = run.queue[0]
            if isinstance(following, Pickled):
                self._keep(run, following, self._write(run, following), frozenset())
            else:
                self._take(run, following)
            run.queue.popleft()
            return None
        if self._join_circles(run):
            return None
        return self._propose(run)

    def pause(self) -> None:
        """A cell is about to run: let go of everything. What is done stays done."""
        run, self._run = self._run, None
        if run is None:
            return
        self._lost = run.pickling.lost
        self._buffers.close()
        try:
            run.writer.close()
        finally:
            run.writer.abandon()

    def drop(self, names: Collection[str] | None) -> None:
        """Cells can have touched these names, or all: what is done of them is to be done again."""
        if names is None:
            self._done, self._lost, self._joined = [], {}, []
        else:
            self._done = [done for done in self._done if not any(name in names for name in done.pickled.names)]
            self._lost = {name: reason for name, reason in self._lost.items() if name not in names}
            self._joined = [unit for unit in self._joined if not any(name in names for name in unit.names)]
        if names is None or any(name in names for name in self._in_work):
            self._buffers.forget_begun()
        self._owners = {}
        for done in self._done:
            self._owners.update(dict.fromkeys(done.ids, done))

    def known(self, before: Known | None, touched: Collection[str] | None, namespace: dict[str, Any]) -> Known:
        """What a cell reaches by which names.

        Of what is done it is known. What is not done may hold all that the cells before have touched.
        """
        kept = before.besides(touched) if before is not None and touched is not None else []
        groups = [as_known(done.pickled, done.group) for done in self._done]
        found = {name for group in (*kept, *groups) for name in group.names}
        for name in namespace if touched is None else touched:
            if name not in found:
                is_flat = _is_flat(namespace.get(name))
                uses = frozenset() if is_flat or touched is None else frozenset(touched)
                groups.append(KnownGroup("", (name,), uses, frozenset(), touched is None and not is_flat))
        lost = set(self._lost)
        if before is not None and touched is not None:
            lost |= before.lost.difference(touched)
        return Known([*kept, *groups], lost)

    # --- one group -----------------------------------------------------------------------------------------

    def _started(self) -> _Run:
        assert self._run is not None, "begin() comes first"
        return self._run

    def _take(self, run: _Run, unit: _Unit) -> None:
        names = tuple(sorted(sorted(unit.names, key=lambda name: self._in_order.get(name, 0)), key=is_output))
        if names != self._in_work:
            self._buffers.forget_begun()
            self._in_work = names
        dump = self._dump(run, names, len(unit.parts) == 1)
        if dump is None:
            self._give_up(run, unit)
            return
        pickled = Pickled(dump.names, run.pickling.kind(dump), "", dump)
        group = self._write(run, pickled)
        self._in_work = ()
        dump.buffers.clear()
        partners = self._partners(dump)
        if partners:
            self._join(run, [*partners, pickled])
            return
        ids = frozenset(dump.reached.lasting() & dump.shareable) if isinstance(dump.reached, Sifted) else frozenset()
        hollow = replace(dump, stream=memoryview(b""), buffers=[], reached=Reached(), shareable=set())
        self._keep(run, replace(pickled, dump=hollow), group, ids)

    def _dump(self, run: _Run, names: tuple[str, ...], is_single: bool) -> Dump | None:
        """None: it is lost, or cannot be had together."""
        run.dumper.limits = run.job.limits if is_single else NO_LIMITS
        dump = run.pickling.dump if is_single else run.pickling.dump_together
        try:
            return self._guard.run(names, lambda: dump(names))
        except Stopped:
            if not self._guard.has_hung():
                raise
            self.hung = names if is_single else ()
            return None

    def _give_up(self, run: _Run, unit: _Unit) -> None:
        """It cannot be saved in this way; what is to blame is lost."""
        self._joined = [other for other in self._joined if other != unit]
        if len(unit.parts) == 1:
            if self.hung:
                run.pickling.lost.update(dict.fromkeys(unit.names, HUNG))
            return
        rest, last = _Unit(unit.parts[:-1]), unit.parts[-1]
        reason = f"it shares values with {', '.join(rest.names[:3])}, and they cannot be saved together"
        run.pickling.lost.update(dict.fromkeys(last, reason))
        if len(rest.parts) > 1:
            self._joined.append(rest)
        run.queue.append(rest)

    def _write(self, run: _Run, pickled: Pickled) -> Group:
        return run.proposing.write(run.writer, self._buffers, pickled)

    def _keep(self, run: _Run, pickled: Pickled, group: Group, ids: frozenset[int]) -> None:
        done = _Done(pickled, group, ids)
        self._done.append(done)
        self._owners.update(dict.fromkeys(ids, done))

    # --- sharing -------------------------------------------------------------------------------------------

    def _partners(self, dump: Dump) -> list[Pickled]:
        """What is done and shares something with this that can change."""
        common = intersect(dump.shareable, self._owners)
        owners = [self._owners[key] for key in that_matter({key: [0] for key in common}, [dump])]
        return list({id(owner): owner.pickled for owner in owners}.values())

    def _join(self, run: _Run, members: Iterable[Pickled]) -> None:
        parts = [part for pickled in members for part in self._parts_of(pickled.names)]
        unit = _Unit(tuple(sorted(parts, key=lambda part: self._in_order.get(part[0], 0))))
        gone = set(unit.names)
        for done in self._done:
            if not gone.isdisjoint(done.pickled.names):
                for key in done.ids:
                    if self._owners.get(key) is done:
                        del self._owners[key]
        self._done = [done for done in self._done if gone.isdisjoint(done.pickled.names)]
        self._joined = [other for other in self._joined if gone.isdisjoint(other.names)]
        self._joined.append(unit)
        run.queue.append(unit)

    def _parts_of(self, names: tuple[str, ...]) -> list[tuple[str, ...]]:
        """The names as they are pickled alone: a definition with its other names, everything else by itself."""
        parts: dict[int, list[str]] = {}
        for name in names:
            parts.setdefault(self._in_order.get(name, 0), []).append(name)
        return [tuple(sorted(part, key=is_output)) for part in parts.values()]

    def _join_circles(self, run: _Run) -> bool:
        """Whether definitions were found that lead to each other: they are to be one pickle."""
        groups = [(done.pickled, done.pickled.dump) for done in self._done if done.pickled.dump is not None]
        home = {name: number for number, (pickled, _) in enumerate(groups) for name in pickled.names}
        parts = Parts(len(groups))
        parts.join_circles([{home[name] for name in dump.references if name in home} for _, dump in groups])
        found = [part for part in parts.all() if len(part) > 1]
        for part in found:
            self._join(run, [groups[number][0] for number in part])
        return bool(found)

    # --- the end -------------------------------------------------------------------------------------------

    def _propose(self, run: _Run) -> Outcome | None:
        sound = set(map(id, run.pickling.without_broken_references(
            [done.pickled.dump for done in self._done if done.pickled.dump is not None]
        )))  # fmt: skip
        kept = [done for done in self._done if done.pickled.dump is None or id(done.pickled.dump) in sound]
        lost = tuple([Lost(name, reason) for name, reason in run.pickling.lost.items() if name in run.snapshot.values])
        saved = Saved(tuple([done.pickled for done in kept]), lost)
        if run.proposing.is_broken(saved):
            self.must_be_whole = True
            return None
        groups = [done.group for done in kept]
        for group in groups:
            run.writer.put_group(group)  # a pack that nobody refers to may have been pruned meanwhile
        if not all(chunk in run.writer for group in groups for chunk in group.chunks()):
            self.drop(None)
            self.pause()
            return None
        outcome = run.proposing.propose(self._store, run.writer, (saved, groups, self._buffers), run.clock)
        self._run = None
        ours = {group.id for group in groups}
        spots = [replace(spot, is_calm=False) for spot in outcome.buffers.spots if spot.group in ours]
        return replace(outcome, buffers=replace(outcome.buffers, spots=tuple(spots)))


HUNG = "its own code did not get on for some seconds, and no process could be forked that can wait for it"


class _Run:
    """What there is between two cells."""

    def __init__(self, job: Job, snapshot: Snapshot, writer: PackWriter, dumper: Dumper) -> None:
        self.job, self.snapshot, self.writer, self.dumper = job, snapshot, writer, dumper
        self.clock = time.perf_counter()
        self.pickling = Pickling(snapshot, dumper, job.limits, lambda name: None)
        self.proposing = Proposing(job, snapshot, lambda snapshot: Saved((), ()))
        self.queue: deque[Pickled | _Unit] = deque()


class _Dumper(Dumper):
    """Pickles so that it can be stopped."""

    def __init__(self, snapshot: Snapshot, lent: Lent, tick: Callable[[], None]) -> None:
        super().__init__(snapshot, lent)
        self._tick = tick
        self._reached = Sifted()

    def make_file(self) -> _Watched:
        return _Watched(self.limits, self._on_write)

    def make_reached(self) -> Reached:
        self._reached = Sifted()
        return self._reached

    def make_rules(self, members: frozenset[int]) -> Reducer:
        rules = super().make_rules(members)
        rules.adapt(adapters.where_it_lives())
        return rules

    def _on_write(self) -> None:
        self._tick()
        self._reached.sift()


class _Watched(Measured):
    """C's pickler writes every 64 KB: that is a millisecond, and often enough to be asked whether to go on."""

    def __init__(self, limits: Limits, on_write: Callable[[], None]) -> None:
        super().__init__(limits)
        self._on_write = on_write
        self._next_look = _LOOK_EVERY

    def write(self, data: Any, /) -> int:
        self._on_write()
        if self.tell() >= self._next_look:
            self._next_look = self.tell() + _LOOK_EVERY
            free = free_memory()
            if free is not None and free < MEMORY_RESERVE + len(data):
                raise TooLarge(f"only {free >> 20} MB of memory are free; free some and save again")
        return super().write(data)


def _is_flat(value: object) -> bool:
    """Whether it holds no code and no other values, so that whoever reaches it reaches no further."""
    kind = type(value)
    if any(kind is flat for flat in (int, float, complex, bool, str, bytes, bytearray, type(None))):
        return True
    array: Any = value
    is_array = kind is getattr(sys.modules.get("numpy"), "ndarray", None)
    return is_array and not array.dtype.hasobject and array.base is None
