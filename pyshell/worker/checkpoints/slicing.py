"""Save where no process can be forked: in the worker itself, bit by bit while no cell waits.

Runs in: worker, on its main thread; `Watchman.watch` on the one that waits for children, of which there are none.

A save that has begun goes on over the cells that come in between: what they can have touched is done anew, and the
checkpoint is of the state after the last one. Code of the values' own runs in the live process here. It is stopped by a
signal that no handler of the user's hears, after `HANG_SECONDS` without getting on; its name is not tried again as long
as it means the same value. The black box has the name, should the process die of it: the next worker does not try it.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

from pyshell.blackbox import SLICING, BlackBox
from pyshell.errors import StoreError
from pyshell.frozen import dataclass
from pyshell.worker.checkpoints.checkpoint import Checkpointer, Scope
from pyshell.worker.checkpoints.others import has_other_threads
from pyshell.worker.checkpoints.proposing import Outcome
from pyshell.worker.checkpoints.slices import HUNG, Slices
from pyshell.worker.pickles.leaves import Stopped
from pyshell.worker.pickles.limits import Limits
from pyshell.worker.pickles.refusals import type_name
from pyshell.worker.surroundings import Surroundings

HANG_SECONDS = 5.0
"""A value's own code that pickles nothing for so long is taken to hang."""
YIELD_SECONDS = 0.3
"""The same while a cell waits: it is stopped, and tried again afterwards."""
LOOK_SECONDS = 0.1
MAX_DEPTH = 1_000
"""Of the recursion: a deep value must not run over the end of the stack, which only a child has a big one of."""
MAX_WAITS = 1_000
"""Attempts to begin while somebody prunes the store."""
FATAL = "a worker ended while it saved it without another process; bind the name to something else"

T = TypeVar("T")

IN_SLICES = "What is not small is saved in the session's own process, bit by bit while no cell runs."


class Watchman:
    """Ends what takes too long on the main thread. `watch` runs on another thread, everything else on the main one."""

    def __init__(self, surroundings: Surroundings, box: BlackBox, namespace: dict[str, Any]) -> None:
        self._interrupts = surroundings.interrupts
        self._is_wanted = surroundings.is_wanted
        self._box = box
        self._namespace = namespace
        self._beat = 0.0
        """When a value's code got on last; 0: none runs."""
        self._has_hung = False
        self._off_duty = threading.Event()

    def tick(self) -> None:
        if self._beat:
            self._beat = time.monotonic()
        if self._is_wanted():
            raise Stopped

    def has_hung(self) -> bool:
        return self._has_hung

    def run(self, names: tuple[str, ...], function: Callable[[], T]) -> T:
        # What the next worker is to know if this one dies over it: the name, and what kind of value it had.
        self._box.drop_crumb(SLICING, f"{names[0]} {_kind_of(self._namespace.get(names[0]))}")
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(MAX_DEPTH)
        self._has_hung = False
        self._beat = time.monotonic()
        try:
            return self._interrupts.limited(function)
        finally:
            self._has_hung = time.monotonic() - self._beat > HANG_SECONDS
            self._beat = 0.0
            sys.setrecursionlimit(limit)
            self._box.drop_crumb(SLICING, "")

    def begin(self) -> None:
        """Before `watch` is called."""
        self._off_duty.clear()

    def end(self) -> None:
        self._off_duty.set()

    def watch(self) -> None:
        while not self._off_duty.wait(LOOK_SECONDS):
            beat = self._beat
            patience = YIELD_SECONDS if self._is_wanted() else HANG_SECONDS
            if beat and time.monotonic() - beat > patience:
                self._interrupts.end_limited()


def _kind_of(value: object) -> str:
    return type_name(type(value)).replace(" ", "_")


@dataclass(frozen=True)
class Wanted:
    """What is to be saved."""

    cell: int | None
    label: str | None
    limits: Limits
    scope: Scope


