"""Know which cells have ended without being in a checkpoint, and say what a restore has cost. Pure.

Runs in: host.
"""

from __future__ import annotations

from collections.abc import Iterable

MAX_NAMED = 10
"""Cells that a sentence names before it only counts them."""


class Ledger:
    """Owner: the supervisor's thread."""

    def __init__(self, unsaved: Iterable[int] = (), newest: tuple[int, int | None] | None = None) -> None:
        """`newest` is the newest checkpoint and the cell before it."""
        self._unsaved = set(unsaved)
        self._newest = newest

    def ended(self, cell: int) -> None:
        """A cell has run to its end, well or not: it may have changed the namespace."""
        self._unsaved.add(cell)

    def saved(self, checkpoint: int, cell: int | None) -> None:
        """A checkpoint was committed that was taken after this cell."""
        self._newest = (checkpoint, cell)
        if cell is not None:
            self._unsaved = {number for number in self._unsaved if number > cell}

    def write_off(self, restored: int | None, wanted: bool) -> list[str]:
        """Another worker starts from this checkpoint (None: from nothing): say what is lost, and forget it.

        `wanted`: somebody asked for an empty namespace, so nothing is lost that should be told.
        """
        lost, self._unsaved = sorted(self._unsaved), set()
        return [] if wanted else [*self._older(restored), *_unsaved(lost)]

    def _older(self, restored: int | None) -> list[str]:
        if self._newest is None or self._newest[0] == restored:
            return []
        after = f" after In[{self._newest[1]}]" if self._newest[1] is not None else ""
        instead = "the namespace is empty" if restored is None else f"checkpoint {restored} is an earlier state"
        return [f"The newest checkpoint{after} could not be loaded; {instead}."]


def _unsaved(lost: list[int]) -> list[str]:
    if not lost:
        return []
    named = ", ".join([f"In[{cell}]" for cell in lost[:MAX_NAMED]])
    more = f" and {len(lost) - MAX_NAMED} more" if len(lost) > MAX_NAMED else ""
    return [f"What {named}{more} changed had not been saved yet when the worker ended; run that again."]
