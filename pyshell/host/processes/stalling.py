"""Tell a process that computes or waits for the disk from one that will wait for ever.

Runs in: host.

A forked child that saves has nothing to wait for but the disk. If it sleeps without using the processor,
it waits for a lock that another thread of its parent held at the fork, or for something that a value's own
code wants from outside; neither comes.
"""

from __future__ import annotations

import time
from pathlib import Path


class Stalling:
    """Watches one process. `is_stuck` is asked again and again, on one thread."""

    def __init__(self, pid: int, patience: float) -> None:
        """`patience`: seconds that it may sleep without using any processor time."""
        self._pid = pid
        self._patience = patience
        self._used = ""
        self._since = time.monotonic()

    def is_stuck(self) -> bool:
        """Whether it has slept for longer than the patience lasts. Never true where /proc does not tell."""
        used = _processor_time(self._pid)
        if used is None or used != self._used:
            self._used = used or ""
            self._since = time.monotonic()
        return time.monotonic() - self._since > self._patience


def _processor_time(pid: int) -> str | None:
    """The time that all its threads have used; None if one is not asleep, or nothing is known."""
    try:
        threads = [fields_of(stat) for stat in Path(f"/proc/{pid}/task").glob("*/stat")]
    except OSError:
        return None
    if not threads or any(fields[0] != "S" for fields in threads):
        return None
    return " ".join([f"{fields[11]}+{fields[12]}" for fields in threads])


def fields_of(stat: Path) -> list[str]:
    """What /proc/PID/stat says from the state on (proc(5)); the name before that may hold anything."""
    return stat.read_text("ascii", "replace").rpartition(")")[2].split()
