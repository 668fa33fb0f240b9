"""Measure an analysis that is killed: pyshell run, pickling by hand, plain rerun: `python -m tests.bench runs`.

Runs in: benchmarks. Needs numpy. Each way does the same work, is killed (SIGKILL) after the same times, and is started
again until it has ended; all ways must end with the same numbers. The table gives seconds from first start to end.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pyshell
from pyshell.errors import PyshellError
from tests.bench.peers import ROOT
from tests.sessions import host_of

EXAMPLE = ROOT / "docs" / "examples" / "simulation.py"
SEEDS, STEPS = 30_000, 20_000
SAVE_SECONDS = 2.0
"""How often both save."""
KILL_SECONDS = 10.0
"""After each start."""
KILLS = (0, 1, 3)

BY_HAND = f"""\
import os, pickle, sys, time
import numpy as np

seeds, steps = int(sys.argv[1]), int(sys.argv[2])
first, exits, paths = 0, np.full(seeds, np.nan), np.zeros(steps)
if os.path.exists("state.pickle"):
    with open("state.pickle", "rb") as file:
        first, exits, paths = pickle.load(file)
saved = time.monotonic()
for seed in range(first, seeds):
    walk = np.random.default_rng(seed).normal(size=steps).cumsum()
    outside = np.flatnonzero(abs(walk) > 50)
    if len(outside):
        exits[seed] = outside[0]
    paths += walk
    if time.monotonic() - saved > {SAVE_SECONDS}:
        with open("state.new", "wb") as file:
            pickle.dump((seed + 1, exits, paths), file, 5)
            file.flush()
            os.fsync(file.fileno())
        os.replace("state.new", "state.pickle")
        saved = time.monotonic()

left = exits[~np.isnan(exits)]
print(f"{{len(left)}} of {{seeds}} left after {{left.mean():.6f}} steps; the paths sum up to {{paths.sum():.6f}}")
"""


def main(arguments: list[str]) -> int:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench runs", description=main.__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="how much work there is")
    parser.add_argument("--after", type=float, default=KILL_SECONDS, help="seconds from each start to its kill")
    options = parser.parse_args(arguments)
    given = [str(options.seeds), str(STEPS)]
    ways = {
        "plain rerun": [sys.executable, str(EXAMPLE), *given],
        "pickling by hand": [sys.executable, "by_hand.py", *given],
        "`pyshell run`": [sys.executable, "-m", "pyshell", "run", "-s", "bench", str(EXAMPLE), *given],
    }
    print("|  |", " | ".join(f"killed {times} times" for times in KILLS), "|")
    print("| --- |" + " ---: |" * len(KILLS))
    seen: set[str] = set()
    for way, command in ways.items():
        totals = []
        for times in KILLS:
            seconds, output = total(command, [options.after] * times)
            totals.append(seconds)
            seen.update(output.splitlines()[-1:])  # before that are bars; nothing if it had ended when it was killed
        print(f"| {way} |", " | ".join(f"{seconds:.1f} s" for seconds in totals), "|", flush=True)
    assert len(seen) == 1, seen
    return 0


def total(command: Sequence[str], kills: Sequence[float]) -> tuple[float, str]:
    """Seconds until it has ended, and what it printed then. It may have ended before it was killed so often."""
    with tempfile.TemporaryDirectory(prefix="pyshell-bench-") as root:
        config = Path(root, "config", "pyshell", "config.toml")
        config.parent.mkdir(parents=True)
        config.write_text(f"[saving]\nautosave_seconds = {SAVE_SECONDS}\n")
        Path(root, "by_hand.py").write_text(BY_HAND)
        os.environ.update(XDG_STATE_HOME=root, XDG_RUNTIME_DIR=root, PYTHONPATH=str(ROOT))
        os.environ.update(XDG_CONFIG_HOME=str(config.parents[1]))
        begin = time.perf_counter()
        for seconds in kills:
            process = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True)
            with contextlib.suppress(subprocess.TimeoutExpired):
                output, _ = process.communicate(timeout=seconds)
                return time.perf_counter() - begin, output  # it was faster than the kill
            _kill(process)
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
        return time.perf_counter() - begin, done.stdout


def _kill(process: subprocess.Popen[str]) -> None:
    """The command, and where it is pyshell's the host and the worker, too."""
    process.kill()
    process.communicate()
    with contextlib.suppress(PyshellError), pyshell.connect("bench") as session:
        worker = session.pid
        host = host_of(session)
        for pid in (host, worker):
            assert pid
            os.kill(pid, signal.SIGKILL)
