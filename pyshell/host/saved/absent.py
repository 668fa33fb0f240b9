"""Which names did not come back, for as long as nobody has them again: what `Status.not_restored` tells.

Runs in: host, on the supervisor's thread.

The worker says the same in each checkpoint that it saves without them, so the next restore tells of them, too.
"""

from __future__ import annotations

from collections.abc import Collection

from pyshell.host.saved.checkpoints import unsaved_of
from pyshell.protocol import (
    AskedForQueue,
    CheckedOut,
    Finished,
    Loaded,
    LostLate,
    Message,
    Ready,
    Restored,
    Unsaved,
)
from pyshell.store import Manifest

UNSHOWN = (Ready, Restored, AskedForQueue, LostLate)
"""Reports that are no events of their own, or become one elsewhere."""


class Absent:
    """Owner: the supervisor's thread."""

    def __init__(self) -> None:
        self.names: tuple[Unsaved, ...] = ()

    def hear(self, body: Message) -> None:
        """Of whatever the worker says, take what makes a difference to them."""
        if isinstance(body, (Restored, CheckedOut)):
            self.names = body.not_restored
        elif isinstance(body, LostLate):
            self.names += body.names
        elif isinstance(body, Loaded):
            self._are_back(body.names)
        elif isinstance(body, Finished) and body.changes is not None:
            self._are_back((*body.changes.created, *body.changes.changed))

    def saved(self, manifest: Manifest) -> None:
        """Of what a checkpoint does not say any more somebody has bound the name, or given it up."""
        told = {*unsaved_of(manifest)}
        self.names = tuple([lost for lost in self.names if lost in told])

    def _are_back(self, names: Collection[str]) -> None:
        if self.names:
            self.names = tuple([lost for lost in self.names if lost.name not in names])
