"""How soon a completion is answered: `python -m tests.bench completion [--times 100] [--venv DIR] [--peers NAME …]`.

Runs in: benchmarks.

A namespace of 5,000 names and an object of 5,000 attributes; idle, beside a loop of Python code, and beside C code
that holds the interpreter's lock. pyshell is asked through its public API, from another process than its host and its
worker; ipykernel through jupyter_client; IPython in its own process, where it cannot be asked while a cell runs. The
figures are p50 and p95.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from pyshell import Session
from tests.bench import peers
from tests.bench.sessions import measured

SETUP = """
import os, types
globals().update({f"variable_{i}": i for i in range(5000)})
thing = types.SimpleNamespace(**{f"attribute_{i}": i for i in range(5000)})
"""
CASES = {
    "`os.pa`": "os.pa",
    "5,000 names": "variable_49",
    "5,000 names, most of them": "var",
    "5,000 attributes": "thing.attribute_49",
    "5,000 attributes, all": "thing.",
}
Question = Callable[[Session], object]
LOADS = {"idle": "", "a Python loop": "while True: pass", "C code": "sum(range(10 ** 12))"}
SETTLE_SECONDS = 2.0
WAIT_SECONDS = 3.0
"""Who has not answered by then is not waited for."""

IPYTHON = """
import json, sys, time
from IPython.core.interactiveshell import InteractiveShell
setup, cases, times = json.loads(sys.argv[1])
shell = InteractiveShell.instance()
shell.run_cell(setup)
found = {}
for code in cases:
    taken = []
    for _ in range(times + 3):
        begin = time.perf_counter()
        shell.complete(code)
        taken.append(time.perf_counter() - begin)
    found[code] = taken[3:]
print(json.dumps(found))
"""

KERNEL = """
import json, queue, sys, time
from jupyter_client.manager import start_new_kernel
setup, cases, times, load, wait = json.loads(sys.argv[1])
manager, client = start_new_kernel(kernel_name="python3")
try:
    client.execute_interactive(setup)
    if load:
        client.execute(load)
        time.sleep(1)
    found = {}
    for code in cases:
        taken = []
        for _ in range(times + 3):
            begin = time.perf_counter()
            try:
                client.complete(code, len(code), reply=True, timeout=wait)
            except (TimeoutError, queue.Empty):
                taken = [float("inf")] * 4
                break
            taken.append(time.perf_counter() - begin)
        found[code] = taken[3:]
    print(json.dumps(found))
finally:
    manager.shutdown_kernel(now=True)
"""


def main(arguments: list[str]) -> int:
    """The table goes to standard output."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    parser = argparse.ArgumentParser(prog="python -m tests.bench completion", description=__doc__)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--venv", type=Path, default=Path(cache) / "pyshell-bench", help="where to install the peers")
    parser.add_argument("--peers", nargs="*", default=["pyshell", "ipykernel", "IPython"], metavar="NAME")
    options = parser.parse_args(arguments)
    columns: dict[str, dict[tuple[str, str], list[float]]] = {}
    if "pyshell" in options.peers:
        columns["pyshell"] = ours(options.times)
    if {"ipykernel", "IPython"} & set(options.peers):
        peers.others(options.venv)
        python = options.venv / "bin" / "python"
        if "ipykernel" in options.peers:
            columns["ipykernel"] = kernel(python, options.times)
        if "IPython" in options.peers:
            columns["IPython"] = ipython(python, options.times)
    print(table(columns))
    return 0


def ours(times: int) -> dict[tuple[str, str], list[float]]:
    return answered(SETUP, {name: partial(_complete, code) for name, code in CASES.items()}, LOADS, times)


def _complete(code: str, session: Session) -> object:
    return session.complete(code, len(code))


def answered(
    setup: str, questions: Mapping[str, Question], loads: Mapping[str, str], times: int
) -> dict[tuple[str, str], list[float]]:
    """Seconds that each question took under each load, in a session of its own."""
    found: dict[tuple[str, str], list[float]] = {}
    with measured(Path(sys.executable)) as session:
        session.run(setup)
        settle()
        for load, cell in loads.items():
            if cell:
                session.execute(cell)
                settle()
            for name, ask in questions.items():
                taken = [_timed(session, ask) for _ in range(times + 3)]
                # The first one finds out that there will be no answer: that is told apart.
                found[load, name] = taken[3:]
                print(f"pyshell, {load}, {name}: {taken[0] * 1000:.1f} ms the first time", file=sys.stderr)
            if load == "a Python loop":
                session.interrupt()
                settle()
    return found


def _timed(session: Session, ask: Question) -> float:
    begin = time.perf_counter()
    ask(session)
    return time.perf_counter() - begin


def settle() -> None:
    """Let what runs behind a cell end: saving, and telling the host of the names."""
    threading.Event().wait(SETTLE_SECONDS)


def kernel(python: Path, times: int) -> dict[tuple[str, str], list[float]]:
    found = {}
    for load, cell in LOADS.items():
        told = run(python, KERNEL, [SETUP, list(CASES.values()), times, cell, WAIT_SECONDS])
        found.update({(load, name): told.get(code, [math.nan]) for name, code in CASES.items()})
    return found


def ipython(python: Path, times: int) -> dict[tuple[str, str], list[float]]:
    told = run(python, IPYTHON, [SETUP, list(CASES.values()), times])
    return {("idle", name): told.get(code, [math.nan]) for name, code in CASES.items()}


def run(python: Path, program: str, settings: list[object]) -> dict[str, list[float]]:
    done = subprocess.run(
        [python, "-c", program, json.dumps(settings)], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": ""},
    )  # fmt: skip
    if done.returncode:
        print(done.stderr[-2000:], file=sys.stderr)
        return {}
    found: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
    return found


def table(columns: dict[str, dict[tuple[str, str], list[float]]]) -> str:
    """A Markdown table: a row per load and case, p50 / p95 in each field."""
    rows = [["", "", *columns], ["---", "---", *["---:"] * len(columns)]]
    for load in LOADS:
        for name in CASES:
            rows.append([load, name, *[shown(found.get((load, name), [])) for found in columns.values()]])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def shown(taken: list[float]) -> str:
    """`1.2 / 3.4 ms`; `–` for what cannot be asked."""
    if not taken:
        return "–"
    if math.inf in taken:
        return f"over {WAIT_SECONDS:.0f} s"
    ordered = sorted(taken)
    p50, p95 = ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    return f"{p50 * 1000:.1f} / {p95 * 1000:.1f} ms"
