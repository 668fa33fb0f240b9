"""Work for an hour, audited after every cell: `python -m tests.bench replay [--minutes 60] [--cells 2000]`.

Runs in: benchmarks. The interpreter of the session needs numpy.

Random cells of many kinds run in one session, which rests after each of them until it has been audited. A *difference*
is an audit that found what the rule of what a cell can touch had missed: it proposed another checkpoint for the same
cell. Now and then the worker is killed, and what comes back must show the same.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from pyshell import Session
from pyshell.protocol import Difference, Saved
from tests.bench.sessions import measured
from tests.kills import descendants

KILL_EVERY = 50
REST_SECONDS = 0.15
SETUP = """
import collections, contextlib, dataclasses, datetime, functools, itertools, logging, math, random, re, weakref
import numpy as np
numbers, texts, table, nested = [1, 2, 3], ["a", "b"], {"k": [0]}, {"deep": [{"er": [1]}]}
alias, shared = numbers, [numbers, table]
a0, a1 = np.arange(1000.0), np.zeros((50, 50)); view = a0[10:20]
counter, queue, ordered = collections.Counter("text"), collections.deque([1]), {3, 1, 2}
big = [str(n) for n in range(5000)]
total = 0
def bump(by=1):
    global total
    total += by
    return total
def remember(value, seen=[]):
    seen.append(value)
    return len(seen)
def make_counter():
    n = 0
    def up():
        nonlocal n
        n += 1
        return n
    return up
up = make_counter()
@functools.lru_cache(maxsize=None)
def square(n): return n * n
class Account:
    made = []
    def __init__(self, owner): self.owner, self.entries = owner, []; Account.made.append(owner)
    def pay(self, amount): self.entries.append(amount); return self
@dataclasses.dataclass
class Point:
    x: float = 0
    near: list = dataclasses.field(default_factory=list)
account, point = Account("me"), Point()
points = [point, Point(1)]
heard = []
class Ear(logging.Handler):
    def emit(self, record): heard.append(record.getMessage())
logger = logging.getLogger("replay"); logger.addHandler(Ear()); logger.propagate = False
"""
# A generator is not saved, and said to be: its name is gone.
SHOW = (
    "repr([numbers, texts, table, nested, alias is numbers, shared, a0.sum(), np.shares_memory(view, a0), view.sum(), "
    "a1.sum(), counter, queue, sorted(ordered), len(big), big[:3], total, bump.__defaults__, remember.__defaults__, "
    "account.entries, Account.made, points, point is points[0], heard[-5:], "
    "sorted(n for n, v in globals().items() if n.startswith('n_') and type(v).__name__ != 'generator')])"
)

KINDS = {
    "rebinding": ("n_{k} = {r}", "numbers = [*numbers[-20:], {r}]; alias = numbers", "n_{k} = [{r}] * 3"),
    "a change in place": (
        "numbers.append({r})", "table['k'].append({r})", "nested['deep'][0]['er'].append({r})", "alias.sort()",
        "counter[{k}] += 1", "queue.appendleft({r})", "ordered.add({r})", "texts.extend(['{r}'])", "big[{k}] = '{r}'",
    ),
    "sharing": (
        "shared.append(table)", "n_{k} = shared", "nested['deep'].append(numbers)",
        "del shared[2:]; del nested['deep'][1:]",
    ),
    "arrays": ("a0[{k}] += 1", "view[:] = {r}", "a1 = a1 + 1", "n_{k} = a0[:{k}]", "a1[{k} % 50] = {r}", "a0 *= 0.5"),
    "functions": (
        "bump({r})", "remember({r})", "up()", "square({r})", "def bump(by={r}):\n    global total\n    total += by",
    ),
    "classes": (
        "account.pay({r})", "Account('{r}')", "account.note = [{r}]", "point.x += 1", "points[1].near.append({r})",
        "Account.pay = lambda self, amount: self.entries.append(-amount)", "n_{k} = Account('{r}')",
    ),
    "looking": ("numbers", "a0.mean()", "table", "point", "{r} + 1", "print(len(big))", "account.entries"),
    "deleting": ("globals().pop('n_{k}', None)", "n_{k} = 0\ndel n_{k}", "numbers[:-9] = []"),
    "errors": ("numbers.append({r}); 1 / 0", "nowhere", "table['missing']"),
    "escapes": ("exec('numbers.append({r})')", "globals()['n_{k}'] = {r}", "eval('table')['k'].append({r})"),
    "what cannot be saved": (
        "n_{k} = (n for n in numbers)", "n_{k} = [open('/dev/null', 'w'), {r}]", "n_{k} = [(n for n in [1]), {r}]",
    ),
    "imports": ("import json", "import fractions\nn_{k} = fractions.Fraction({r}, 7)", "import statistics as n_{k}"),
    "chance": (
        "n_{k} = random.random()", "random.seed({r})", "n_{k} = np.random.default_rng({r})", "random.shuffle(numbers)",
    ),
    "a library calls back": ("logger.warning('heard {r}')", "logging.getLogger('replay').error('{r}')"),
}  # fmt: skip


@dataclass
class Tally:
    """What the cells of one kind came to."""

    cells: int = 0
    differences: int = 0
    unsaved: int = 0
    names: Counter[str] = field(default_factory=Counter)
    """What differed."""


def main(arguments: list[str]) -> int:
    """Print a Markdown table; 1 if a worker that was killed came back with another state."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench replay", description=main.__doc__)
    parser.add_argument("--python", type=Path, default=Path(sys.executable), help="the interpreter of the session")
    parser.add_argument("--cells", type=int, default=2000)
    parser.add_argument("--minutes", type=float, default=60.0, help="stop after so many")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args(arguments)
    rng, tallies = random.Random(options.seed), defaultdict[str, Tally](Tally)
    deadline, wrong, kills = time.monotonic() + 60 * options.minutes, 0, 0
    with measured(options.python) as session:
        reply = session.run(SETUP)
        assert reply.status == "ok", reply
        for number in range(1, options.cells + 1):
            if time.monotonic() > deadline:
                break
            kind = rng.choice(list(KINDS))
            code = rng.choice(KINDS[kind]).format(k=rng.randrange(9), r=rng.randrange(1000))
            _run(session, kind, code, tallies[kind])
            if number % KILL_EVERY == 0:
                kills += 1
                wrong += _is_wrong(session)
                print(f"{number} cells", file=sys.stderr, flush=True)
    print(f"{table(tallies)}\n\nKilled {kills} times; {wrong} came back with another state. Seed {options.seed}.")
    return int(wrong > 0)


