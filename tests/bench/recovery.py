"""Measure how fast a session is back after its worker died: `python -m tests.bench.recovery [--python EXE]`.

Runs in: benchmarks. EXE needs numpy and pandas. A row per session: seconds from the signal to the first value that
needs the restored state, and how much of it the restore itself took.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import sys
import tempfile
import threading
import time

import pyshell
from tests.bench.__main__ import shown

MANY = "d = [{'id': i} for i in range(1_000_000)]\ne = list(map(str, range(1_000_000)))\nn = 41"
MIXED = """
import numpy as np, pandas as pd
a, df = np.arange(1 << 24), pd.DataFrame({"x": np.arange(1_000_000)})
d = [{"id": i, "s": i * 0.5} for i in range(200_000)]
for i in range(200): globals()[f"v{i}"] = i
"""
SESSIONS = {
    "one number": ("x = 6 * 7", "x"),
    "numpy and pandas imported": ("import numpy as np, pandas as pd\nx = np.arange(6)", "pd.Series(x).sum()"),
    "an array of 1 GB": ("import numpy as np\na = np.arange(1 << 27)", "int(a[12345])"),
    "2,000 names": ("for i in range(2000): globals()[f'v{i}'] = {'n': i, 'items': list(range(20))}", "v7['n']"),
    "a number beside 3,000,000 small objects": (MANY, "n + 1"),
    "one of the 3,000,000": (MANY, "d[7]['id']"),
    "a sum beside a mix": (MIXED, "1 + 1"),
    "all of a mix": (MIXED, "int(a[5]), len(df), d[7]['id'], v7"),
    "a list of 1,000,000 dicts": ("d = [{'id': i, 'score': i * 0.5} for i in range(1_000_000)]", "d[7]['id']"),
}
REST_SECONDS = 6.0
"""What a person thinks before the worker dies; a spare one comes up meanwhile."""


def main(arguments: list[str]) -> int:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.recovery", description=main.__doc__)
    parser.add_argument("--python", default=sys.executable, help="the interpreter of the sessions")
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("sessions", nargs="*", metavar="SESSION", help=f"some of: {', '.join(SESSIONS)}")
    options = parser.parse_args(arguments)
    print("|  | death to value | of it the restore |\n| --- | ---: | ---: |")
    with tempfile.TemporaryDirectory(prefix="pyshell-bench-") as root:
        os.environ.update(XDG_STATE_HOME=root, XDG_RUNTIME_DIR=root)
        for number, name in enumerate(options.sessions or SESSIONS):
            setup, value = SESSIONS[name]
            times = _measure(f"s{number}", options.python, setup, value, options.times)
            medians = [shown(statistics.median(column)) for column in zip(*times, strict=True)]
            print("|", " | ".join([name, *medians]), "|", flush=True)
    return 0


def _measure(name: str, python: str, setup: str, value: str, times: int) -> list[tuple[float, float]]:
    found = []
    with pyshell.start(name, python=python) as session:
        assert session.run(setup).status == "ok"
        for _ in range(times):
            _wait_saved(session)
            threading.Event().wait(REST_SECONDS)
            newest = session.status().last_event
            pid = session.pid
            assert pid is not None
            begin = time.perf_counter()
            os.kill(pid, signal.SIGKILL)
            took = next(event.body.seconds for event in session.events(newest) if event.kind == "restored")
            assert session.run(value).status == "ok"
            found.append((time.perf_counter() - begin, took))
        session.kill()
    return found


def _wait_saved(session: pyshell.Session) -> None:
    """Until the state after the newest cell survives a death."""
    newest = session.status().next_cell - 1
    for event in session.events():
        if event.kind == "saved" and event.cell == newest:
            return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
