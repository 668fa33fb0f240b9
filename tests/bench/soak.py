"""Work in one session for long, with clients that come and go and everything killed at random:
`python -m tests.bench soak [--minutes 30] [--cells 10000]`.

Runs in: benchmarks.

Three clients, each a process, follow, leave and come back; they are stopped for a while or killed, too. At the end each
must have got every event once and in order, and `store.check()` must find nothing.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pyshell
from pyshell import Session, starting
from pyshell.errors import CallTimeout, PyshellError
from tests.bench.sessions import own_directories
from tests.bench.soak_client import LAST
from tests.kills import SIGNALS, kill, store_of
from tests.sessions import becomes_true

NAME = "soak"
CLIENTS = 3
CELL = "n = n + 1 if 'n' in globals() else 1; print('cell', n); kept = [*kept[-50:], n] if 'kept' in globals() else []"
BEHIND = "import time; time.sleep(0.5); print('behind', n) ;;"
BEHIND_ONE_IN = 20
"""How many cells there are to one in the background; those before it go on, and blows meet it, too."""
PATIENCE = 120.0
KILL_EVERY = 4.0
"""Seconds between two blows, on the average."""


@dataclass
class Client:
    """One follower, and the file that it writes."""

    path: Path
    seed: int
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self) -> None:
        self.seed += CLIENTS
        command = [sys.executable, "-m", "tests.bench.soak_client", NAME, str(self.path), str(self.seed)]
        self.process = subprocess.Popen(command, cwd=Path(__file__).parents[2])

    def events(self) -> list[str]:
        return self.path.read_text().splitlines()

    def ends(self) -> bool:
        """Wait for it to catch up, for as long as it comes on; whether it did."""
        size = -1
        while self.process.poll() is None and self.path.stat().st_size > size:
            size = self.path.stat().st_size
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(PATIENCE)
        if self.process.poll() is None:
            self.process.kill()
        return self.process.wait() == 0


class Soak:
    """One run. Owner: the main thread."""

    def __init__(self, home: Path, rng: random.Random) -> None:
        self.rng = rng
        self.session: Session = pyshell.start(NAME)
        self.clients = [Client(home / f"client{number}", number) for number in range(CLIENTS)]
        for client in self.clients:
            client.path.touch()
            client.start()
        self.blows: Counter[str] = Counter()
        self.memory: list[int] = []
        """Of the host, whenever it was looked at."""

    def run(self, cells: int, deadline: float) -> int:
        """Work until there were so many cells, or the time is over; how many there were."""
        done, next_blow = 0, time.monotonic() + 1
        while done < cells and time.monotonic() < deadline:
            with suppress(PyshellError):
                for _ in range(self.rng.randrange(1, 12)):
                    cell = self.session.execute(CELL if self.rng.randrange(BEHIND_ONE_IN) else BEHIND)
                    done += 1
                if time.monotonic() > next_blow:
                    next_blow += self.rng.expovariate(1 / KILL_EVERY)
                    self.strike()
                self.finish(cell)
                continue
            self.reach()
        return done

    def finish(self, cell: int) -> str:
        """Wait for a cell, and let cells run that a death has held, whenever it comes; how it ended."""
        deadline = time.monotonic() + PATIENCE
        while True:
            self.session.release()
            try:
                return self.session.wait(cell, 1.0).status
            except CallTimeout:
                if time.monotonic() > deadline:
                    raise

    def reach(self) -> None:
        """Go on after the host was killed; its lock goes with its last thread."""
        self.session.close()
        found: list[Session] = []

        def tries() -> bool:
            with suppress(PyshellError):
                found.append(starting.connect_or_start(NAME))
            return bool(found)

        assert becomes_true(tries), "the session cannot be reached"
        self.session = found[0]

    def strike(self) -> None:
        """Kill or stop something."""
        worker = self.session.pid
        host = parent_of(worker)
        if worker is None or host is None:
            return  # one is just coming up
        self.memory.append(resident(host))
        blows: dict[str, Callable[[], object]] = {
            "worker": lambda: kill(worker, self.rng.choice(SIGNALS)),
            "host": lambda: kill(host),
            "host and worker": lambda: (kill(host), kill(worker)),
            "client": self._kill_client,
            "client stopped": self._stop_client,
        }
        name = self.rng.choice(list(blows))
        self.blows[name] += 1
        blows[name]()

    def _kill_client(self) -> None:
        client = self.rng.choice(self.clients)
        client.process.kill()
        client.process.wait()
        client.start()

    def _stop_client(self) -> None:
        pid = self.rng.choice(self.clients).process.pid
        os.kill(pid, signal.SIGSTOP)
        threading.Timer(self.rng.uniform(0.1, 5.0), lambda: kill(pid, signal.SIGCONT)).start()

    def end(self) -> list[str]:
        """What is wrong: events that a client lacks, has twice or out of order, and what the store's check finds."""
        if not becomes_true(self._said_last):
            return ["the last cell could not be sent"]
        last = self.session.status().last_event
        findings = []
        for client in self.clients:
            kill(client.process.pid, signal.SIGCONT)
            if not client.ends():
                findings.append(f"{client.path.name} has stopped at {len(client.events())} events of {last}")
            numbers = [int(line.split()[0]) for line in client.events()]
            if numbers != list(range(1, len(numbers) + 1)):
                findings.append(f"{client.path.name} got {len(numbers)} events, not each once and in order")
        if len({tuple(client.events()[:last]) for client in self.clients}) != 1:
            findings.append("the clients did not see the same")
        self.memory.append(resident(parent_of(self.session.pid) or 0))
        self.session.kill()
        self.session.close()
        with store_of(NAME) as store:
            return [*findings, *store.check()]

    def _said_last(self) -> bool:
        with suppress(PyshellError):
            return self.finish(self.session.execute(LAST)) == "ok"
        self.reach()
        return False


def parent_of(pid: int | None) -> int | None:
    """The host of a worker; None where one of them has just ended, and another process has adopted the worker."""
    try:
        parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        return parent if b"pyshell.host" in Path(f"/proc/{parent}/cmdline").read_bytes() else None
    except OSError:
        return None


def resident(pid: int) -> int:
    """Bytes of a process in memory; 0 if it has just ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
    except (OSError, IndexError):
        return 0


def main(arguments: list[str]) -> int:
    """Print what happened in a few lines; 1 if anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench soak", description=main.__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--cells", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args(arguments)
    with own_directories() as home:
        soak = Soak(home, random.Random(options.seed))
        try:
            cells = soak.run(options.cells, time.monotonic() + 60 * options.minutes)
            findings = soak.end()
        finally:
            for client in soak.clients:
                kill(client.process.pid, signal.SIGCONT)
                client.process.kill()
                client.process.wait()
            with suppress(PyshellError):
                soak.session.kill()
        events = len(soak.clients[0].events())
    blows = ", ".join(f"{name} {count}" for name, count in sorted(soak.blows.items()))
    memory = [each for each in soak.memory if each]
    print(f"{cells} cells, {events} events, {CLIENTS} clients. Blows: {blows or 'none'}.")
    print(f"The host's memory: {min(memory) >> 20} to {max(memory) >> 20} MiB, at the end {memory[-1] >> 20}.")
    print("\n".join(findings) or "Every client got each event once and in order; store.check() found 0 faults.")
    print(f"Seed {options.seed}.", flush=True)
    return int(bool(findings))
