"""What saving costs: `python -m tests.bench checkpoint [WORKLOAD …]` prints a table for pyshell, dill and Kishu.

Runs in: benchmarks.

*pause*: from the end of a cell until the next one, which was waiting, runs. *durable*: until the state after the cell
survives anything. *written*: bytes added to the disk. *computed*: processor time of children beside the user's code, in
steps of 10 ms; *child*: the memory that they had for themselves. dill and Kishu do all of their work in the pause.
Below: from a kill until cells run and until everything is back (the others: loading it in a new process, whose start is
not counted), going back by one cell, and the memory of the process that has the namespace.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import venv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyshell
from pyshell import Session
from pyshell.protocol import Event, Finished, Restored, Saved, SaveFailed, Status
from tests.bench.processes import Watch, children_seconds, memory
from tests.bench.sessions import measured
from tests.bench.workloads import WORKLOADS, Workload

PEERS = Path(__file__).with_name("checkpoint_peers.py")
NEEDED = ("numpy", "pandas", "dill", "kishu", "nbformat")
PEER_SECONDS = 900.0
IDLE_SECONDS = 3.0
AUDIT_SECONDS = 30.0
"""What a person takes between two cells, longer than an audit of a small session."""


@dataclass(frozen=True)
class Cost:
    """Of one cell: seconds, seconds, bytes; seconds and bytes of the children."""

    pause: float
    durable: float
    written: float
    computed: float = math.nan
    child: float = math.nan


@dataclass(frozen=True)
class Result:
    """One tool's way through a workload. Seconds and bytes; NaN for what it does not do or what failed."""

    costs: Mapping[str, Cost]
    restored: float
    prompt: float = math.nan
    undo: float = math.nan
    memory: float = math.nan


