"""When to save and restore: one checkpoint after every cell, never two at once, a retry without what kills it.

Runs in: worker, on its main thread.
"""

from __future__ import annotations

import time
import types
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from pyshell.blackbox import SAVING, BlackBox
from pyshell.errors import StoreError, WorkerError
from pyshell.protocol import (
    CheckedOut,
    CheckoutFailed,
    CheckpointStarted,
    Loaded,
    Notice,
    RestoreNamespace,
    SaveFailed,
    Settled,
    TakeCheckpoint,
    Verified,
)  # fmt: skip
from pyshell.worker import cell as cells
from pyshell.worker.autosaving import Midway
from pyshell.worker.checkpoints import importing
from pyshell.worker.checkpoints.auditing import Assumed, seconds_to_audit
from pyshell.worker.checkpoints.checkpoint import Checkpointer, Scope
from pyshell.worker.checkpoints.reaping import Reaper
from pyshell.worker.checkpoints.resuming import Resuming
from pyshell.worker.checkpoints.suspects import Suspects
from pyshell.worker.checkpoints.telling import Ended, Reaped
from pyshell.worker.checkpoints.tracking import NOT_TRACKED
from pyshell.worker.checkpoints.travel import Journey, Travel
from pyshell.worker.forking import NoFork
from pyshell.worker.namespace import Namespace
from pyshell.worker.pickles.limits import Limits
from pyshell.worker.pickles.refusals import describe
from pyshell.worker.sender import Sender
from pyshell.worker.surroundings import Surroundings

if TYPE_CHECKING:
    from pyshell.worker.checkpoints.slicing import Slicing

MAX_REASON = 1_000
Submit = Callable[[Reaped], None]


