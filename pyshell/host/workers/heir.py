"""What the supervisor is to its succession: whom it tells how the workers fare.

Runs in: host, on the supervisor's thread.
"""

from __future__ import annotations

from typing import Protocol

from pyshell.host.processes.ordering import Shown
from pyshell.host.saved.checkpoints import Verdict
from pyshell.protocol import ExitInfo, Ready, Report, Restored


class Heir(Protocol):
    """What the supervisor is to its succession: it is told these things, in this order per worker."""

    def on_ready(self, ready: Ready) -> None: ...
    def on_output(self, shown: Shown) -> None: ...
    def on_report(self, report: Report) -> None: ...
    def on_orphan_ended(self) -> None:
        """Whatever a dead host's worker had to say has been said; what it left unfinished stays so."""

    def on_exit(self, info: ExitInfo | None) -> None:
        """The worker has ended; None: it was asked to."""

    def on_saved(self, verdict: Verdict) -> None: ...
    def on_restored(self, restored: Restored) -> None: ...
    def on_gave_up(self, reason: str) -> None: ...
    def on_stopped(self) -> None: ...