def main(arguments: list[str]) -> int:
    """Measure the named workloads; the table goes to standard output."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench checkpoint", description=main.__doc__)
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=f"some of: {', '.join(WORKLOADS)}")
    parser.add_argument("--tools", nargs="*", default=["pyshell", "dill", "kishu"])
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    parser.add_argument("--venv", type=Path, default=Path(cache) / "pyshell-bench-checkpoint")
    options = parser.parse_args(arguments)
    python = environment(options.venv, NEEDED)
    tools: dict[str, Callable[[Workload, Path], Result]] = {"pyshell": with_pyshell, "dill": with_peer("dill")}
    tools["kishu"] = with_peer("kishu")
    for name in options.workloads or ["mixed", "array", "dicts", "frame"]:
        workload = WORKLOADS[name]
        results = {tool: _measured(tools[tool], workload, python) for tool in options.tools}
        print(table(workload, results), flush=True)
    return 0


def environment(directory: Path, needed: Sequence[str]) -> Path:
    """An interpreter with the packages that are needed, as far as they can be had; made on first use."""
    python = directory / "bin" / "python"
    if not python.exists():
        venv.create(directory, with_pip=True)
    for package in needed:
        if subprocess.run([python, "-c", f"import {package}"], capture_output=True).returncode:
            subprocess.run([python, "-m", "pip", "install", "-q", package], stdout=sys.stderr)
    return python


def _measured(tool: Callable[[Workload, Path], Result], workload: Workload, python: Path) -> Result:
    try:
        return tool(workload, python)
    except (OSError, ValueError, subprocess.SubprocessError, pyshell.PyshellError) as exc:
        print(f"{workload.name}: {type(exc).__name__}: {exc}", file=sys.stderr)
        return Result({}, math.nan)


# --- pyshell ------------------------------------------------------------------------------------------------


def with_pyshell(workload: Workload, python: Path) -> Result:
    """A real session, killed at the end."""
    with measured(python) as session:
        costs, heads = {}, []
        _idle(session)
        for label, code in workload.cells:
            heads.append(_head(session))
            costs[label] = _watched(session, code)
        used, undo = memory(session.pid or 0), _undo(session, heads[-1])
        events = session.events(after=session.status().last_event)
        os.kill(session.pid or 0, signal.SIGKILL)
        died = time.perf_counter()
        _until(events, lambda event: isinstance(event.body, Restored))
        session.run("0")
        prompt = time.perf_counter() - died
        reply = session.run(workload.expect)
        restored = time.perf_counter() - died if reply.result == "True" else math.inf
        return Result(costs, restored, prompt, undo, used)


def _head(session: Session) -> int:
    return next((one.checkpoint for one in session.checkpoints() if one.head), 0)


def _undo(session: Session, to: int) -> float:
    """Seconds to the checkpoint before the last cell; the session is where it was afterwards."""
    last, began = _head(session), time.perf_counter()
    session.restore(to)
    seconds = time.perf_counter() - began
    session.restore(last)
    return seconds


def _watched(session: Session, code: str) -> Cost:
    """Of a cell in a session that has rested, and rests again."""
    worker = session.pid or 0
    before = children_seconds(worker)
    with Watch(worker) as watch:
        cost = cost_of(session, code, lambda _: None)
        _idle(session)  # the audit is this cell's cost, too
    return replace(cost, computed=children_seconds(worker) - before, child=watch.most)


def cost_of(session: Session, code: str, rest: Callable[[Session], None]) -> Cost:
    """What a cell costs that is run after a rest; durable is infinite if it could not be saved."""
    rest(session)  # the audit of the cell before is its cost, not this one's
    events = session.events(after=session.status().last_event)
    cell = session.execute(f"{code}\nend_ = time_.perf_counter()")
    following = session.execute("pause_ = time_.perf_counter() - end_")
    _until(events, lambda event: isinstance(event.body, Finished) and event.cell == cell)
    ended, written, durable = time.perf_counter(), 0, math.inf
    for event in events:
        if isinstance(event.body, SaveFailed):
            break
        if isinstance(event.body, Saved):
            written += event.body.written
            if event.cell is not None and event.cell >= cell:
                durable = time.perf_counter() - ended
                break
    session.wait(following)
    return Cost(float(session.run("pause_").result or "nan"), durable, written)


def _idle(session: Session) -> None:
    """Rest until the audit is over: what begins beside it is another measurement."""
    deadline = time.monotonic() + AUDIT_SECONDS
    threading.Event().wait(IDLE_SECONDS)
    while time.monotonic() < deadline and not _is_verified(session.status()):
        threading.Event().wait(IDLE_SECONDS / 10)


def _is_verified(status: Status) -> bool:
    return status.verified_cell is not None and status.verified_cell == status.saved_cell


def _until(events: Iterator[Event], is_last: Callable[[Event], bool]) -> Event:
    return next(event for event in events if is_last(event))


# --- the others ----------------------------------------------------------------------------------------------


def with_peer(tool: str) -> Callable[[Workload, Path], Result]:
    """dill or Kishu, in a process of its own."""

    def run(workload: Workload, python: Path) -> Result:
        with tempfile.TemporaryDirectory(prefix="bench-") as home:
            file = Path(home) / "workload"
            file.write_text(json.dumps([workload.cells, workload.expect]))
            directory = Path(home) / "store"
            directory.mkdir()
            command = [str(python), str(PEERS), tool, str(file), str(directory)]
            env = {**os.environ, "HOME": home}
            done = subprocess.run(command, capture_output=True, text=True, timeout=PEER_SECONDS, env=env, check=True)
        found = json.loads(done.stdout.strip().splitlines()[-1])
        costs = {label: Cost(pause, durable, written) for label, pause, durable, written in found["cells"]}
        restored = math.inf if found["restored"] in ("", "wrong") else float(found["restored"])
        undo = math.nan if found["undo"] is None else found["undo"]
        return Result(costs, restored, math.nan, undo, found["memory"])

    return run


COLUMNS = {"pyshell": ("pause", "durable", "written", "computed", "child")}
OTHERS = ("pause", "written")


def table(workload: Workload, results: Mapping[str, Result]) -> str:
    """Markdown: a row for each cell, the columns of each tool, and what is measured once."""
    columns = [(tool, column) for tool in results for column in COLUMNS.get(tool, OTHERS)]
    rows = [["cell", *(f"{tool}: {column}" for tool, column in columns)], ["---"] + ["---:"] * len(columns)]
    for label, _ in workload.cells:
        rows.append([label, *(_field(results[tool].costs.get(label), column) for tool, column in columns)])
    for what, name in {"cells run again": "prompt", "all is back": "restored", "back by a cell": "undo"}.items():
        values = {tool: shown(getattr(found, name)) for tool, found in results.items()}
        rows.append([f"*{what}*", *_once(columns, values)])
    rows.append(["*memory*", *_once(columns, {tool: _bytes(found.memory) for tool, found in results.items()})])
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return f"\n**{workload.name}**\n\n" + "\n".join(lines)


def _once(columns: Sequence[tuple[str, str]], values: Mapping[str, str]) -> list[str]:
    return [values[tool] if column == "pause" else "" for tool, column in columns]


def _field(cost: Cost | None, column: str) -> str:
    if cost is None:
        return "failed" if column == "pause" else ""
    value: float = getattr(cost, column)
    return _bytes(value) if column in ("written", "child") else shown(value)


def shown(seconds: float) -> str:
    """A time for people; `-` for none."""
    if math.isnan(seconds) or math.isinf(seconds):
        return "-" if math.isnan(seconds) else "wrong"
    return f"{seconds * 1000:.1f} ms" if seconds < 0.1 else f"{seconds:.2f} s"


def _bytes(count: float) -> str:
    if math.isnan(count):
        return "-"
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{count / 1000:.1f} KB"
