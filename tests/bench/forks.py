"""Fork thousands of times while libraries are busy: `python -m tests.bench forks [--forks 5000]`.

Runs in: benchmarks.

The parent must go on always. A child may find a lock of the C library held by a thread that it does not have, and then
it must be noticed. Threads are busy in BLAS, polars, pyarrow, malloc, logging and zlib, as far as there are these.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.bench.checkpoint import environment
from tests.bench.peers import ROOT

PROCESS = Path(__file__).with_name("forks_process.py")
NEEDED = ("numpy", "polars", "pyarrow")
PATIENCE = 180.0
"""Seconds for fifty forks on a busy machine; a parent that takes longer hangs."""


def main(arguments: list[str]) -> int:
    """Print what became of the children; 1 if a parent hung."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench forks", description=main.__doc__)
    parser.add_argument("--forks", type=int, default=5000)
    parser.add_argument("--alongside", type=int, default=8, help="children at work at once")
    parser.add_argument("--python", type=Path, help="an interpreter that has the libraries")
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    parser.add_argument("--venv", type=Path, default=Path(cache) / "pyshell-bench-forks")
    options = parser.parse_args(arguments)
    python = options.python or environment(options.venv, NEEDED)
    told, hung = _run(python, options.forks, options.alongside)
    print(table(told, hung))
    return int(hung)


def _run(python: Path, forks: int, alongside: int) -> tuple[dict[str, Any], bool]:
    """What the process said last, and whether it stopped saying anything."""
    told: dict[str, Any] = {}
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [str(python), str(PROCESS), str(forks), str(alongside)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=env) as process:
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        rest = b""
        while select.select([process.stdout], [], [], PATIENCE)[0]:
            data = process.stdout.read()
            if not data:
                return told, told.get("forks") != forks
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                told.update(json.loads(line))
            print(f"{told.get('forks', 0)} forks", file=sys.stderr, flush=True)
        process.send_signal(signal.SIGUSR1)  # its stacks, to standard error
        select.select([], [], [], 2.0)
        process.kill()
        return told, True


def table(told: dict[str, Any], hung: bool) -> str:
    """What was busy, and a row of counts."""
    busy = ", ".join(f"{name} {version}".strip() for name, version in told.get("busy", {}).items())
    names = ("forks", "well", "hung", "crashed", "other", "refused")
    pauses = told.get("pauses") or [0.0]
    middle, longest = pauses[len(pauses) // 2], pauses[-1]
    return (
        f"Busy: {busy}.\n\n"
        "| forks | ended well | hung, caught | crashed | failed | refused | parents hung | pause | longest |\n"
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
        f"| {' | '.join(str(told.get(name, 0)) for name in names)} | {int(hung)} "
        f"| {middle * 1000:.1f} ms | {longest * 1000:.0f} ms |"
    )
