"""Compare how fast code runs in a session and in Python alone: `python -m tests.bench native [--python EXE]`.

Runs in: benchmarks. Both run each program in turn, at the top level, and time it themselves; the least counts. The last
column is the ratio of the main thread's processor time, which tells something on a busy machine, too.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from pyshell import Session
from tests.bench.sessions import measured

PROGRAMS = {
    "a loop over globals": "total = 0\nfor i in range({size}): total += i",
    "calls of a function": "def add(a, b): return a + b\nfor i in range({size}): add(i, 1)",
    "recursion": "def down(n): return n and down(n - 1)\nfor i in range({size} // 500): down(500)",
    "methods and attributes": (
        "class Account:\n  def __init__(self): self.n = 0\n  def pay(self, n): self.n += n\n"
        "account = Account()\nfor i in range({size}): account.pay(i)"
    ),
    "objects": "things = [{{'n': i, 'text': str(i)}} for i in range({size} // 10)]",
}
TIMED = """
things = None  # what the run before has made goes first
import time as time_; begin_ = time_.perf_counter(), time_.thread_time()
{code}
print(time_.perf_counter() - begin_[0], time_.thread_time() - begin_[1])
"""
Times = tuple[float, ...]


def main(arguments: list[str]) -> int:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench native", description=main.__doc__)
    parser.add_argument("--python", type=Path, default=Path(sys.executable), help="the interpreter of both")
    parser.add_argument("--times", type=int, default=9)
    parser.add_argument("--size", type=int, default=2_000_000, help="steps of a loop")
    options = parser.parse_args(arguments)
    print("|  | python | pyshell | ratio | of the processor |\n| --- |" + " ---: |" * 4)
    with measured(options.python) as session:
        for name, program in PROGRAMS.items():
            code = TIMED.format(code=program.format(size=options.size))
            pairs = [(_alone(options.python, code), _here(session, code)) for _ in range(options.times)]
            alone, here = ([min(column) for column in zip(*some, strict=True)] for some in zip(*pairs, strict=True))
            ratios = " | ".join([f"{mine / theirs:.2f}" for mine, theirs in zip(here, alone, strict=True)])
            print(f"| {name} | {alone[0] * 1000:.1f} ms | {here[0] * 1000:.1f} ms | {ratios} |", flush=True)
    return 0


def _alone(python: Path, code: str) -> Times:
    return _times(subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout)


def _here(session: Session, code: str) -> Times:
    return _times(session.run(code).output)


def _times(printed: str) -> Times:
    return tuple([float(word) for word in printed.split()])
