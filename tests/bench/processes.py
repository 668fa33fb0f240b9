"""What the kernel says of a process: its memory, and what its children have computed.

Runs in: benchmarks.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

from tests.kills import descendants


class Watch:
    """The most memory that a child of the worker has had for itself meanwhile."""

    def __init__(self, worker: int) -> None:
        self._worker = worker
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.most = 0.0

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.05):
            for child in descendants(self._worker):
                self.most = max(self.most, memory(child, "Private_Dirty", "smaps_rollup"))


def memory(pid: int, field: str = "VmRSS", file: str = "status") -> float:
    """Bytes, as the kernel counts them; 0 if the process is gone."""
    try:
        text = Path(f"/proc/{pid}/{file}").read_text()
    except OSError:
        return 0.0
    return next((float(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith(field)), 0.0)


def children_seconds(pid: int) -> float:
    """Processor time of the children that have ended, in steps of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")
