"""What a cell takes on each way to a session, and in ipykernel beside them, in turns.

`python -m tests.bench bridges [--times 100] [--lines 200000]`. Runs in: benchmarks.

From asking to having the end and all that was printed: a plain `x` (p50 and the best), and a cell that prints many
lines (the best of three). `pyshell.Session` is the way of Python programs and of our console. The clients of JSON-RPC
are those of the tests, Jupyter's is jupyter_client; ipykernel is the one that is installed beside it. Each way has a
session of its own: what is printed in one goes to all who follow it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import Any, NamedTuple

import pyshell
from tests import rpc
from tests.bench.peers import ROOT
from tests.sessions import started

SECONDS = 120
ROUNDS = 3
"""Of those that print."""

Run = Callable[[str], int]
"""Runs a cell to its end; the characters of what it has printed."""


class Times(NamedTuple):
    """Seconds of each cell."""

    plain: list[float]
    printing: list[float]


def main(arguments: list[str]) -> int:
    """The table goes to standard output."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench bridges", description=__doc__)
    parser.add_argument("--times", type=int, default=100, help="plain cells on each way")
    parser.add_argument("--lines", type=int, default=200_000, help="that are printed")
    options = parser.parse_args(arguments)
    missing = [name for name in ("jupyter_client", "ipykernel") if find_spec(name) is None]
    if missing:
        print(f"left out: {' and '.join(missing)} cannot be imported here", file=sys.stderr)
    print(table(measured(options.times, options.lines), options.lines))
    return 0


def measured(times: int, lines: int) -> dict[str, Times]:
    """By the way's name."""
    with ExitStack() as stack:
        stack.enter_context(_own_directories())
        runs = {name: stack.enter_context(way()) for name, way in _ways().items()}
        found = {name: Times([], []) for name in runs}
        printing = f"for i in range({lines}): print('line', i)"
        length = sum(len(f"line {number}\n") for number in range(lines))
        for run in runs.values():
            run("x = 1")
        for _ in range(times):
            for name, run in runs.items():
                found[name].plain.append(_timed(run, "x", 0))
        for _ in range(ROUNDS):
            for name, run in runs.items():
                found[name].printing.append(_timed(run, printing, length))
        return found


def _timed(run: Run, code: str, length: int) -> float:
    begun = time.perf_counter()
    printed = run(code)
    seconds = time.perf_counter() - begun
    if printed != length:
        raise SystemExit(f"{printed} characters have come of {length}")
    return seconds


@contextmanager
def _own_directories() -> Iterator[None]:
    """For sessions, kernels and their descriptions."""
    names = ("XDG_STATE_HOME", "XDG_RUNTIME_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "PYTHONPATH")
    before = {name: os.environ.get(name) for name in names}
    with tempfile.TemporaryDirectory() as directory:
        os.environ.update({name: os.path.join(directory, name.lower()) for name in names})
        os.makedirs(os.environ["XDG_RUNTIME_DIR"], 0o700)
        os.environ["PYTHONPATH"] = str(ROOT)
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name)
                os.environ.update({} if value is None else {name: value})


def _ways() -> dict[str, Callable[[], Any]]:
    ways: dict[str, Callable[[], Any]] = {
        "`pyshell.Session` (RPyC)": _direct,
        "JSON-RPC, stdio": _stdio,
        "JSON-RPC, socket": _socket,
    }
    if find_spec("jupyter_client") is not None:
        ways["Jupyter kernel"] = lambda: _kernel("pyshell")
    if find_spec("jupyter_client") is not None and find_spec("ipykernel") is not None:
        ways["ipykernel"] = lambda: _kernel("python3")
    return ways


@contextmanager
def _direct() -> Iterator[Run]:
    with started("direct") as session:
        yield lambda code: len(session.run(code, SECONDS).output)


@contextmanager
def _stdio() -> Iterator[Run]:
    with started("stdio") as session, rpc.on_stdio(session, has_headers=True) as talk:
        yield _asked(session, talk)


@contextmanager
def _socket() -> Iterator[Run]:
    with started("socket") as session, rpc.served(session) as path, rpc.on_socket(path, session, True) as talk:
        yield _asked(session, talk)


def _asked(session: pyshell.Session, talk: rpc.Rpc) -> Run:
    talk.ask("subscribe", **{"from": session.status().last_event + 1})

    def run(code: str) -> int:
        talk.messages.clear()  # between two cells nothing is read
        cell = talk.ask("execute", code=code)["cell"]
        printed = 0
        for message in talk.each():
            event = message["params"] if message.get("method") == "event" else {"cell": None}
            if event["cell"] == cell and event["body"]["kind"] == "output":
                printed += len(event["body"]["text"])
            elif event["cell"] == cell and event["body"]["kind"] == "finished":
                break
        return printed

    return run


@contextmanager
def _kernel(name: str) -> Iterator[Run]:
    from jupyter_client.manager import start_new_kernel  # an optional extra

    if name == "pyshell":
        install = [sys.executable, "-m", "pyshell", "jupyter", "install", "--user"]
        subprocess.run(install, check=True, stdout=subprocess.DEVNULL)
    manager, client = start_new_kernel(kernel_name=name, startup_timeout=SECONDS)

    def run(code: str) -> int:
        printed: list[int] = []

        def show(message: Any) -> None:
            if message["msg_type"] == "stream":
                printed.append(len(message["content"]["text"]))

        client.execute_interactive(code, output_hook=show, timeout=SECONDS)
        return sum(printed)

    try:
        yield run
    finally:
        client.stop_channels()
        manager.shutdown_kernel()


def table(found: dict[str, Times], lines: int) -> str:
    """A Markdown table: a row per way."""
    rows = [f"|  | `x`, p50 | `x`, best | {lines:,} lines, best |", "| --- | ---: | ---: | ---: |"]
    for name, times in found.items():
        figures = [statistics.median(times.plain), min(times.plain), min(times.printing)]
        rows.append(f"| {name} | {figures[0] * 1000:.1f} ms | {figures[1] * 1000:.1f} ms | {figures[2]:.2f} s |")
    return "\n".join(rows)
