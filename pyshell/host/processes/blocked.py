"""Find the program that waits for a line on the worker's terminal: one that is inside a read of it. Linux alone tells.

Runs in: host.

`/proc/PID/syscall` names the call that a sleeping thread is in, and its first argument: nothing is concluded from what
a program prints or how long it is silent. Where that may not be read, nothing is found.
"""

from __future__ import annotations

import os
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import suppress

from pyshell.frozen import dataclass

MAX_LOOKED_AT = 200
"""Processes and threads: among more a reader may be missed."""
_READS = {
    "x86_64": "0", "aarch64": "63", "riscv64": "63", "loongarch64": "63", "i686": "3", "armv7l": "3", "ppc64le": "3",
    "s390x": "3",
}  # fmt: skip
READ = _READS.get(os.uname().machine, "") if sys.platform == "linux" else ""
"""What the kernel calls read(2) here; empty where nothing can be found."""
_TTY = os.makedev(5, 0)
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Read:
    """One wait for a line; the next one of the same program is another."""

    thread: int
    sleeps: int
    """How often the thread has slept, this time included: a line that comes wakes it."""
    hides_text: bool


@dataclass(frozen=True)
class _Process:
    number: int
    is_asleep: bool
    group: int
    terminal: int
    started: int


def ticks() -> int:
    """Now, as the kernel notes when a process began."""
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * _TICKS) if sys.platform == "linux" else 0


def find_read(worker: int, master: int, since: int) -> Read | None:
    """Who of the main thread's children, and of theirs, in front of the terminal waits for a line.

    `worker` is a process, `master` our end of its terminal, `since` are the `ticks` when the cell began: what an
    earlier one has left running in the worker's own group does not ask in the name of this cell.
    """
    try:
        group, terminal = os.tcgetpgrp(master), _process(worker).terminal
        if _echoes(master) is None:
            return None
    except (OSError, termios.error):  # the worker is just ending
        return None
    for process in _below(worker):
        is_in_front = process.group == group and (group != worker or process.started >= since)
        if not is_in_front or process.terminal != terminal:
            continue
        with suppress(OSError, termios.error):  # it has just ended
            if thread := _reading_thread(process, terminal, master):
                sleeps = _sleeps(process.number, thread)
                # Last: it had switched the echo off before it began to wait.
                return Read(thread, sleeps, _echoes(master) is False)
    return None


def _echoes(master: int) -> bool | None:
    """Whether the terminal shows what is typed; None if whoever is in front reads single keys."""
    modes = termios.tcgetattr(master)[3]
    return bool(modes & termios.ECHO) if modes & termios.ICANON else None


def _below(worker: int) -> Iterator[_Process]:
    """The children of its main thread, which runs the cells in front, and all that are below these."""
    left = MAX_LOOKED_AT
    waiting = _children(worker, worker)
    while waiting and left > 0:
        number = waiting.pop(0)
        left -= 1
        with suppress(OSError):
            yield _process(number)
            threads = _threads(number)
            left -= len(threads)
            for thread in threads:
                waiting += _children(number, thread)


def _reading_thread(process: _Process, terminal: int, master: int) -> int:
    """The thread that reads the terminal; 0 if none does."""
    for thread in _threads(process.number):
        try:
            call = _proc(f"{process.number}/task/{thread}/syscall").split()
        except PermissionError:
            # Another user's (sudo, su): with the echo switched off it sleeps for a password.
            return process.number if process.is_asleep and _echoes(master) is False else 0
        if call[:1] == [READ] and _is_terminal(process.number, int(call[1], 16), terminal):
            return thread
    return 0


def _is_terminal(process: int, fd: int, terminal: int) -> bool:
    path = f"/proc/{process}/fd/{fd}"
    # The link first: to ask a file on a dead network disk for its device would hang us.
    return os.readlink(path).startswith("/dev/") and os.stat(path).st_rdev in (terminal, _TTY)


def _process(number: int) -> _Process:
    # Its name, in parentheses, may hold anything.
    words = _proc(f"{number}/stat").rpartition(")")[2].split()
    device = int(words[4])
    terminal = os.makedev(device >> 8 & 0xFFF, device & 0xFF | device >> 12 & 0xFFF00)
    return _Process(number, words[0] == "S", int(words[2]), terminal, int(words[19]))


def _sleeps(process: int, thread: int) -> int:
    for line in _proc(f"{process}/task/{thread}/status").splitlines():
        if line.startswith("voluntary_ctxt_switches:"):
            return int(line.split()[1])
    return 0


def _threads(process: int) -> list[int]:
    return sorted([int(thread) for thread in os.listdir(f"/proc/{process}/task")])


def _children(process: int, thread: int) -> list[int]:
    try:
        return [int(child) for child in _proc(f"{process}/task/{thread}/children").split()]
    except OSError:  # it has just ended, or this kernel does not list them
        return []


def _proc(name: str) -> str:
    with open(f"/proc/{name}", encoding="utf-8", errors="replace") as file:
        return file.read()
