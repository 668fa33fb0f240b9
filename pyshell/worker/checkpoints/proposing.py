"""Pickle the namespace, write a pack, and propose a checkpoint to the host.

Runs in: the forked child that saves, and worker, for what is saved inline.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from json import dumps, loads

from pyshell.errors import StoreError
from pyshell.frozen import dataclass, field
from pyshell.store import Binding, ChunkId, Environment, Group, Missing, PackWriter, Proposal, Store, changes
from pyshell.worker.checkpoints.groups import Pickled, Saved
from pyshell.worker.checkpoints.reusing import Account, BufferWriter
from pyshell.worker.checkpoints.tracking import Seen
from pyshell.worker.pickles.limits import Limits
from pyshell.worker.pickles.pickling import Snapshot, TouchedSnapshot
from pyshell.worker.pickles.placeholders import Leaf
from pyshell.worker.pickles.refusals import type_name
from pyshell.worker.touched import KnownGroup

MAX_PARTS = 20
"""Placeholders of one group that are listed; all of them say what they are when they are used."""


@dataclass(frozen=True)
class Job:
    """One save: what the host asked for, and what the parent knows that the child cannot find out."""

    name: str
    cell: int | None
    label: str | None
    line: int | None
    """The line of the cell that was running; None: it had ended."""
    parent: int
    limits: Limits
    cells: Mapping[str, int]
    orders: Mapping[str, int]
    environment: Environment
    environment_chunk: ChunkId | None
    """Where the parent says the same of the environment."""
    touched: frozenset[str] | None
    """Names to save anew; the others are as in the parent. None: all."""
    replaced: frozenset[str]
    """Ids of the parent's groups that bind touched names."""
    referred: frozenset[str]
    """Touched definitions that other groups of the parent refer to: they must not get lost."""
    audit: bool
    """Nothing need be proposed if nothing differs from the parent."""
    lost: frozenset[str]
    """Names that were not saved and are not touched: nothing may refer to them."""
    missing: tuple[Missing, ...]
    """What the parent says is not saved, if not everything is saved anew."""
    still_lost: tuple[Missing, ...] = ()
    """What is not there since the last restore."""
    earlier: Seen = field(default_factory=dict)
    """What is known of large buffers."""
    reads_all: bool = True
    """Do not rely on it."""
    keeps_rest: bool = False
    """What is not touched is not there yet (besides.py): it must not be saved as a whole."""

    def whole(self) -> Job:
        """The same, with everything to be saved."""
        nothing: frozenset[str] = frozenset()
        return replace(self, touched=None, replaced=nothing, referred=nothing, lost=nothing, missing=())


@dataclass(frozen=True)
class Outcome:
    """What the worker must know of a proposal for the saves that follow it."""

    groups: tuple[KnownGroup, ...]
    lost: tuple[str, ...]
    touched: frozenset[str] | None
    """What was saved anew."""
    seconds: float
    """How long it took."""
    missing: tuple[Missing, ...]
    """All that is there and that the checkpoint says is not saved."""
    environment: ChunkId
    is_new: bool
    """False: the parent holds all of it already, and nothing was proposed."""
    buffers: Account
    is_certain: bool = True
    """False: it was put together while cells or other threads ran in between (see slices.py)."""

    def to_json(self) -> bytes:
        groups = [
            [group.id, group.names, sorted(group.uses), sorted(group.references), group.is_opaque]
            for group in self.groups
        ]
        touched = None if self.touched is None else sorted(self.touched)
        missing = [[lost.name, lost.type, lost.reason, lost.cell] for lost in self.missing]
        rest = [self.seconds, missing, self.environment.hex(), self.is_new, self.buffers.to_plain()]
        return dumps([groups, self.lost, touched, *rest]).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Outcome:
        groups, lost, touched, seconds, missing, environment, is_new, buffers = loads(data)
        known = tuple(
            [
                KnownGroup(key, tuple(names), frozenset(uses), frozenset(references), is_opaque)
                for key, names, uses, references, is_opaque in groups
            ]
        )
        return cls(
            groups=known,
            lost=tuple(lost),
            touched=None if touched is None else frozenset(touched),
            seconds=seconds,
            missing=tuple([Missing(*fields) for fields in missing]),
            environment=bytes.fromhex(environment),
            is_new=is_new,
            buffers=Account.from_plain(buffers),
        )


