"""The worker of a host that was killed: it finishes its cell and ends; this is how the next host learns of it.

Runs in: host.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from pyshell import protocol
from pyshell.errors import ProtocolError
from pyshell.frozen import dataclass
from pyshell.host.processes.stalling import fields_of
from pyshell.host.saved.checkpoints import wait_for_exit
from pyshell.protocol import Report


@dataclass(frozen=True)
class Orphan:
    """A process, by its number and the moment of its start: numbers are used again."""

    pid: int
    born: str

    @classmethod
    def of(cls, pid: int) -> Orphan:
        return cls(pid, _born(pid))

    @classmethod
    def parse(cls, text: str) -> Orphan | None:
        pid, _, born = text.partition(" ")
        return cls(int(pid), born) if pid.isdigit() else None

    def __str__(self) -> str:
        return f"{self.pid} {self.born}"

    def is_alive(self) -> bool:
        return self.born != "" and _born(self.pid) == self.born

    def signal(self, number: signal.Signals) -> None:
        if self.is_alive():
            os.kill(self.pid, number)

    def when_ended(self, callback: Callable[[], None]) -> None:
        """Call back from a thread of its own once the process has ended."""

        def wait() -> None:
            while self.is_alive():
                wait_for_exit(self.pid, 3600.0, threading.Event())
            callback()

        threading.Thread(target=wait, name="orphan", daemon=True).start()


def _born(pid: int) -> str:
    if sys.platform != "linux":
        return _born_by_ps(pid)
    try:
        fields = fields_of(Path(f"/proc/{pid}/stat"))
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def _born_by_ps(pid: int) -> str:
    found = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True)
    return found.stdout.strip()


def read_reports(path: Path) -> list[Report]:
    """What the orphan would have told its host; a torn last line is left out."""
    try:
        lines = path.read_text("ascii", "replace").splitlines()
    except FileNotFoundError:
        return []
    found = []
    for line in lines:
        try:
            found.append(protocol.from_json(line, Report))
        except ProtocolError:
            break  # it was killed while it wrote this line
    return found
