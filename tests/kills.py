"""A session that is worked with while its processes are killed, and the ledger of what must survive.

Runs in: tests and benchmarks, against real hosts, workers and saving children.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pyshell
from pyshell.client import Reply, Session
from pyshell.errors import PyshellError, SessionExists, SessionNotFound, TransportError
from pyshell.paths import Roots
from pyshell.protocol import Saved
from pyshell.store import Store
from tests.sessions import another, becomes_true, host_of, until

PATIENCE = 60.0
SIGNALS = (signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGTERM, signal.SIGBUS, signal.SIGFPE)
SMALL = "state = []; ballast = [str(n) for n in range(20_000)]"
"""What a cell changes is saved in the worker itself; a child audits it."""
LARGE = "state = []; ballast = [state, *map(str, range(60_000))]"
"""What a cell changes is saved by a child."""


LATE = "state = []; ballast = [str(n) for n in range(700_000)]"
"""A worker that comes up loads the ballast while its cells run already, which do not name it."""


class StateLost(AssertionError):
    """What was reported as saved is not there, or what is there never was."""


@dataclass
class Ledger:
    """What the session may hold: the states after each finished cell, and the newest that must survive."""

    states: list[list[int]] = field(default_factory=lambda: [[]])
    safe: int = 0
    """Index of the newest state that was reported as saved."""

    def expect(self, found: list[int]) -> None:
        """`found` is one of the states not older than the newest saved one; go on from it."""
        allowed = self.states[self.safe :]
        if found not in allowed:
            raise StateLost(f"{found[-5:]} is none of the {len(allowed)} states since the last saved one, {allowed}")
        self.states = self.states[: self.states.index(found) + 1]
        self.safe = min(self.safe, len(self.states) - 1)


class Script:
    """A session that is worked with, and the ledger of what it was told."""

    def __init__(self, name: str, first: str = SMALL) -> None:
        self.name = name
        self.session = pyshell.start(name)
        self.ledger = Ledger()
        self.by_cell: dict[int, int] = {}
        self.seen = 0
        reply = self.session.run(first, PATIENCE)
        assert reply.status == "ok", reply
        self.by_cell[reply.cell] = 0
        self.wait_saved(reply.cell)

    @property
    def worker(self) -> int:
        """The process number of the worker, which may be on its way."""
        assert becomes_true(lambda: self.session.pid)
        pid = self.session.pid
        assert pid is not None
        return pid

    def append(self, value: int) -> int:
        """Queue a cell that changes the state."""
        return self.session.execute(code_of(value))

    def account(self, reply: Reply, value: int) -> None:
        """Enter the state after a cell. One that died may have been saved before it could say that it had ended."""
        if reply.status in ("ok", "died"):
            self.ledger.states.append([*self.ledger.states[-1], value])
        if reply.status == "ok":
            self.by_cell[reply.cell] = len(self.ledger.states) - 1

    def catch_up(self) -> None:
        """Read the events so far: what was reported as saved must survive from here on."""
        last = self.session.status().last_event
        for event in self.session.events(self.seen):
            self.seen = event.seq
            if isinstance(event.body, Saved) and event.cell in self.by_cell:
                self.ledger.safe = max(self.ledger.safe, self.by_cell[event.cell])
            if event.seq >= last:
                break

    def wait_saved(self, cell: int) -> None:
        for event in self.session.events(self.seen):
            if isinstance(event.body, Saved) and event.cell == cell:
                return

    def reach(self) -> None:
        """Go on with the session after its host may have been killed."""
        self.session.close()
        self.session = start_again(self.name)

    def settle(self, value: int) -> None:
        """Enter how the cell ended that appends the value, if it was taken in at all; it may not have begun."""
        last = self.session.history(limit=1)[-1]
        if last.code != code_of(value) or last.cell in self.by_cell:
            return
        if is_held(self.session, last.cell):
            self.session.cancel(last.cell)
        else:
            self.account(self.session.wait(last.cell, PATIENCE), value)

    def check(self) -> None:
        """The live state is one that it may be; StateLost otherwise."""
        self.catch_up()
        reply = self.session.run("state", PATIENCE)
        assert reply.status in ("ok", "died"), reply
        if reply.status == "died":  # a late kill hit the question itself
            return self.check()
        assert reply.result is not None
        self.ledger.expect(eval(reply.result))
        self.by_cell = {cell: at for cell, at in self.by_cell.items() if at < len(self.ledger.states)}
        self.by_cell[reply.cell] = len(self.ledger.states) - 1
        return None

    def end(self) -> list[str]:
        """End the session; what store.check() finds wrong in what it leaves."""
        self.session.kill()
        self.session.close()
        with store_of(self.name) as store:
            return store.check()


def store_of(name: str) -> Store:
    """The store of a session that has ended."""
    roots = Roots.from_environment(os.environ, str(Path.home()), os.getuid())
    return Store.open(roots.session(name).store, key=roots.key.read_bytes(), writer=True)


@contextmanager
def worked_with(name: str, first: str = SMALL) -> Iterator[Script]:
    """A script whose session is ended, whatever happens."""
    made = Script(name, first)
    try:
        yield made
    finally:
        with suppress(PyshellError):  # it has been ended
            made.session.kill()
        made.session.close()


def code_of(value: int) -> str:
    return f"print({value}); state.append({value})"


def is_held(session: Session, cell: int) -> bool:
    """Whether the cell waits for a person; asked when the worker is back."""
    for event in session.events():
        if event.kind == "state_changed" and event.body.state == "idle" and event.epoch == session.epoch:  # type: ignore[union-attr]
            break
    return any(waiting.cell == cell for waiting in session.queue().cells)


def wait_epoch(session: Session, epoch: int) -> None:
    """Until that worker is ready for cells."""
    for event in session.events():
        if event.epoch >= epoch and event.kind == "restored":
            return


def start_again(name: str) -> Session:
    """The session under another host, as soon as the dead one's lock is free."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return pyshell.start(name)
        except SessionExists:
            # The dead host's lock goes with its last thread.
            if time.monotonic() > deadline:
                raise


