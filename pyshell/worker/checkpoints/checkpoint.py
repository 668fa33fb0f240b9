"""Save the namespace, in the worker itself or in a forked child: a pack, and a checkpoint proposed to the host.

Runs in: worker, on its main thread; the child's work is in proposing.py.

A child does not need the worker any more: it finishes also if the worker dies. What became of it is told twice, by
its exit code and in memory that both share, because user code may wait for children that are not its own.

Only what the cells since the last checkpoint can have touched is saved anew (touched.py), without a child if it is
small (inline.py). Now and then everything is: the audit, after which the checkpoint equals a full one, whatever the
rule missed.
"""

from __future__ import annotations

import os
import signal
import types
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Literal

from pyshell.errors import StoreError, StoreFull, WorkerBusy, WorkerError
from pyshell.store import UNSYNCED, ChunkId, Claim, Environment, Group, Store
from pyshell.worker.bindings import Bindings
from pyshell.worker.checkpoints.auditing import SMALL_SECONDS
from pyshell.worker.checkpoints.besides import beside
from pyshell.worker.checkpoints.environment import EnvironmentRecorder, what_differs, where_in_cell
from pyshell.worker.checkpoints.fingerprints import Fingerprints
from pyshell.worker.checkpoints.groups import Saved, pickle_namespace
from pyshell.worker.checkpoints.inline import pickle_inline
from pyshell.worker.checkpoints.others import has_other_threads
from pyshell.worker.checkpoints.proposing import Job, Outcome, Proposing
from pyshell.worker.checkpoints.restore import Source
from pyshell.worker.checkpoints.settings import Settings, pickled
from pyshell.worker.checkpoints.telling import Ended, SharedNote
from pyshell.worker.checkpoints.tracking import Seen, Spot, Tracking
from pyshell.worker.forking import NoFork, become_child, fork, rules_for_heap, run_in_child, why_not_fork
from pyshell.worker.pickles.leaves import NotInline
from pyshell.worker.pickles.limits import NO_LIMITS, Limits
from pyshell.worker.pickles.pickling import Dumper, Lent, Snapshot, TouchedSnapshot, describe, standard_streams
from pyshell.worker.touched import Known, uses_of

DONE, FAILED, DISK_FULL = 0, 3, 4
"""Exit codes of the child."""

Scope = Literal["touched", "whole", "audit"]