class Proposing:
    """One proposal."""

    def __init__(self, job: Job, snapshot: Snapshot, pickle: Callable[[Snapshot], Saved]) -> None:
        self._job = job
        self._snapshot = snapshot
        self._pickle_wanted = pickle

    def run(self, store: Store) -> Outcome:
        """Write the pack and hand the proposal over."""
        clock = time.perf_counter()
        # Before the pickling: whoever wants to know whether a proposal is being written sees it from here on.
        # Little is not worth looking for what of it is stored already.
        writer = store.pack_writer(self._job.name, fresh=isinstance(self._snapshot, TouchedSnapshot))
        buffers = BufferWriter(store, self._job.earlier, self._job.reads_all)
        try:
            saved = self._pickle()
            groups = [self.write(writer, buffers, pickled) for pickled in saved.groups]
            return self.propose(store, writer, (saved, groups, buffers), clock)
        except BaseException:  # whatever it is, it goes on when this is tidied up
            writer.abandon()
            raise

    def propose(
        self, store: Store, writer: PackWriter, written: tuple[Saved, list[Group], BufferWriter], clock: float
    ) -> Outcome:
        """Close the pack and hand over what was written; `clock` is when this was begun."""
        saved, groups, buffers = written
        environment = self._job.environment_chunk or writer.put_environment(self._job.environment)
        writer.close()
        added, dropped = self._changes(store, groups)
        missing = self._missing(saved)
        proposal = Proposal(
            parent=self._job.parent,
            cell=self._job.cell,
            line=self._job.line,
            time=time.time() - (time.perf_counter() - clock),
            seconds=time.perf_counter() - clock,
            label=self._job.label,
            environment=environment,
            added=added,
            dropped=dropped,
            missing=missing + self._job.still_lost,
            written=writer.written,
        )
        is_new = not self._job.audit or self._is_news(store, proposal)
        if is_new:
            store.propose(self._job.name, proposal)
        else:
            writer.abandon()
        known = tuple([as_known(pickled, group) for pickled, group in zip(saved.groups, groups)])
        lost = tuple([lost.name for lost in saved.lost])
        seconds = time.perf_counter() - clock
        account = buffers.account()
        return Outcome(known, lost, self._touched, seconds, missing, environment, is_new, account)

    def _is_news(self, store: Store, proposal: Proposal) -> bool:
        if not proposal.parent or proposal.added or proposal.dropped or proposal.label is not None:
            return True
        parent = store.manifest(proposal.parent)
        # That a cell changed nothing is news, too: it need not be run again.
        return (proposal.missing, proposal.cell, proposal.line) != (parent.missing, parent.cell, parent.line)

    @property
    def _touched(self) -> frozenset[str] | None:
        return self._snapshot.touched

    def _pickle(self) -> Saved:
        saved = self._pickle_wanted(self._snapshot)
        if self.is_broken(saved):
            if self._job.keeps_rest:
                raise StoreError("what is still being loaded needs a definition that cannot be saved")
            self._snapshot = self._snapshot.whole()
            saved = self._pickle_wanted(self._snapshot)
        return saved

    def is_broken(self, saved: Saved) -> bool:
        """Whether a reference across the border of what was touched would lead to nothing."""
        if self._touched is None:
            return False
        if any(lost.name in self._job.referred for lost in saved.lost):
            return True
        return any(pickled.dump and not pickled.dump.references.isdisjoint(self._job.lost) for pickled in saved.groups)

    def _changes(self, store: Store, groups: Iterable[Group]) -> tuple[tuple[tuple[str, int], ...], tuple[str, ...]]:
        if self._touched is not None:
            written = {group.id: self._job.cell or 0 for group in groups}
            return changes(dict.fromkeys(self._job.replaced, self._job.cell or 0), written)
        before = store.members(store.manifest(self._job.parent)) if self._job.parent else {}
        # An unchanged group keeps the cell at which it was verified: to say each time that everything was verified
        # again would cost bytes for every name.
        cell = self._job.cell or 0
        return changes(before, {group.id: before.get(group.id, cell) for group in groups})

    def write(self, writer: PackWriter, buffers: BufferWriter, pickled: Pickled) -> Group:
        dump = pickled.dump
        group = Group(
            bindings=tuple([self._binding(name, pickled.module) for name in pickled.names]),
            kind=pickled.kind,
            codec=dump.codec if dump else "module",
            references=tuple(sorted(dump.references)) if dump else (),
            stream=writer.put(dump.stream) if dump else (),
            buffers=buffers.write(writer, dump.buffers) if dump else (),
            code_version=code_version() if dump and dump.holds_code else "",
            cell=max((self._job.cells[name] for name in pickled.names if name in self._job.cells), default=None),
            size=dump.size if dump else 0,
        )
        writer.put_group(group)
        buffers.note(group)
        return group

    def _binding(self, name: str, module: str) -> Binding:
        # A name that a thread has bound since the last cell has no order yet: it goes to the end.
        order = self._job.orders.get(name, len(self._job.orders) + (1 << 20))
        return Binding(name, order, module or type_name(type(self._snapshot.values[name])))

    def _missing(self, saved: Saved) -> tuple[Missing, ...]:
        values = self._snapshot.values
        kept: tuple[Missing, ...] = ()
        if self._touched is not None:
            kept = tuple([missing for missing in self._job.missing if root_of(missing.name) not in self._touched])
        lost = [
            Missing(lost.name, type_name(type(values[lost.name])), lost.reason, self._job.cells.get(lost.name))
            for lost in saved.lost
        ]
        parts = [part for pickled in saved.groups if pickled.dump for part in parts_missing(pickled.dump.leaves)]
        return (*kept, *lost, *parts)


def parts_missing(leaves: Sequence[Leaf]) -> list[Missing]:
    """What is not saved of one group that is; only the first of many."""
    shown = [Missing(leaf.path, leaf.type, leaf.reason, leaf.cell) for leaf in leaves[:MAX_PARTS]]
    if len(leaves) > MAX_PARTS:
        last = leaves[MAX_PARTS]
        more = f"and {len(leaves) - MAX_PARTS} more; {last.reason}"
        shown.append(Missing(last.path, last.type, more, last.cell))
    return shown


def code_version() -> str:
    """The minor version whose code objects this interpreter can load."""
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


def root_of(name: str) -> str:
    """The name of the namespace in `name` itself or in a path that begins with it."""
    found = re.match(r"\w+", name)
    return found.group() if found else name


def as_known(pickled: Pickled, group: Group) -> KnownGroup:
    """What the worker must know of a group that was written."""
    uses, references = (pickled.dump.uses, pickled.dump.references) if pickled.dump else (frozenset(), frozenset())
    is_opaque = pickled.dump is not None and bool(pickled.dump.leaves)
    return KnownGroup(group.id, pickled.names, uses | references, references, is_opaque)