def descendants(pid: int) -> list[int]:
    """The children of a process."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def wait_child(parent: int, seconds: float, besides: int = 0) -> int | None:
    """The first child of a process, as soon as it has one."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = [pid for pid in descendants(parent) if pid != besides]
        if found:
            return found[0]
    return None


def kill(pid: int, number: int = signal.SIGKILL) -> bool:
    """Whether the process was still there."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


# --- blows ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Blow:
    """What is killed: `strike(worker, host)` does it, and says how many processes it hit."""

    name: str
    hits_worker: bool
    hits_host: bool
    strike: Callable[[int, int, random.Random], int]


def _worker(worker: int, host: int, rng: random.Random) -> int:
    return kill(worker, rng.choice(SIGNALS))


def _twice(worker: int, host: int, rng: random.Random) -> int:
    """The next worker, too, while it comes up or restores, and a spare one if there is one."""
    hit = kill(worker)
    if wait_child(host, 5.0, besides=worker) is not None:
        threading.Event().wait(rng.uniform(0, 0.3))
    return hit + sum([kill(pid) for pid in descendants(host)])


def _child(worker: int, host: int, rng: random.Random) -> int:
    child = wait_child(worker, 0.1)
    return kill(child, rng.choice(SIGNALS)) if child is not None else 0


def _all(worker: int, host: int, rng: random.Random) -> int:
    victims = [host, worker, *descendants(worker)]
    rng.shuffle(victims)
    return sum([kill(pid) for pid in victims])


BLOWS = (
    Blow("the worker", True, False, _worker),
    Blow("the worker, and the next one", True, False, _twice),
    Blow("a child that saves", False, False, _child),
    Blow("the host", False, True, lambda worker, host, rng: kill(host)),
    Blow("host and worker", True, True, lambda worker, host, rng: kill(host) + kill(worker)),
    Blow("host, worker and children", True, True, _all),
)


Moment = Callable[[Session], object]
"""Waits, with a connection of its own, until it is time to strike."""


def at_random(rng: random.Random, longest: float = 0.06) -> Moment:
    """Some milliseconds after the cell was sent, about as many as it and its saving take."""
    return lambda watching: threading.Event().wait(rng.uniform(0, longest))


def at_step(kind: str, after: int) -> Moment:
    """When the first event of that kind comes."""
    return lambda watching: until(watching, lambda event: event.kind == kind, after)


def play(script: Script, value: int, blow: Blow, moment: Moment, rng: random.Random) -> int:
    """One cell, a blow while it runs or is saved, and the check; how many processes were hit.

    StateLost: what was saved is not there.
    """
    worker, host, epoch = script.worker, host_of(script.session), script.session.epoch
    hit: list[int] = []

    def strike() -> None:
        with another(script.session) as watching:
            ready.set()
            moment(watching)
        hit.append(blow.strike(worker, host, rng))

    ready = threading.Event()
    thread = threading.Thread(target=strike)
    thread.start()
    ready.wait(PATIENCE)
    try:
        script.session.wait(cell := script.append(value), PATIENCE)
    except (TransportError, SessionNotFound):
        if not blow.hits_host:
            raise
    thread.join(PATIENCE)
    if blow.hits_host:
        script.reach()
    elif blow.hits_worker and sum(hit):
        wait_epoch(script.session, epoch + 1)
    elif sum(hit):
        # What two of them in a row were saving when they ended is left out (suspects.py), and that is told.
        script.wait_saved(cell)
    script.settle(value)
    script.check()
    return sum(hit)
