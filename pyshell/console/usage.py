"""What a session takes, and who else is there: looked at now and then, since no event tells.

Runs in: console.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple

from pyshell.console.desk import Desk
from pyshell.errors import PyshellError
from pyshell.interpreters import environment_of
from pyshell.memory import held_by
from pyshell.protocol import Status

LOOK_SECONDS = 5.0


class Usage(NamedTuple):
    """What was seen last."""

    memory: int = 0
    """Bytes of the worker; 0 where nobody tells."""
    others: int = 0
    """Clients beside this one."""
    python: str = ""
    """The interpreter's version and environment, where that is not our own."""


NOTHING = Usage()


class Watch:
    """Owned by the UI thread."""

    def __init__(self, desk: Desk, show: Callable[[Usage], None]) -> None:
        self._usage = Usage()
        self._desk = desk
        self._show = show

    def look(self) -> None:
        """Ask, and again and again from then on."""
        self._desk.later(LOOK_SECONDS, self.look)
        if self._desk.is_connected:
            self._desk.ask(lambda session: session.status(), self._told, "query")

    def look_at(self, pid: int | None) -> None:
        """Only what costs nothing."""
        self._tell(self._usage._replace(memory=held_by(pid)))

    def _told(self, status: Status | PyshellError) -> None:
        if isinstance(status, Status):
            environment = environment_of(status.executable) if status.executable != sys.executable else ""
            python = f"{status.python} {environment}".strip() if environment else ""
            self._tell(Usage(held_by(status.pid), max(0, status.clients - 1), python))

    def _tell(self, usage: Usage) -> None:
        if usage != self._usage:
            self._usage = usage
            self._show(usage)
