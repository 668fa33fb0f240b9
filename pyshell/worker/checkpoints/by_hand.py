"""Saving where the person has chosen to do it himself: by `%checkpoint`, `%store NAME` and `Session.save()`.

Runs in: worker, on its main thread.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from pyshell.protocol import RestoreNamespace
from pyshell.worker.autosaving import Midway
from pyshell.worker.checkpoints.saving import Saving
from pyshell.worker.checkpoints.travel import Journey
from pyshell.worker.pickles.limits import Limits


class SavingByHand(Saving):
    """Owner: the main thread, as of `Saving`. `[saving] mode = "manual"` of the configuration."""

    _kept: frozenset[str] = frozenset()
    """Names that the newest state has."""
    _only: frozenset[str] | None = None
    """Those that the next one is to have; None: all."""

    def save_after(self, cell: int, named: Collection[str] | None) -> None:
        self._cell, self._is_saved = cell, False
        self._suspects.look(self._namespace.variables)
        self._checkpointer.note_names(named)

    def note_midway(self, midway: Midway, named: Collection[str] | None) -> None:
        """Nothing is saved there."""

    def save_midway(self) -> float | None:
        return None

    @property
    def seconds_to_audit(self) -> float | None:
        return None

    @property
    def _limits(self) -> Limits:
        return replace(super()._limits, only=self._only)

    def save(self, label: str | None) -> None:
        """All that there is."""
        self._save(None, label)

    def store_names(self, names: Iterable[str]) -> None:
        """These, and what the newest state has, each as it is now: a state is of one moment."""
        self._save(self._kept | set(names), None)

    def _save(self, only: frozenset[str] | None, label: str | None) -> None:
        self._only = only
        self._kept = frozenset(self._namespace.variables) if only is None else only
        # What was left out before is looked for among all names, not among those that a cell has touched.
        self._checkpointer.note_names(None)
        super().save(label)

    def restore(self, request: RestoreNamespace) -> None:
        super().restore(request)
        self._kept = frozenset(self._namespace.variables)

    def travel(self, journey: Journey) -> None:
        """What is left is saved as a whole, or going back would lose it."""
        self._only, self._kept = None, frozenset(self._namespace.variables)
        self._checkpointer.note_names(None)
        super().travel(journey)
