"""How saving and restoring grow with the state: `python -m tests.bench scale [--arrays GB …] [--objects N …]`.

Runs in: benchmarks. The interpreter of the sessions needs numpy.

*pause*: from the end of a cell until the next one, which waits, runs; at `x += 1`, and at a cell that changes one
element of the data. *durable*: until the state after it survives anything. *child*: memory that the process which
saves has for itself. *prompt*: from the death of the worker until cells run; *all*: until one has read all of the data.
Times are the least of several.
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from pyshell import Session
from pyshell.errors import PyshellError
from pyshell.memory import free_memory
from tests.bench.checkpoint import cost_of, shown
from tests.bench.processes import Watch, memory
from tests.bench.sessions import measured
from tests.kills import descendants

REST_SECONDS = 1.0
MOST_SECONDS = 300.0
ROOM = 2.2
"""Memory that must be free for a session, as a multiple of its data."""


@dataclass(frozen=True)
class Scale:
    """A session of one size: how its data is made, changed and read."""

    name: str
    size: float
    """Bytes, about."""
    create: str
    change: str
    read: str


def arrays(gigabytes: float) -> Scale:
    """Ten arrays that make up so many GB."""
    make = f"import numpy as np; rng = np.random.default_rng(0)\nmany = [rng.random({int(gigabytes * 12_500_000)})"
    change, read = "many[5][12345] += 1.0", "sum([float(a.sum()) for a in many]) > 0"
    return Scale(f"arrays of {gigabytes:g} GB", gigabytes * 1e9, f"{make} for _ in range(10)]", change, read)


def objects(count: int) -> Scale:
    """So many dicts in a list, with the values that they hold."""
    make = f"d = [{{'id': i, 'name': 'user%d' % i, 'score': i * 0.5}} for i in range({count})]"
    change, read = "d[77]['score'] += 1.0", f"sum([len(one) for one in d]) == {3 * count}"
    return Scale(f"{count:,} dicts", count * 330.0, make, change, read)


@dataclass(frozen=True)
class Measured:
    """One row: seconds and bytes; NaN for what could not be measured."""

    pause: float
    durable: float
    pause_changed: float
    durable_changed: float
    worker: float
    child: float
    prompt: float
    all: float


def main(arguments: list[str]) -> int:
    """Print a Markdown table, a row for each size."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench scale", description=main.__doc__)
    parser.add_argument("--python", type=Path, default=Path(sys.executable), help="the interpreter of the sessions")
    parser.add_argument("--arrays", nargs="*", type=float, default=[0.1, 1.0, 4.0, 8.0], metavar="GB")
    parser.add_argument("--objects", nargs="*", type=int, default=[100_000, 1_000_000, 10_000_000], metavar="N")
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args(arguments)
    print(head(), flush=True)
    for scale in [*map(arrays, options.arrays), *map(objects, options.objects)]:
        free = free_memory()
        if free is not None and free < ROOM * scale.size:
            print(f"| {scale.name} | not measured: {free >> 20} MB of memory are free |", flush=True)
            continue
        try:
            print(row(scale.name, measure(scale, options.python, options.times)), flush=True)
        except PyshellError as exc:
            print(f"| {scale.name} | failed: {type(exc).__name__}: {exc} |", flush=True)
    return 0


def measure(scale: Scale, python: Path, times: int) -> Measured:
    """A real session, killed at the end."""
    with measured(python) as session:
        reply = session.run(scale.create)
        assert reply.status == "ok", reply
        session.run("x = 1")
        rest(session)
        small = [cost_of(session, "x += 1", rest) for _ in range(times)]
        with Watch(session.pid or 0) as watch:
            changed = [cost_of(session, scale.change, rest) for _ in range(times)]
            rest(session)
        worker = memory(session.pid or 0)
        prompt, everything = _restored(session, scale)
    return Measured(
        min([cost.pause for cost in small]), min([cost.durable for cost in small]),
        min([cost.pause for cost in changed]), min([cost.durable for cost in changed]),
        worker, watch.most, prompt, everything,
    )  # fmt: skip


def rest(session: Session) -> None:
    """Wait until nothing has been saved or audited for a moment."""
    worker, begin = session.pid or 0, time.monotonic()
    quiet = begin
    while time.monotonic() < min(quiet + REST_SECONDS, begin + MOST_SECONDS):
        if descendants(worker):
            quiet = time.monotonic()
        threading.Event().wait(0.05)


def _restored(session: Session, scale: Scale) -> tuple[float, float]:
    events = session.events(after=session.status().last_event)
    os.kill(session.pid or 0, signal.SIGKILL)
    died = time.perf_counter()
    next(event for event in events if event.kind == "restored")
    session.run("x")
    prompt = time.perf_counter() - died
    reply = session.run(scale.read)
    return prompt, time.perf_counter() - died if reply.result == "True" else math.inf


def head() -> str:
    """The table's first two lines."""
    names = ["pause at `x += 1`", "durable", "pause at one change", "durable", "worker", "child", "prompt", "all"]
    return f"|  | {' | '.join(names)} |\n| --- |{' ---: |' * len(names)}"


def row(name: str, found: Measured) -> str:
    """One size's line."""
    times = [found.pause, found.durable, found.pause_changed, found.durable_changed]
    sizes = [found.worker, found.child]
    fields = [*map(shown, times), *[f"{size / 1e6:,.0f} MB" for size in sizes]]
    return f"| {name} | {' | '.join([*fields, shown(found.prompt), shown(found.all)])} |"
