"""Which names did not come back, for as long as nobody has them again: what `Status.not_restored` tells.

Runs in: host, on the supervisor's thread.

The worker says the same in each checkpoint that it saves without them, so the next restore tells of them, too.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from pyshell.host.saved.checkpoints import unsaved_of
from pyshell.protocol import (
    AskedForQueue,
    CheckedOut,
    EventBody,
    Finished,
    Loaded,
    LostLate,
    Message,
    Ready,
    Restored,
    Saved,
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

    def unsaved(self, manifest: Manifest | None) -> tuple[Unsaved, ...]:
        """Of what is there, what a checkpoint could not hold."""
        return self._without(unsaved_of(manifest)) if manifest is not None else ()

    def told(self, body: EventBody) -> EventBody:
        """What a checkpoint tells, without what is not there either way."""
        return replace(body, unsaved=self._without(body.unsaved)) if isinstance(body, Saved) else body

    def _without(self, unsaved: tuple[Unsaved, ...]) -> tuple[Unsaved, ...]:
        return tuple([missing for missing in unsaved if missing not in self.names])

    def _are_back(self, names: Collection[str]) -> None:
        if self.names:
            self.names = tuple([lost for lost in self.names if lost.name not in names])
