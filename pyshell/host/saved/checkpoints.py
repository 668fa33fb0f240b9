"""Commit what the worker's children propose: watch each child, then make its proposal a checkpoint.

Runs in: host, on a thread of its own, the only user of the store. It moves bytes and never unpickles them.
"""

from __future__ import annotations

import os
import queue
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from pyshell.errors import StoreError
from pyshell.exits import exit_watch
from pyshell.frozen import dataclass
from pyshell.host.processes.stalling import Stalling
from pyshell.host.saved import timeline
from pyshell.protocol import Checkpoint, Saved, SaveFailed, Unsaved
from pyshell.store import Manifest, Pruned, Retention, Store
from pyshell.store.prune import KEEP

SAVE_SECONDS = 900.0
"""After this a child that saves is taken to hang, and is killed; one that computes has a limit of its own."""
STALL_SECONDS = 10.0
"""A child that sleeps for so long without using the processor will never end."""
LEFTOVER_SECONDS = 60.0
"""The same for a child whose worker has died: somebody waits for the state."""
MAX_UNSAVED = 1000
"""Unsaved names that one event lists."""
PRUNE_EVERY = 20

T = TypeVar("T")


@dataclass(frozen=True)
class Verdict:
    """What became of a proposal; `body` is the event that tells it."""

    proposal: str
    cell: int | None
    manifest: Manifest | None
    body: Saved | SaveFailed | None
    """None: the child proposed nothing; the worker knows why, and tells it or tries again."""


