"""Kill at random, again and again, and count what was lost: `python -m tests.bench kills [--rounds 1000]`.

Runs in: benchmarks.

A round is a cell, a blow at a random moment of it or of its saving, and a look at what came back. Lost is a state that
was reported as saved and did not come back. Every session is examined by `store.check()` at its end.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.bench.sessions import own_directories
from tests.kills import BLOWS, LARGE, SMALL, Script, StateLost, at_random, play, worked_with

ROUNDS_OF_A_SESSION = 50


@dataclass
class Tally:
    """What the rounds of one blow came to."""

    seconds: list[float] = field(default_factory=list)
    hit: int = 0
    lost: int = 0


def main(arguments: list[str]) -> int:
    """Print a Markdown table; 1 if anything was lost or found broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench kills", description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=60.0, help="stop after so many")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args(arguments)
    rng = random.Random(options.seed)
    deadline = time.monotonic() + 60 * options.minutes
    tallies: dict[str, Tally] = defaultdict(Tally)
    findings: list[str] = []
    with own_directories():
        left = options.rounds
        while left > 0 and time.monotonic() < deadline:
            left -= _session(f"kills{left}", min(left, ROUNDS_OF_A_SESSION), tallies, findings, rng, deadline)
    print(f"{table(tallies, findings)}\n\nSeed {options.seed}.", flush=True)
    return int(bool(findings) or any(tally.lost for tally in tallies.values()))


def _session(
    name: str, rounds: int, tallies: Mapping[str, Tally], findings: list[str], rng: random.Random, deadline: float
) -> int:
    """Rounds of one session; how many there were."""
    done = 0
    with worked_with(name, rng.choice((SMALL, LARGE))) as script:
        while done < rounds and time.monotonic() < deadline:
            done += 1
            if not _round(script, done, tallies, rng):
                break  # what comes after a loss says nothing
        findings += script.end()
    print(f"{name}: {done} rounds", file=sys.stderr, flush=True)
    return done


def _round(script: Script, value: int, tallies: Mapping[str, Tally], rng: random.Random) -> bool:
    blow = rng.choice(BLOWS)
    tally = tallies[blow.name]
    begin = time.perf_counter()
    try:
        tally.hit += play(script, value, blow, at_random(rng), rng)
    except StateLost as exc:
        print(f"{blow.name}: {exc}", file=sys.stderr, flush=True)
        tally.lost += 1
    tally.seconds.append(time.perf_counter() - begin)
    return not tally.lost


def table(tallies: Mapping[str, Tally], findings: Sequence[str]) -> str:
    """A row for each kind of blow, and what the stores say of themselves."""
    rows = ["| killed | rounds | processes hit | came back | lost |", "| --- | ---: | ---: | ---: | ---: |"]
    total: Counter[str] = Counter()
    for name in [blow.name for blow in BLOWS if blow.name in tallies]:
        tally = tallies[name]
        fields = {"rounds": len(tally.seconds), "hit": tally.hit, "back": len(tally.seconds) - tally.lost}
        fields["lost"] = tally.lost
        total.update(fields)
        rows.append(f"| {name} | " + " | ".join([f"{count:,}" for count in fields.values()]) + " |")
    rows.append("| *all* | " + " | ".join([f"{total[name]:,}" for name in ("rounds", "hit", "back", "lost")]) + " |")
    return "\n".join([*rows, "", f"store.check() found {len(findings)} faults.", *findings])
