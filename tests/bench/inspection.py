"""How soon questions about values are answered, and what a cell pays for its list of changes.

`python -m tests.bench inspection [--times 50]`. Runs in: benchmarks.

A namespace of 5,000 names, a call of numpy's, a list of a million items and an array of ten million rows; idle, beside
a loop of Python code, and beside C code that holds the interpreter's lock. Asked through the public API, from another
process than host and worker. The figures are p50 and p95.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

from pyshell.worker.bindings import Bindings
from pyshell.worker.changes import ChangeWatch
from tests.bench.completion import LOADS, Question, answered, shown

SETUP = """
import numpy
globals().update({f"variable_{i}": i for i in range(5000)})
many = list(range(1_000_000))
rows = numpy.zeros((10_000_000, 3))
"""
CALL = "numpy.linalg.norm(rows, "
QUESTIONS: dict[str, Question] = {
    "inspect a call": lambda session: session.inspect(CALL, len(CALL)),
    "its source": lambda session: session.inspect(CALL, len(CALL), 1),
    "5,000 variables": lambda session: session.variables(),
    "100 items of a million": lambda session: session.children("many", 999_900),
    "50 rows of 10,000,000": lambda session: session.table("rows", range(5_000_000, 5_000_050)),
}
NAMES = 1000


def main(arguments: list[str]) -> int:
    """The tables go to standard output."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench inspection", description=__doc__)
    parser.add_argument("--times", type=int, default=50)
    options = parser.parse_args(arguments)
    print(table(answered(SETUP, QUESTIONS, LOADS, options.times)))
    print(f"\nlooking for changes among {NAMES:,} names: {per_cell(options.times * 10) * 1e6:.0f} µs a cell at best")
    return 0


def per_cell(times: int) -> float:
    """Seconds that a plain cell takes longer, at best: the machine's other work comes on top."""
    namespace: dict[str, Any] = {f"name_{n}": [n] for n in range(NAMES)}
    watch = ChangeWatch(Bindings(namespace, ()))
    watch.begin()
    watch.end(1, ())
    taken = []
    for cell in range(times):
        begin = time.perf_counter()
        watch.begin()
        watch.end(cell + 2, {"name_1"})
        taken.append(time.perf_counter() - begin)
    return min(taken)


def table(found: dict[tuple[str, str], list[float]]) -> str:
    """A Markdown table: a row per question, a column per load, p50 / p95 in each field."""
    rows = [["", *LOADS], ["---", *["---:"] * len(LOADS)]]
    for name in QUESTIONS:
        rows.append([name, *[shown(found.get((load, name), [])) for load in LOADS]])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