class Saving:
    """Owner: the main thread. `submit` brings a task to it from the thread that waits for the child."""

    def __init__(
        self, surroundings: Surroundings, namespace: Namespace, box: BlackBox, sender: Sender, submit: Submit
    ) -> None:
        self._surroundings, self._namespace = surroundings, namespace
        self._box, self._sender, self._submit = box, sender, submit
        self._lent: dict[str, types.ModuleType] = {}
        drop_crumb = partial(box.drop_crumb, SAVING)
        self._checkpointer = Checkpointer(surroundings.store, namespace.bindings, self._lent, drop_crumb)
        self._cell: int | None = None
        self._suspects = Suspects()
        self.waiting: TakeCheckpoint | None = None
        """What is to be saved when the save under way is settled."""
        self._running: TakeCheckpoint | None = None
        self._unsettled: str | None = None
        self._child_runs = False
        self._settled_early: Settled | None = None
        self._is_audit = False
        """Or from the middle of a cell: it gives way to what a cell's end has to save."""
        self._assumed = Assumed()
        self.resuming = Resuming(surroundings, namespace, box, sender, self._checkpointer)
        self.late = self.resuming.late
        self.journeys = Travel(surroundings.store, namespace, self._checkpointer, self._lent, self.resuming.caution)
        self._journey: Journey | None = None
        self._is_saved = False
        """Whether the namespace is what the last checkpoint says: no cell has run since it was loaded from there."""
        self._failure = ""  # why the last attempt to save came to nothing
        self._began = 0.0  # when the last save did
        self._was_proposed = False
        self._is_overtaken = False
        """Whether what is proposed changes what is not HEAD any more: it will be refused, and is made again."""
        self._slicing: Slicing | None = None  # made when it is needed first
        self._fatal: tuple[str, ...] = ()
        self._why_sliced = ""  # why no process could be forked for the last save
        self._reaper = Reaper()

    def load_dill(self) -> None:
        """Import the lent dill, and hide it again: the user may have another one, or none."""
        # At its import it changes the user's own pickle module; `extend` imports more of it.
        self._lent.update(self._surroundings.borrow_dill(lambda dill: dill.extend(False)))
        importing.offer(self._lent, self._namespace)

    # --- saving ---------------------------------------------------------------------------------------

    def save_after(self, cell: int, named: Collection[str] | None) -> None:
        """The cell has ended: save now, or as soon as the save under way is settled. `named`: see note_names."""
        self._cell = cell
        self._assumed.add_cell()
        self._is_saved = False
        self._suspects.look(self._namespace.variables)
        self._checkpointer.note_names(named)
        self._abandon_audit()
        if self._slicing is not None and self._slicing.is_on:
            self._slicing.absorb(cell, self._limits)
        else:
            self.save(None)

    def note_between(self) -> None:
        """Code ran between two cells, which can have touched anything."""
        self._is_saved = False
        self._checkpointer.doubt()
        if self._running is not None:  # whose end would seem to verify what it has not seen
            self.save(None)

    def note_midway(self, midway: Midway, named: Collection[str] | None) -> None:
        """The cell still runs: what is saved from here on is from its middle. `named`: see note_names."""
        self._cell, self._is_saved = midway.cell, False
        self._checkpointer.note_names(named, midway.line)

    def save_midway(self) -> float | None:
        """Begin, once the save before it is settled; the seconds that the last child took. None: not now."""
        if self._running is not None or self.is_slicing:
            return None
        self._is_audit = True
        self._start(TakeCheckpoint(None))
        return None if self._running is None else self._checkpointer.child_seconds

    def save(self, label: str | None) -> None:
        if label is not None:  # of all that there is
            self.late.complete()
        if self._running is None:
            self._start(TakeCheckpoint(label))
        else:
            self.waiting = TakeCheckpoint(label or (self.waiting.label if self.waiting else None))

    @property
    def is_behind(self) -> bool:
        """Whether what a cell did waits for the host's word on the state before it, or for the end of an audit."""
        return self.waiting is not None and not (self.is_slicing or (self._child_runs and not self._is_audit))

    @property
    def seconds_to_audit(self) -> float | None:
        """How long the session must be idle for an audit; None: there is nothing to find."""
        sees_all = not (self._why_sliced and self._failure)
        if self._checkpointer.is_verified is not False or self._running is not None or not sees_all:
            return None
        return seconds_to_audit(self._checkpointer.full_seconds, bool(self._why_sliced))

    def audit(self) -> None:
        """The session is idle: see whether the last checkpoint is what saving everything gives."""
        self._is_audit = True
        self._start(TakeCheckpoint(None))

    @property
    def _limits(self) -> Limits:
        return replace(self._surroundings.limits, crashed=self._suspects.names(time.monotonic()))

    def _abandon_audit(self) -> None:
        """A cell has ended meanwhile: what it did is more urgent."""
        if self._is_audit and self._child_runs:
            self._checkpointer.kill()
        elif self._is_audit:
            self._abandon_slices()

    def _start(self, request: TakeCheckpoint) -> None:
        self._box.drop_crumb(SAVING, "")
        scope: Scope = "touched"
        if request.label is not None:
            scope = "whole"
        elif self._is_audit or self._journey is not None:
            scope = "touched" if self._checkpointer.is_midway else "audit"
        elif self._assumed.is_much and not self._why_sliced:  # there it would be in the way of the next cells
            scope = "whole"
        if scope != "touched":
            self._assumed.clear()
        try:
            pid, proposal = self._checkpointer.start(self._cell, request.label, self._limits, scope)
        except NoFork as exc:
            if self.late.is_on:
                self._fail(str(exc))  # and is tried again when all is there
            elif self._checkpointer.is_midway:
                self._is_audit = False  # in slices only what stands still can be saved
            else:
                self._slice(request, scope, exc)
            return
        except Exception as exc:  # user code may have broken what this stands on, as `del sys.stdout` does
            reason = f"the namespace could not be looked through: {type(exc).__name__}: {cells.message_of(exc)}"
            self._fail(str(exc) if isinstance(exc, WorkerError) else reason[:MAX_REASON])
            return
        self._failure = ""
        self._running, self._unsettled, self._began = request, proposal, time.monotonic()
        self._sender.report(CheckpointStarted(pid, proposal), self._cell)
        if pid:
            self._child_runs, self._why_sliced = True, ""
            self._reaper.reap(self._reap)
        else:
            self._was_proposed, self._is_audit = True, False

    def _fail(self, reason: str) -> None:
        self._failure, self._is_audit, self.late.is_urgent = reason, False, True
        self._sender.report(SaveFailed(reason), self._cell)

    def _reap(self) -> None:
        self._submit(Reaped(self._checkpointer.reap()))

    # --- without another process ------------------------------------------------------------------------

    @property
    def is_slicing(self) -> bool:
        """Whether `slice` has something to do."""
        return self._slicing is not None and self._slicing.is_on

    def _slice(self, request: TakeCheckpoint, scope: Scope, why: NoFork) -> None:
        from pyshell.worker.checkpoints import slicing  # where processes can be forked nobody needs it

        if self._slicing is None:
            watchman = slicing.Watchman(self._surroundings, self._box, self._namespace.variables)
            self._slicing = slicing.Slicing(self._checkpointer, watchman, self._fatal)
        if not self._why_sliced:
            self._sender.report(Notice(f"{why}. {slicing.IN_SLICES}"), self._cell)
        self._why_sliced, self._failure, self._running = str(why), "", request
        try:
            self._slicing.begin(slicing.Wanted(self._cell, request.label, self._limits, scope), why.touched)
        except StoreError as exc:
            self._running = None
            self._fail(str(exc))
            return
        self._reaper.watch(self._slicing.watch)

    def slice(self) -> None:
        """No task waits: save the next group."""
        assert self._slicing is not None
        try:
            outcome = self._slicing.step()
        except Exception as exc:  # a full disk; or user code has broken what this stands on
            self._abandon_slices()
            self._fail(describe(exc))
            self._go_on()
            return
        if outcome is None:
            return
        self._is_audit = False
        self._was_proposed = outcome.is_new
        if outcome.is_new:
            self._unsettled = self._slicing.proposal
            self._sender.report(CheckpointStarted(0, self._unsettled), self._cell)
        else:
            self._go_on()

    def pause(self) -> None:
        """A task has come."""
        if self._slicing is not None:
            self._slicing.pause()

    def _abandon_slices(self) -> None:
        if self._slicing is not None and self._slicing.is_on:
            self._slicing.abandon()
            self._is_audit, self._running = False, None

    def reaped(self, ended: Ended) -> None:
        """The child has ended. If a value's own code may have ended it, save again (suspects.py)."""
        self._wait_for_child()
        was_audit, self._is_audit = self._is_audit, False
        if not self._checkpointer.note_outcome(ended.outcome):
            self._sender.report(Notice(NOT_TRACKED))
        self._was_proposed = ended.outcome is not None and ended.outcome.is_new
        request = self._running
        if request is None:
            return
        self._take_reason(ended, request, was_audit)
        if self._settled_early is not None:
            early, self._settled_early = self._settled_early, None
            self.settle(early)

    def _take_reason(self, ended: Ended, request: TakeCheckpoint, was_audit: bool) -> None:
        now = time.monotonic()
        if not ended.reason:
            self._suspects.went_well(now)
            self._go_on()
            return
        culprit, self._unsettled = self._box.crumb(SAVING), None
        if was_audit:  # given up for a cell, or something that the next save finds as well
            self._suspects.rest(culprit, now)
        elif self._suspects.died(culprit, self._namespace.variables, now, now - self._began):
            self.waiting = self.waiting or request
        elif ended.was_ended and not (culprit or self.late.is_on):  # twice, and nobody's code is to blame
            request, self.waiting = self.waiting or request, None
            self._slice(request, "whole", NoFork(ended.reason, None))
            return
        else:
            self._fail(ended.reason)
        self._go_on()

    def settle(self, settled: Settled) -> None:
        """The host has committed the proposal, or refused it."""
        if settled.proposal != self._unsettled:
            if settled.checkpoint is not None:  # it was given up for dead, and was complete
                self._checkpointer.follow(settled.checkpoint)
                self._is_overtaken = self._unsettled is not None
                if self.is_slicing:  # what that changes is not HEAD any more
                    self._abandon_slices()
                    self.save(None)
            return
        if self._child_runs:
            self._settled_early = settled  # the child's end, which comes by another way, must be heard first
            return
        if settled.checkpoint is not None:
            self._checkpointer.committed(settled.checkpoint)
        else:
            self._checkpointer.refused()
            if self._is_overtaken:
                self.waiting = self.waiting or self._running
            elif self._was_proposed:
                self._failure = "the host could not commit it"
        self._is_overtaken = False
        self._unsettled = None
        self._go_on()

    def _go_on(self) -> None:
        """Once the child has ended and the host has spoken, start what waits."""
        if self._child_runs or self._unsettled is not None:
            return
        self._running = None
        if self.waiting is not None:
            request, self.waiting = self.waiting, None
            self._start(request)
        if self._running is None:
            if self._checkpointer.is_verified and not self._checkpointer.is_midway:
                self._sender.report(Verified(self._cell))
            self._depart()

    # --- going to another checkpoint ------------------------------------------------------------------

    def travel(self, journey: Journey) -> None:
        """Once the namespace is saved, take it to another checkpoint or take names from one."""
        self.late.complete()
        self._journey = journey
        if not self._is_saved:
            # Also right after a cell's own save, which rests on what the cell can have touched: this one is whole.
            self.save(None)
        self._go_on()

    def _depart(self) -> None:
        if self._journey is None:
            return
        journey, self._journey = self._journey, None
        if self._failure and not self._is_saved:
            reason = f"the present state could not be saved, and would be lost: {self._failure}"
            self._sender.report(CheckoutFailed("StoreError", reason))
            return
        arrival = self.journeys.go(journey)
        self._sender.report(arrival)
        if not isinstance(arrival, CheckoutFailed):
            self.resuming.tell_remarks(arrival.checkpoint)
        if isinstance(arrival, Loaded):
            self._is_saved = False
            self.save(None)
        elif isinstance(arrival, CheckedOut):
            self._is_saved = True

    def finish(self) -> None:
        """The host does not listen any more: complete what is under way, then save what waits."""
        self._complete()
        if self.waiting is None:
            return
        # Whether the last proposal was committed is not known, so this one must not build on it.
        self.late.complete()
        self._checkpointer.committed(0)
        request, self.waiting, self._running = self.waiting, None, None
        self._start(request)
        self._complete()

    def _complete(self) -> None:
        self._wait_for_child()
        while self.is_slicing:
            self.slice()

    def _wait_for_child(self) -> None:
        if self._child_runs:
            self._reaper.wait()
            self._child_runs = False

    # --- restoring --------------------------------------------------------------------------------------

    def load_rest(self) -> bool:
        """Go on loading until a task comes; True if that was the last of it."""
        is_done = self._running is None and self.late.go_on()
        if is_done and self._failure:
            self.save(None)
        return is_done

    def restore(self, request: RestoreNamespace) -> None:
        """Fill the empty namespace, and tell what came back."""
        self._fatal = request.fatal
        self._is_saved = self.resuming.restore(request)
