"""Keep a second worker up and waiting: a death then costs neither an interpreter's start nor its imports.

Runs in: host, on the supervisor's thread; the spare's own threads wait in `Spare`.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from pyshell.blackbox import LOADING
from pyshell.errors import ConnectionLost
from pyshell.host.loop import Loop
from pyshell.host.processes.birth import Place, bear
from pyshell.host.processes.ordering import Shown
from pyshell.host.processes.process import Listener, WorkerProcess
from pyshell.memory import free_memory
from pyshell.protocol import Prepare, Reports

IDLE_SECONDS = 3.0
"""How long nothing must have happened: a spare that comes up takes processor time from whoever works."""
KEEP_SECONDS = 3600.0
"""A spare of a session that nobody has used for so long is ended, until there is something to save again."""
MEMORY_RESERVE = 1 << 30
"""Bytes that must be free: a spare takes some of them, 30 MB and what the modules need."""
PREPARE_SECONDS = 30.0
"""An import that takes longer is taken to hang; the worker is better off without that spare."""
MAX_DEATHS = 3
"""Spares that may die or hang while they wait. After the first one they import nothing ahead."""

Modules = tuple[str, ...]


class Spare:
    """A worker that has come up. What it says waits, together with the thread that brings it, until it is taken.

    Owner: the supervisor's thread.
    """

    def __init__(self, place: Place) -> None:
        self._listener: Listener | None = None
        self._decided = threading.Event()
        self._is_ready = False
        self._modules: Modules = ()
        self._stamp: tuple[Modules, tuple[int, ...]] | None = None
        self._asked = 0.0
        self._place, self._python = place, place.python
        newborn = bear(place)
        _step_back(newborn.process.pid)
        self._lock = threading.Lock()
        """Guards `_is_ready`, `_modules` and the making of `worker`."""
        with self._lock:
            self.worker = WorkerProcess(Listener(self._on_piece, self._on_reports, self._on_exit), newborn)

    @property
    def was_killed(self) -> bool:
        """Whether somebody else killed it: the kernel takes a spare first when memory runs out."""
        return (self.worker.exit_status or 0) & 0x7F == signal.SIGKILL

    @property
    def is_current(self) -> bool:
        """Whether it is of the session's interpreter, and what it has imported is still what is installed."""
        if self._python != self._place.python:
            return False
        return self._stamp is None or _times(self._stamp[0]) == self._stamp[1]

    @property
    def is_fit(self) -> bool:
        """Whether it lives, and does not hang in an import."""
        late = time.monotonic() > self._asked + PREPARE_SECONDS
        return self.worker.exit_status is None and not (late and self.worker.box.crumb(LOADING))

    def prepare(self, modules: Modules) -> None:
        """Let it import these, too, as soon as it can."""
        with self._lock:
            wanted = tuple([module for module in modules if module not in self._modules])
            self._modules += wanted
            if self._is_ready and wanted:
                self._ask(wanted)

    def give(self, listener: Listener) -> WorkerProcess:
        """It is the session's worker from here on; `listener` hears all that it has said so far."""
        _step_forward(self.worker.pid)
        self.worker.count_anew()
        self._listener = listener
        self._decided.set()
        return self.worker

    def drop(self) -> None:
        """Nobody wants it: end it. Its threads clean up behind it."""
        self.worker.kill()
        self._decided.set()

    # --- on its threads

    def _on_piece(self, piece: Shown | int) -> None:
        self._decided.wait()
        if self._listener is not None:
            self._listener.on_piece(piece)

    def _on_reports(self, reports: Reports) -> None:
        if not self._decided.is_set():
            with self._lock:
                if not self._is_ready and self._modules:
                    self._ask(self._modules)
                self._is_ready = True
        self._decided.wait()
        if self._listener is not None:
            self._listener.on_reports(reports)

    def _on_exit(self) -> None:
        self._decided.wait()
        if self._listener is not None:
            self._listener.on_exit()
        else:
            with self._lock:
                self.worker.terminal.close()

    def _ask(self, modules: Modules) -> None:
        self._asked = time.monotonic()
        if self.worker.control is not None:
            with suppress(ConnectionLost):  # it has ended: that is found out when it is wanted
                self.worker.control.submit("prepare", Prepare(modules)).add_done_callback(self._on_prepared)

    def _on_prepared(self, answer: Future[Any]) -> None:
        if answer.exception() is None and self._stamp is None:
            places = answer.result().places
            self._stamp = (places, _times(places))


