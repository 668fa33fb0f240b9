"""Measure pyshell beside its peers and print a table: `python -m tests.bench [--write] [--only NAME …]`.

`python -m tests.bench NAME` runs another: checkpoint, kills, soak, forks, scale, replay,
native, slices, completion, inspection, runs, monkey, bridges. Each says what it does.

Runs in: benchmarks.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import re
import sys
from collections.abc import Callable
from pathlib import Path

from tests.bench import (
    bridges,
    checkpoint,
    completion,
    console,
    forks,
    inspection,
    kills,
    monkey,
    native,
    peers,
    replay,
    runs,
    scale,
    slices,
    soak,
)  # fmt: skip
from tests.bench.console import MEASURES, Measure
from tests.bench.peers import ROOT, Peer

PAGE = ROOT / "docs" / "performance.md"
OTHERS = {
    "checkpoint": checkpoint.main, "scale": scale.main, "kills": kills.main, "forks": forks.main, "replay": replay.main,
    "native": native.main, "slices": slices.main, "completion": completion.main, "inspection": inspection.main,
    "runs": runs.main, "soak": soak.main, "monkey": monkey.main, "bridges": bridges.main,
}  # fmt: skip
BETWEEN = re.compile(r"(<!-- bench: begin -->\n).*(<!-- bench: end -->)", re.DOTALL)


def main(arguments: list[str]) -> int:
    """Measure what was asked for; the table goes to standard output, what happens meanwhile to standard error."""
    if arguments and arguments[0] in OTHERS:
        return OTHERS[arguments[0]](arguments[1:])
    options = _parser().parse_args(arguments)
    wanted = [measure for measure in MEASURES if not options.only or any(word in measure.name for word in options.only)]
    known = _peers(options.venv, options.peers)
    results = {measure.name: {peer.name: _measure(measure, peer) for peer in known} for measure in wanted}
    text = table(wanted, known, results)
    print(text)
    if options.write:
        page = BETWEEN.sub(lambda found: f"{found[1]}{text}\n{found[2]}", PAGE.read_text())
        PAGE.write_text(page)
    return 0


def _parser() -> argparse.ArgumentParser:
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=main.__doc__)
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    parser.add_argument("--only", nargs="*", default=[], metavar="WORD", help="measures whose name has the word")
    parser.add_argument("--peers", nargs="*", default=[], metavar="NAME", help="these consoles only")
    parser.add_argument("--venv", type=Path, default=Path(cache) / "pyshell-bench", help="where to install the peers")
    return parser


def _peers(directory: Path, names: list[str]) -> list[Peer]:
    known = [peers.pyshell(), peers.python()]
    if not names or "python3.13" in names:
        known += peers.new_python()
    if not names or set(names) & {package.name for package in peers.PACKAGES}:
        known += peers.others(directory, names)
    return [peer for peer in known if not names or peer.name in names]


def _measure(measure: Measure, peer: Peer) -> float:
    try:
        seconds = console.median(measure.run(peer))
    except (TimeoutError, OSError) as exc:
        print(f"{peer.name}, {measure.name}: {exc}", file=sys.stderr)
        return math.nan
    print(f"{peer.name}, {measure.name}: {shown(seconds)}", file=sys.stderr)
    return seconds


def table(measures: list[Measure], known: list[Peer], results: dict[str, dict[str, float]]) -> str:
    """A Markdown table: a row per measure, a column per console, the median in each field."""
    head = ["", *(f"{peer.name} {peer.version}" for peer in known), "goal"]
    rows = [head, ["---"] + ["---:"] * (len(head) - 1)]
    for measure in measures:
        fields = [shown(results[measure.name][peer.name]) for peer in known]
        rows.append([measure.name, *fields, f"< {shown(measure.goal)}" if measure.goal else ""])
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return f"Python {platform.python_version()}, {_machine()}.\n\n" + "\n".join(lines)


def _machine() -> str:
    return f"{platform.system()} {platform.release().split('-')[0]}, {os.cpu_count()} cores"


def shown(seconds: float) -> str:
    """`4.2 ms`, `1.23 s`; `never` for what does not come back; `failed` for what could not be measured."""
    special: dict[Callable[[float], bool], str] = {math.isnan: "failed", math.isinf: "never"}
    for is_special, word in special.items():
        if is_special(seconds):
            return word
    return f"{seconds * 1000:.1f} ms" if seconds < 0.1 else f"{seconds:.2f} s"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
