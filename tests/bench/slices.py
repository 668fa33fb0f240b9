"""How long cells wait for a worker that saves itself: `python -m tests.bench slices [--objects N] [--gigabytes N]`.

Runs in: benchmarks, on Linux on x86-64. The kernel refuses every fork of the worker; the interpreter has numpy.

Small cells are run at moments that are spread over the saving of something large, each timed from its sending to its
end. *saved*: from the last of them until the state after it survives anything.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import threading
import time
from pathlib import Path

import pyshell
from pyshell import Session
from pyshell.protocol import Saved
from tests.bench.sessions import own_directories
from tests.refusing import write_startup

CELLS = 40


def main(arguments: list[str]) -> int:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench slices", description=main.__doc__)
    parser.add_argument("--python", type=Path, default=Path(sys.executable), help="the interpreter of the session")
    parser.add_argument("--objects", type=int, default=1_000_000)
    parser.add_argument("--gigabytes", type=float, default=1.0)
    options = parser.parse_args(arguments)
    rows = {
        "nothing": "pass",
        f"{options.objects:,} dicts": f"large = [{{'n': n, 'text': str(n)}} for n in range({options.objects})]",
        "change one": "large[0]['n'] = -1",
        f"an array of {options.gigabytes:g} GB": f"array = np.random.rand(int({options.gigabytes} * 2**27))",
        "change one element": "array[5] = 1",
    }
    print("| meanwhile is saved | cells | median | 95 % | longest | saved |\n| --- |" + " ---: |" * 5)
    with own_directories() as home:
        environment = {**os.environ, "PYTHONSTARTUP": write_startup(home)}
        with pyshell.start("bench", python=str(options.python), cwd=str(home), env=environment) as session:
            try:
                _run(session, "import refusing, numpy as np")
                for name, code in rows.items():
                    print(f"| {name} | {_row(session, code)} |", flush=True)
            finally:
                session.kill()
    return 0


def _row(session: Session, code: str) -> str:
    _run(session, code)
    times = []
    for number in range(CELLS):
        threading.Event().wait(0.003 * (1 + number))
        times.append(_run(session, f"x = {number}"))
    begin = time.perf_counter()
    _wait_saved(session)
    saved = time.perf_counter() - begin
    times.sort()
    shown = [statistics.median(times), times[int(0.95 * len(times))], times[-1]]
    return " | ".join([str(len(times)), *[f"{seconds * 1000:.1f} ms" for seconds in shown], f"{saved:.2f} s"])


def _run(session: Session, code: str) -> float:
    begin = time.perf_counter()
    reply = session.run(code)
    assert reply.status == "ok", reply
    return time.perf_counter() - begin


def _wait_saved(session: Session) -> None:
    last = session.status().next_cell - 1
    for event in session.events():
        if isinstance(event.body, Saved) and (event.cell or 0) >= last:
            return