class Checkpointer:
    """Owner: the worker's main thread; `reap` may run in another."""

    def __init__(
        self,
        store_path: str | os.PathLike[str],
        bindings: Bindings,
        lent: Mapping[str, types.ModuleType],
        breadcrumb: Callable[[str], None],
    ) -> None:
        """`bindings` are told of each cell by somebody else; of `lent`, which may grow, a save uses what is there.

        `breadcrumb(name)` is called in the child before a name's code runs; it must write to shared memory.
        """
        self._store_path = store_path
        self._bindings = bindings
        self.namespace = namespace = bindings.namespace
        self.lent = Lent(lent)
        self._breadcrumb = breadcrumb
        self._note = SharedNote()
        self._store: Store | None = None
        """To save inline with; it holds no file open."""
        self.recorder = EnvironmentRecorder({"pyshell"}, Settings(partial(pickled, namespace, bindings.definitions)))
        self._parent = 0
        self._running: tuple[int, str] | None = None
        self._started = 0
        self._fingerprints = Fingerprints(namespace)
        self._known: Known | None = None
        """What the checkpoint `_parent` holds; None: unknown, so everything must be saved."""
        self._named: set[str] | None = None
        """Names in the code that ran since what is saved or being saved; None: they do not tell."""
        self._line: int | None = None
        """Where in a cell that still runs; None: it has ended."""
        self._in_flight: tuple[set[str] | None, set[str]] = (None, set())
        """The same of what is being saved, and the names that were rebound: it comes back if that fails."""
        self._recorded = self.recorder.record()
        """The environment, as it is saved."""
        self._environment: tuple[Environment, ChunkId] | None = None
        """What `_parent` was saved with, and the chunk that says so."""
        self._outcome: Outcome | None = None
        self._is_assumed = False
        self.child_seconds = 0.0
        """How long the last child took."""
        self._full_seconds = 0.0
        """How long it took to save everything with nothing taken over."""
        self._tracking = Tracking()
        self.waiting: Mapping[str, Group] = {}
        """What of the checkpoint is still to be loaded, by id; saves leave it as it is."""

    def note_names(self, named: Collection[str] | None, line: int | None = None) -> None:
        """Remember which names the code of the cell that just ran has (None: any); its bindings are noted already.

        `line`: it still runs, and is there.
        """
        self._line = line
        if self._named is not None:
            self._named = None if named is None else self._named.union(named)

    def doubt(self) -> None:
        """What ran does not tell what it can have touched."""
        self._named, self._is_assumed = None, True

    def committed(self, sequence: int) -> None:
        """The host made what was saved last HEAD: the next save says only what changed since."""
        outcome = self._outcome
        if outcome is None or not sequence:
            self.follow(sequence)
            return
        self._parent = sequence
        self._is_assumed = outcome.touched is not None or outcome.buffers.unread > 0 or not outcome.is_certain
        if outcome.touched is None:
            self._known = Known(outcome.groups, outcome.lost)
            if not outcome.buffers.unhashed:
                self._full_seconds = outcome.seconds
        elif self._known is not None:
            self._known.replace(outcome.touched, outcome.groups, outcome.lost)
        if self._known is not None:
            self._known.missing = outcome.missing
        self._fingerprints.committed(outcome.touched)
        self._environment = (self._recorded, outcome.environment)
        self._outcome, self._in_flight = None, (set(), set())

    def follow(self, sequence: int) -> None:
        """The next save is to change this checkpoint, of which nothing is known here. 0: there is none."""
        self._parent, self._known, self._is_assumed, self._environment = sequence, None, False, None
        self._fingerprints.forget()

    def refused(self) -> None:
        """What was saved last is not to be had: its names are touched still."""
        named, rebound = self._in_flight
        self._named = None if named is None or self._named is None else self._named | named
        self._bindings.rebound |= rebound
        self._fingerprints.refused()
        self._outcome, self._in_flight = None, (set(), set())

    @property
    def parent(self) -> int:
        """The checkpoint that the next one changes; 0: there is none."""
        return self._parent

    def bound(self, cells: Mapping[str, int | None]) -> None:
        """Names were bound between two cells, to values that these cells had made."""
        self._bindings.bound(cells)

    def restored(self, sequence: int, source: Source) -> None:
        """The namespace was restored from this checkpoint: go on with its order of names and their cells."""
        bindings = [(group, binding) for group in source.groups for binding in group.bindings]
        self._bindings.restored([(binding.name, binding.order, group.cell) for group, binding in bindings])
        self.joined(source.spots)
        self.recorder.settings.brought_back(source.settings)
        self.follow(sequence)

    def joined(self, spots: Collection[Spot]) -> None:
        """More of the restored checkpoint is there, with large buffers at these places."""
        self._tracking.saved({name for spot in spots for name in spot.names}, spots)
        self._bindings.joined()

    def remarks(self, sequence: int) -> list[str]:
        """Where in a cell this checkpoint was saved, if not at an end, and with what that is not so here."""
        self._hasty.refresh()
        manifest = self._hasty.manifest(sequence)
        differs = what_differs(self._hasty.environment(manifest), self.recorder.record())
        return [text for text in (where_in_cell(manifest), differs) if text]

    @property
    def is_midway(self) -> bool:
        """Whether the cell still runs."""
        return self._line is not None

    @property
    def full_seconds(self) -> float:
        """How long it took last to save everything."""
        return self._full_seconds

    @property
    def is_verified(self) -> bool | None:
        """Whether the last checkpoint is what the namespace was, and does not rest on what a cell can touch.

        None: there is none that this worker made.
        """
        return None if self._known is None else not self._is_assumed

    def start(
        self, cell: int | None, label: str | None, limits: Limits = NO_LIMITS, scope: Scope = "touched"
    ) -> tuple[int, str]:
        """Save the namespace as it is now; the pid of the child that does it and the name of its proposal.

        Pid 0: there is no child, and the proposal is made. What `limits` do not let through is recorded as unsaved.
        `audit`: save the whole, and propose it only if it differs. WorkerBusy: a child is running. NoFork: it is to be
        done in slices (slicing.py).
        """
        if self._running is not None:
            raise WorkerBusy("a checkpoint is being saved already; wait until it is done")
        definitions = self._bindings.definitions()
        touched = self._touched(definitions) if scope == "touched" and not self.waiting else None
        job = self.make_job(cell, label, limits, touched)
        if self.waiting:
            job = beside(job, self._hasty, self.waiting, self._bindings)
        elif touched is not None:
            if self._save_inline(job, touched, definitions):
                return 0, job.name
            # What was begun may have left a pack of that name.
            job = replace(job if self._full_seconds >= SMALL_SECONDS else job.whole(), name=self._new_name(cell))
        reason = why_not_fork()
        if reason is not None:
            raise NoFork(reason, touched)
        self._fingerprints.look(job.touched or touched or (), definitions)
        streams = standard_streams()
        self._note.clear()
        claim = self._claim(job.name)
        seen = self._tracking.look(job.touched)
        job = replace(job, audit=scope == "audit", earlier=seen, reads_all=scope != "touched")
        try:
            pid = fork()
        except OSError as exc:
            if claim is not None:
                claim.release()
            raise NoFork(f"no process can be started to save: {exc.strerror}", touched) from exc
        if pid == 0:
            self._be_child(job, streams, claim)
        if claim is not None:
            claim.leave_to_child()
        self._running = (pid, job.name)
        self.put_in_flight()
        return self._running

    # --- in slices (slicing.py) ------------------------------------------------------------------------------

    def open_store(self) -> Store:
        """The store, for somebody who writes to it between two cells."""
        return Store.open(self._store_path, key=None, writer=False, files=UNSYNCED)

    def snapshot(self, job: Job) -> tuple[Snapshot, Lent]:
        """The namespace as it is now, and what it is pickled with."""
        hidden, streams = self._bindings.hidden, standard_streams()
        return Snapshot(self.namespace, hidden, streams, job.cells, job.touched), self.lent

    def hints(self, touched: Collection[str] | None) -> Seen:
        """What large buffers held when they were saved last, for who compares."""
        return self._tracking.hints(touched)

    def touched_since(self, overlay: Callable[[Known | None, dict[str, object]], Known]) -> frozenset[str] | None:
        """What the cells touched that ran since `put_in_flight`; None: anything.

        `overlay` makes of what the last checkpoint holds what is known by now.
        """
        if self._named is None or has_other_threads():
            return None
        known = overlay(self._known, self.namespace)
        named = self._named | self._bindings.aliases()
        found = known.closure(named, self._bindings.rebound, lambda name: uses_of(self.namespace.get(name)))
        return None if found is None else frozenset(found)

    def sliced(self, outcome: Outcome) -> None:
        """It is proposed, or an audit found nothing; before `committed` or `refused` is said of it."""
        self._fingerprints.look(outcome.touched or (), self._bindings.definitions())
        self.note_outcome(outcome)

    def _claim(self, name: str) -> Claim | None:
        """Said before the fork, or a host that sees the worker die right after it would not wait for the child."""
        with suppress(StoreError):
            return self._hasty.proposals.claim(name)
        return None  # the store is being pruned, for instance: the child waits for that, and claims it then

    @property
    def _hasty(self) -> Store:
        """The store for what the main thread does with it: without waiting for the disk or for others."""
        if self._store is None:
            self._store = Store.open(self._store_path, key=None, writer=False, files=UNSYNCED)
        return self._store

    def put_in_flight(self, also: bool = False) -> None:
        """What was touched so far is being saved; `also`: with what was on its way already."""
        named, rebound = self._in_flight if also else (set(), set())
        both = None if named is None or self._named is None else named | self._named
        self._in_flight = (both, rebound | self._bindings.rebound)
        self._named, self._bindings.rebound = set(), set()

    def _save_inline(self, job: Job, touched: frozenset[str], definitions: dict[int, str]) -> bool:
        """Propose what is small without a child; False if that cannot be."""
        snapshot = TouchedSnapshot(self.namespace, self._bindings.in_order(touched), definitions, job.cells)
        try:
            self._outcome = Proposing(job, snapshot, partial(pickle_inline, limits=job.limits)).run(self._hasty)
        except (NotInline, StoreError):  # the child knows more ways, and tells what is wrong
            return False
        self.put_in_flight()
        return True

    def _touched(self, definitions: dict[int, str]) -> frozenset[str] | None:
        """What must be saved anew; None: everything."""
        if self._known is None or self._named is None or has_other_threads():
            return None
        bindings, known = self._bindings, self._known
        aliases = bindings.aliases()
        named = self._named | aliases | self._tracking.written()
        reached = known.closure(named, bindings.rebound, lambda name: uses_of(self.namespace.get(name)))
        if reached is None:
            return None
        # What refers to a name that means something else now is to be saved with what it meant.
        moved = {*bindings.rebound, *aliases, *known.users_of(bindings.rebound)}
        same = self._fingerprints.unchanged(reached - moved, definitions)
        for group in known.groups_of(same):
            if not same.issuperset(group.names):
                same.difference_update(group.names)
        return frozenset([name for name in reached - same if name in bindings or known.has(name)])

    def kill(self) -> None:
        """End the child that is at work; `reap` says so."""
        running = self._running  # the thread in `reap` takes it away
        if running is not None:
            with suppress(ProcessLookupError):
                os.kill(running[0], signal.SIGKILL)

    def reap(self) -> Ended:
        """Wait for the child. Blocks; call it on a thread of its own, once for each `start`."""
        if self._running is None:
            raise WorkerError("no checkpoint is being saved")
        ended = self._note.wait(*self._running)
        self._running = None
        return ended

    def note_outcome(self, outcome: Outcome | None) -> bool:
        """What `reap` returned; before `committed` or `refused` is said of it.

        False: an audit found that memory had changed which the kernel had called unchanged.
        """
        self._outcome = outcome
        if outcome is None:
            self.refused()
            return True
        self.child_seconds = outcome.seconds
        self._tracking.saved(outcome.touched, outcome.buffers.spots)
        if not outcome.is_new:
            self.committed(self._parent)  # an audit that found the checkpoint right
        return not self._tracking.is_refuted(outcome.buffers.refuted)

    def _new_name(self, cell: int | None) -> str:
        self._started += 1
        return f"c{cell or 0}-{os.getpid()}-{self._started}-{os.urandom(4).hex()}"

    def make_job(self, cell: int | None, label: str | None, limits: Limits, touched: frozenset[str] | None) -> Job:
        """All that a save of these names needs to be told, under a name that no other has."""
        known = self._known if touched is not None else None
        recorded, chunk = self._environment or (None, None)
        self._recorded = self.recorder.record(self.is_midway)
        return Job(
            name=self._new_name(cell),
            cell=cell,
            label=label,
            line=self._line,
            parent=self._parent,
            limits=limits,
            cells=dict(self._bindings.cells),
            orders=dict(self._bindings.orders),
            environment=self._recorded,
            environment_chunk=chunk if recorded == self._recorded else None,
            touched=touched,
            audit=False,
            replaced=frozenset(group.id for group in known.groups_of(touched)) if known and touched else frozenset(),
            referred=frozenset(known.referred(touched)) if known and touched else frozenset(),
            lost=frozenset(known.lost - touched) if known and touched is not None else frozenset(),
            missing=known.missing if known else (),
            still_lost=self._bindings.still_lost(),
        )

    def _be_child(self, job: Job, streams: dict[int, str], claim: Claim | None) -> None:
        """Never returns."""
        try:
            become_child(rules_for_heap())
            run_in_child(lambda: self._save(job, streams, claim))
        finally:
            os._exit(FAILED)

    def _pickle(self, job: Job, snapshot: Snapshot) -> Saved:
        return pickle_namespace(snapshot, Dumper(snapshot, self.lent), job.limits, self._breadcrumb)

    def _save(self, job: Job, streams: dict[int, str], claim: Claim | None) -> int:
        try:
            snapshot = Snapshot(self.namespace, self._bindings.hidden, streams, job.cells, job.touched)
            store = Store.open(self._store_path, key=None, writer=False)
            if claim is not None:
                store.proposals.inherit(job.name, claim)
            self._note.tell_saved(Proposing(job, snapshot, partial(self._pickle, job)).run(store))
            return DONE
        except StoreFull as exc:
            self._note.tell(str(exc))
            return DISK_FULL
        except BaseException as exc:  # the child has nobody to raise to; the reason must reach the user
            self._note.tell(f"saving failed: {describe(exc)}")
            return FAILED
