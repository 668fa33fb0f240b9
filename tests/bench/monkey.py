"""Press 20,000 keys in any order: `python -m tests.bench monkey [--keys N] [--seed N]`. It fails or it does not.

Runs in: benchmarks.
"""

from __future__ import annotations

import argparse
import sys
import time

from tests.bench.peers import ROOT
from tests.console import monkey
from tests.terminal import Terminal

SCRIPT = ROOT / "tests" / "console" / "scripted.py"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench monkey", description=__doc__)
    parser.add_argument("--keys", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    begin = time.perf_counter()
    with Terminal([sys.executable, str(SCRIPT)], size=(80, 24)) as console:
        console.wait_screen(r"idle · In \[1\]")
        monkey.play(console, options.seed, options.keys)
    print(f"seed {options.seed}: {options.keys:,} keys in {time.perf_counter() - begin:.0f} s, and it answers")
    return 0