def _run(session: Session, kind: str, code: str, tally: Tally) -> None:
    after = session.status().last_event
    cell = session.run(code).cell
    saved = _rest(session, after, cell)
    tally.cells += 1
    tally.unsaved += not saved
    for before, later in zip(saved, saved[1:]):
        tally.differences += 1
        tally.names.update(_names(session.diff(before, later)))
        print(f"{kind}: In[{cell}] {code!r}: {_names(session.diff(before, later))}", file=sys.stderr, flush=True)


def _rest(session: Session, after: int, cell: int) -> list[int]:
    """Wait until the cell has been saved and audited; its checkpoints."""
    for event in session.events(after):
        if event.kind == "save_failed" or (event.kind == "saved" and event.cell == cell):
            break
    quiet = time.monotonic()
    while time.monotonic() < quiet + REST_SECONDS:
        if descendants(session.pid or 0):
            quiet = time.monotonic()
        threading.Event().wait(0.01)
    last, found = session.status().last_event, []
    for event in session.events(after):
        if isinstance(event.body, Saved) and event.cell == cell:
            found.append(event.body.checkpoint)
        if event.seq >= last:
            break
    return found


def _names(difference: Difference) -> list[str]:
    changes = (*difference.added, *difference.changed, *difference.removed)
    return sorted({change.name for change in changes})


def _is_wrong(session: Session) -> bool:
    """Kill the worker; whether what comes back shows something else."""
    after = session.status().last_event
    before = session.run(SHOW)
    _rest(session, after, before.cell)
    newest = session.status().last_event
    os.kill(session.pid or 0, signal.SIGKILL)
    next(event for event in session.events(newest) if event.kind == "restored")
    then = session.run(SHOW)
    if then.result != before.result:
        print(f"before: {before.result}\nthen:   {then.result} {then.error}", file=sys.stderr, flush=True)
    session.run("logger = logging.getLogger('replay'); logger.handlers[:] = [Ear()]; logger.propagate = False")
    return then.result != before.result


def table(tallies: dict[str, Tally]) -> str:
    """A row for each kind of cell."""
    rows = ["| cells | run | audit differences | in |", "| --- | ---: | ---: | --- |"]
    for kind in [kind for kind in KINDS if kind in tallies]:
        tally = tallies[kind]
        names = ", ".join(f"`{name}` {count}" for name, count in tally.names.most_common(5))
        rows.append(f"| {kind} | {tally.cells:,} | {tally.differences:,} | {names} |")
    return "\n".join(rows)
