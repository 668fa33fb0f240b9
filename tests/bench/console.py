"""What a person feels, measured through a real pseudo-terminal: seconds from a key to what it brings on the screen.

Runs in: benchmarks.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.bench.peers import Peer
from tests.terminal import Terminal

LINES = 200_000
NEVER = float("inf")


@dataclass(frozen=True)
class Measure:
    """One row of the table."""

    name: str
    run: Callable[[Peer], list[float]]
    goal: float | None
    """Seconds that pyshell should stay under."""


@contextmanager
def prompted(peer: Peer) -> Iterator[Terminal]:
    """The console, ready for the first line and quiet."""
    with peer.start() as terminal:
        terminal.wait_text(peer.prompt)
        terminal.settle(0.5)
        yield terminal


def submit(terminal: Terminal, line: str, pattern: str, seconds: float = 60.0) -> float:
    """Type a line; seconds from Enter until the pattern is shown. The line is typed and echoed before."""
    terminal.send(line)
    terminal.settle()
    shown = len(terminal.text)
    begin = time.perf_counter()
    terminal.send("\r")
    return terminal.wait_text(pattern, seconds, shown) - begin


def time_to_prompt(peer: Peer) -> list[float]:
    """From the start of the process to its prompt."""
    times = []
    for _ in range(5):
        with peer.start() as terminal:
            times.append(terminal.wait_text(peer.prompt) - terminal.started)
            terminal.settle(0.3)
    return times


def time_to_first_result(peer: Peer) -> list[float]:
    """From the start of the process to the first result, for a person who types as soon as there is a prompt."""
    times = []
    for _ in range(5):
        with peer.start() as terminal:
            terminal.wait_text(peer.prompt)
            terminal.send("1234*4321\r")
            times.append(terminal.wait_text("5332114") - terminal.started)
            terminal.settle(0.3)
    return times


def key_echo(peer: Peer) -> list[float]:
    """From a key to its letter."""
    with prompted(peer) as terminal:
        return _echoes(terminal)


def busy_echo(peer: Peer) -> list[float]:
    """The same while a cell runs, in Python code."""
    if not peer.edits_while_busy:
        return [NEVER]
    with prompted(peer) as terminal:
        submit(terminal, "print('beg'+'un');any(0 for _ in iter(int,1))", "begun")
        terminal.settle(0.5)
        return _echoes(terminal)


def _echoes(terminal: Terminal) -> list[float]:
    times = []
    for letter in "QWXYZJKVGH" * 3:
        shown = len(terminal.text)
        begin = time.perf_counter()
        terminal.send(letter)
        times.append(terminal.wait_text(letter, 5.0, shown) - begin)
        terminal.settle()
        terminal.send("\x7f")
        terminal.settle()
    return times


def completion(peer: Peer) -> list[float]:
    """From `os.pa` and Tab, which some list while one types, to what it may become. Readline wants it twice."""
    times = []
    with prompted(peer) as terminal:
        submit(terminal, "import os;print('s'+'et')", "set")
        terminal.settle(0.5)
        for _ in range(10):
            shown = len(terminal.text)
            begin = time.perf_counter()
            terminal.send("os.pa\t\t")
            times.append(terminal.wait_text("pathconf", 5.0, shown) - begin)
            terminal.settle(0.2)
            terminal.send("\x03")
            terminal.settle(0.1)
            terminal.send("\x15")  # the first one may have closed the list only
            terminal.settle(0.3)
    return times


def interrupted_flood(peer: Peer) -> list[float]:
    """From Ctrl-C in a flood of printed lines to the name of the error."""
    times = []
    with prompted(peer) as terminal:
        for _ in range(5):
            submit(terminal, "any(print('fl'+'ood') for _ in iter(int,1))", "flood")
            end = time.perf_counter() + 1.0
            while time.perf_counter() < end:
                terminal.read(0.1)
            shown = len(terminal.text)
            begin = time.perf_counter()
            terminal.send("\x03")
            times.append(terminal.wait_text("KeyboardInterrupt", 30.0, shown) - begin)
            terminal.settle(0.3)
    return times


def round_trip(peer: Peer) -> list[float]:
    """From Enter after `x` to its value."""
    times = []
    with prompted(peer) as terminal:
        for power in range(20, 50):
            # Another value each time, which the screen does not show yet.
            submit(terminal, f"x=7**{power};print('s'+'et{power}')", f"set{power}")
            terminal.settle(0.2)
            times.append(submit(terminal, "x", str(7**power)))
            terminal.settle(0.2)
    return times


def flood(peer: Peer) -> list[float]:
    """From Enter to the line after 200,000 printed lines."""
    times = []
    for _ in range(3):
        with prompted(peer) as terminal:
            line = f"_=[print(i) for i in range({LINES})];print('fin'+'ished')"
            times.append(submit(terminal, line, "finished", 120.0))
    return times


def crash(peer: Peer) -> list[float]:
    """From Enter after a line that ends the interpreter by SIGSEGV to the value of a variable from before."""
    times = []
    for _ in range(3):
        with prompted(peer) as terminal:
            submit(terminal, "y=3**41;print('s'+'et')", "set")
            terminal.settle(1.0)
            times.append(_recover(terminal, peer.restored))
    return times


def _recover(terminal: Terminal, restored: str) -> float:
    terminal.send("import os;os.kill(os.getpid(),11)")
    terminal.settle()
    shown = len(terminal.text)
    begin = time.perf_counter()
    terminal.send("\r")
    try:
        terminal.wait_text(restored or r"In ?\[|>>> ", 15.0, shown)
        terminal.send("y\r")
        return terminal.wait_text(str(3**41), 15.0, shown) - begin
    except (TimeoutError, OSError):  # it is gone, or takes cells and does nothing
        return NEVER


MEASURES = [
    Measure("start to prompt", time_to_prompt, 0.2),
    Measure("start to first result", time_to_first_result, 0.25),
    Measure("key to echo", key_echo, 0.002),
    Measure("key to echo while a cell runs", busy_echo, 0.002),
    Measure("`os.pa` to its list", completion, 0.005),
    Measure("`x` to its value", round_trip, 0.004),
    Measure("200,000 printed lines", flood, 1.0),
    Measure("Ctrl-C in a flood", interrupted_flood, 0.05),
    Measure("SIGSEGV to the value of `y`", crash, 1.5),
]


def median(times: list[float]) -> float:
    return statistics.median(times)