class Standby:
    """At most one spare. Owner: the supervisor's thread.

    `find_modules` calls back, on any thread, with the modules that the newest checkpoint needs.
    """

    def __init__(self, place: Place, loop: Loop, find_modules: Callable[[Callable[[Modules], None]], None]) -> None:
        self._place = place
        self._loop = loop
        self._find_modules = find_modules
        self._spare: Spare | None = None
        self._turn = 0
        """Counts what happened: a timer that was set before something else happened is void."""
        self._deaths = 0

    def rest(self, is_idle: Callable[[], bool]) -> None:
        """Something has ended. If nothing else happens for a while, see to the spare."""
        self._turn += 1
        self._loop.later(IDLE_SECONDS, partial(self._look, self._turn, is_idle))

    def take(self, listener: Listener) -> WorkerProcess | None:
        """The spare, as the session's worker; None if there is none that will do."""
        spare = self._spare
        if spare is None or not spare.is_fit or not spare.is_current:
            self.drop()
            return None
        self._turn += 1
        self._spare = None
        return spare.give(listener)

    def drop(self) -> None:
        """End the spare: what comes next wants a worker that is all new, or none."""
        self._turn += 1
        if self._spare is not None:
            self._spare.drop()
            self._spare = None

    def was_killed(self) -> bool:
        """Whether the spare has been killed by somebody else since it came up."""
        return self._spare is not None and self._spare.was_killed

    def _look(self, turn: int, is_idle: Callable[[], bool]) -> None:
        if turn == self._turn and is_idle():
            self._find_modules(lambda modules: self._loop.post(partial(self._see_to, turn, modules)))

    def _see_to(self, turn: int, modules: Modules) -> None:
        if turn != self._turn:
            return
        spare = self._spare
        self._deaths += spare is not None and not spare.is_fit
        if spare is None or not spare.is_fit or not spare.is_current or not has_room():
            self.drop()
            spare = self._bear() if self._deaths < MAX_DEATHS and has_room() else None
        if spare is not None and not self._deaths:
            spare.prepare(modules)

    def _bear(self) -> Spare | None:
        try:
            self._spare = Spare(self._place)
        except OSError:  # the next worker is started anyhow, and then it is told
            return None
        self._expire_later(self._spare)
        return self._spare

    def _expire_later(self, spare: Spare) -> None:
        self._loop.later(KEEP_SECONDS, partial(self._expire, spare, self._turn))

    def _expire(self, spare: Spare, turn: int) -> None:
        if self._spare is not spare:
            return
        if turn == self._turn:
            self.drop()
        else:
            self._expire_later(spare)


def has_room() -> bool:
    """Whether a spare may have the memory that it needs; also where nobody tells how much there is."""
    free = free_memory()
    return free is None or free >= MEMORY_RESERVE


def _times(places: Modules) -> tuple[int, ...]:
    """When something was last installed into these directories or removed from them; 0 for one that is gone."""
    found = []
    for place in places:
        try:
            found.append(os.stat(place).st_mtime_ns)
        except OSError:
            found.append(0)
    return tuple(found)


def _step_back(pid: int) -> None:
    """Let a process that is only preparing give way: in the processor's queue, and when memory runs out."""
    # Not `nice`: whoever is not root cannot take that back.
    with suppress(OSError, AttributeError):  # macOS has neither
        os.sched_setscheduler(pid, os.SCHED_BATCH, os.sched_param(0))
        _oom_score(pid).write_text("1000")


def _step_forward(pid: int) -> None:
    with suppress(OSError, AttributeError):
        for task in os.listdir(f"/proc/{pid}/task"):
            os.sched_setscheduler(int(task), os.SCHED_OTHER, os.sched_param(0))
        _oom_score(pid).write_text(_oom_score(os.getpid()).read_text())


def _oom_score(pid: int) -> Path:
    return Path(f"/proc/{pid}/oom_score_adj")