class Checkpoints:
    """Owner of the store: its own thread. Any thread may call the methods; results come by callback."""

    def __init__(self, path: Path, key: bytes, retention: Retention = KEEP) -> None:
        self._path = path
        self._key = key
        self._retention = retention
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._hurry = threading.Event()
        self._opened = threading.Event()
        self._failure: StoreError | None = None
        self._commits = 0
        self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)
        self._thread.start()
        self._opened.wait()
        if self._failure:
            raise self._failure

    def watch(self, pid: int, proposal: str, done: Callable[[Verdict], None]) -> None:
        """Wait for the child that saves, then commit its proposal; 0: there is no child, and the proposal is there."""
        self._jobs.put(lambda: done(self._settle(pid, proposal)))

    def checkout(self, checkpoint: int, done: Callable[[Manifest | StoreError], None]) -> None:
        """Make an older checkpoint HEAD, the parent of the next."""
        self._jobs.put(lambda: done(self._check_out(checkpoint)))

    def settle_leftovers(self, done: Callable[[list[Verdict]], None]) -> None:
        """After a worker's death: wait for its children, commit what they proposed, and clean up."""
        self._hurry.set()
        self._jobs.put(lambda: done(self._settle_leftovers()))

    def candidates(self) -> list[int]:
        """Checkpoints that can be restored, newest first, along the timeline of the newest."""
        return self._ask(self._candidates)

    def listing(self) -> tuple[Checkpoint, ...]:
        """Saved states, oldest first."""
        with self.reading() as store:
            return timeline.listing(store).checkpoints

    def reading(self) -> Store:
        """A reader of the caller's own, to be closed: the owner may be waiting for a child that saves."""
        return Store.open(self._path, key=self._key, writer=False)

    def head(self) -> Manifest | None:
        """The newest checkpoint. Waits for the owner, as `candidates` does."""
        return self._ask(lambda: self._store.head)

    def find_modules(self, done: Callable[[tuple[str, ...]], None]) -> None:
        """Call back with the names of the modules that the newest checkpoint binds, in their order."""
        self._jobs.put(lambda: done(self._modules()))

    def label(self, checkpoint: int, label: str | None) -> None:
        """Name a checkpoint, which keeps it for ever; None takes the name away. CheckpointNotFound."""
        self._ask(lambda: self._store.label(checkpoint, label))

    def prune(self) -> Pruned:
        """Forget what the rule does not keep, now."""
        return self._ask(lambda: self._store.prune(self._retention))

    def damage(self) -> tuple[str, ...]:
        """What opening the store found broken, as sentences; it costs what they name and no more."""
        return self._ask(lambda: self._store.damage)

    def repairs(self) -> tuple[str, ...]:
        """What opening the store mended after a crash: nothing that anybody would miss."""
        return self._ask(lambda: self._store.repairs)

    def close(self) -> None:
        self._hurry.set()
        self._jobs.put(None)
        self._thread.join()

    def _ask(self, job: Callable[[], T]) -> T:
        answer: Future[T] = Future()

        def run() -> None:
            try:
                answer.set_result(job())
            except StoreError as exc:
                answer.set_exception(exc)

        self._jobs.put(run)
        return answer.result()

    def _run(self) -> None:
        try:
            self._store = Store.open(self._path, key=self._key, writer=True)
        except StoreError as exc:
            self._failure = exc
            return
        finally:
            self._opened.set()
        while (job := self._jobs.get()) is not None:
            job()
        self._store.close()

    def follow(self, checkpoint: int) -> None:
        """A worker goes on from this checkpoint: what it saves next follows it, also where HEAD could not be loaded."""

        def follow() -> None:
            head = self._store.head
            if head is not None and head.sequence != checkpoint:
                self._check_out(checkpoint)  # if it fails, so does what the worker saves, and that is told

        self._jobs.put(follow)

    def _check_out(self, checkpoint: int) -> Manifest | StoreError:
        try:
            return self._store.checkout(checkpoint)
        except StoreError as exc:
            return exc

    def _settle(self, pid: int, proposal: str) -> Verdict:
        if pid:
            stalling = Stalling(pid, STALL_SECONDS)
            if not wait_for_exit(pid, SAVE_SECONDS, self._hurry, stalling.is_stuck):
                _kill_child(pid)
        return self._commit(proposal)

    def _settle_leftovers(self) -> list[Verdict]:
        deadline = time.monotonic() + LEFTOVER_SECONDS
        while self._store.parts() and time.monotonic() < deadline:
            time.sleep(0.005)
        self._hurry.clear()
        return [self._commit_leftover(name) for name in sorted(self._store.waiting(), key=self._age)]

    def _age(self, proposal: str) -> tuple[int, float]:
        """By cell, then by time: a later state must not be followed by an earlier one."""
        try:
            found = self._store.proposals.read(proposal)
        except StoreError:
            return -1, 0.0  # damaged: the commit says so
        return found.cell or 0, found.time

    def _commit_leftover(self, proposal: str) -> Verdict:
        head = self._store.head
        if head is not None and 0 <= self._age(proposal)[0] < (head.cell or 0):
            self._discard(proposal)  # it took so long to write that a later state was committed meanwhile
            return Verdict(proposal, None, None, None)
        return self._commit(proposal)

    def _commit(self, proposal: str) -> Verdict:
        try:
            if proposal not in self._store.waiting():
                return Verdict(proposal, None, None, None)
            manifest = self._store.commit(proposal)
        except StoreError as exc:
            self._discard(proposal)
            return Verdict(proposal, None, None, SaveFailed(str(exc)))
        self._tidy()
        return Verdict(proposal, manifest.cell, manifest, _saved(manifest))

    def _tidy(self) -> None:
        self._commits += 1
        if self._commits % PRUNE_EVERY == 0:
            with suppress(StoreError):  # the checkpoint is committed; what could not be pruned now is pruned later
                self._store.prune(self._retention)

    def _discard(self, proposal: str) -> None:
        with suppress(StoreError):  # it failed for the same reason, which is told; garbage is pruned later
            self._store.discard(proposal)

    def _modules(self) -> tuple[str, ...]:
        try:
            groups = self._store.modules(self._store.head) if self._store.head is not None else []
        except StoreError:
            return ()  # whoever restores it is told
        bound = [binding for group in groups for binding in group.bindings]
        return tuple(dict.fromkeys(binding.type for binding in sorted(bound, key=lambda binding: binding.order)))

    def _candidates(self) -> list[int]:
        found: list[int] = []
        number = self._store.head.sequence if self._store.head is not None else 0
        while number:
            found.append(number)
            number = self._store.parent(number)
        return found


def _saved(manifest: Manifest) -> Saved:
    return Saved(manifest.sequence, unsaved_of(manifest), manifest.seconds, manifest.written, manifest.line)


def unsaved_of(manifest: Manifest) -> tuple[Unsaved, ...]:
    """The names that a checkpoint could not hold, at most MAX_UNSAVED of them."""
    return tuple([Unsaved(m.name, m.type, m.reason, m.cell) for m in manifest.missing[:MAX_UNSAVED]])


def wait_for_exit(
    pid: int, seconds: float, hurry: threading.Event, is_stuck: Callable[[], bool] = lambda: False
) -> bool:
    """Wait for a process that is not our child. False if it still runs after the time, or is stuck."""
    deadline = time.monotonic() + seconds
    with exit_watch(pid) as has_ended:
        while not has_ended():
            if hurry.is_set():
                deadline = min(deadline, time.monotonic() + LEFTOVER_SECONDS)
                hurry.clear()
            if time.monotonic() >= deadline or is_stuck():
                return False
    return True


def _kill_child(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # it ended in this moment