class Slicing:
    """Owner: the main thread."""

    def __init__(self, checkpointer: Checkpointer, watchman: Watchman, fatal: Iterable[str]) -> None:
        """`fatal`: the crumbs that earlier workers left when they died."""
        self._checkpointer = checkpointer
        self._namespace = checkpointer.namespace
        self._watchman = watchman
        self._fatal = {name: kind for name, _, kind in (crumb.partition(" ") for crumb in fatal)}
        self._aside: dict[str, int] = {}
        """Names whose values' code did not get on, with the ids of these."""
        self._wanted: Wanted | None = None
        self._touched: frozenset[str] | None = None
        self._slices: Slices | None = None
        self._is_certain = True
        self._seconds = 0.0
        self._waits = 0
        self.proposal = ""
        """The name under which it was proposed."""

    @property
    def is_on(self) -> bool:
        return self._slices is not None

    def begin(self, wanted: Wanted, touched: frozenset[str] | None) -> None:
        """Save these names (None: all), from the next `step` on. StoreError: the store cannot be opened.

        Let `watch` run on another thread meanwhile.
        """
        self._wanted, self._touched = wanted, touched
        store = self._checkpointer.open_store()
        self._slices = Slices(store, self._watchman, self._checkpointer.hints(touched))
        self._is_certain, self._seconds, self._waits = True, 0.0, 0
        self._checkpointer.put_in_flight()
        self._watchman.begin()

    def step(self) -> Outcome | None:
        """Go on for as long as nothing waits, or for one group; the outcome when that was the last.

        StoreError: it has failed.
        """
        slices, started = self._slices, time.perf_counter()
        assert slices is not None
        outcome = None
        try:
            if not slices.is_paused or self._begin_run(slices):
                outcome = slices.step()
                if slices.must_be_whole:
                    slices.must_be_whole, self._touched = False, None
                    slices.pause()
        except Stopped:
            return None
        finally:
            self._seconds += time.perf_counter() - started
        self._aside.update({name: id(self._namespace.get(name)) for name in slices.hung})
        if outcome is None:
            return None
        outcome = replace(outcome, is_certain=self._is_certain, seconds=self._seconds)
        self._end()
        self._checkpointer.sliced(outcome)
        return outcome

    def _begin_run(self, slices: Slices) -> bool:
        wanted = self._wanted
        assert wanted is not None
        limits = replace(wanted.limits, aside=self._reasons())
        job = self._checkpointer.make_job(wanted.cell, wanted.label, limits, self._touched)
        job = replace(job, audit=wanted.scope == "audit", reads_all=False)
        self._is_certain = self._is_certain and not has_other_threads()
        try:
            slices.begin(job, *self._checkpointer.snapshot(job))
        except StoreError as exc:
            self._waits += 1
            if type(exc.__cause__) is not BlockingIOError or self._waits > MAX_WAITS:
                raise
            return False  # the store is being pruned
        self.proposal = job.name
        return True

    def _reasons(self) -> dict[str, str]:
        """Names that are not to be tried, and why."""
        namespace = self._namespace
        self._aside = {name: key for name, key in self._aside.items() if id(namespace.get(name)) == key}
        self._fatal = {name: kind for name, kind in self._fatal.items()
                       if name not in namespace or _kind_of(namespace[name]) == kind}  # fmt: skip
        return {**dict.fromkeys(self._aside, HUNG), **dict.fromkeys(self._fatal, FATAL)}

    def watch(self) -> None:
        """Until this save ends."""
        self._watchman.watch()

    def pause(self) -> None:
        """A cell is about to run."""
        if self._slices is not None:
            with suppress(StoreError):  # what was written is not to be had, and is found to be missing
                self._slices.pause()

    def absorb(self, cell: int, limits: Limits) -> None:
        """A cell has run: its state is the one to save. What it can have touched is done anew."""
        slices = self._slices
        assert slices is not None and self._wanted is not None
        self._wanted = replace(self._wanted, cell=cell, limits=limits)
        since = self._checkpointer.touched_since(lambda known, names: slices.known(known, self._touched, names))
        self._checkpointer.put_in_flight(also=True)
        slices.drop(since)
        # Of what is done nothing rests on a guess where all of it is done anew.
        self._is_certain = since is None
        if self._touched is not None:
            self._touched = None if since is None else self._touched | since

    def abandon(self) -> None:
        """Give it up: what it was to save is touched still."""
        self.pause()
        self._end()
        self._checkpointer.refused()

    def _end(self) -> None:
        self._slices = None
        self._watchman.end()
