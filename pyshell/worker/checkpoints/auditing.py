"""When everything must be saved anew, whatever it costs, because much rests on the rule of what a cell can touch.

Runs in: worker, on its main thread.
"""

from __future__ import annotations

import time

AUDIT_CELLS = 20
AUDIT_SECONDS = 60.0
SMALL_SECONDS = 0.5
"""A namespace that is saved so quickly is saved whole if a child is needed, and audited as soon as no cell waits."""
IDLE_SECONDS = 0.3
"""Without a cell for so long, everything is saved anew if there is anything to find."""


class Assumed:
    """How much rests on it."""

    def __init__(self) -> None:
        self._cells = 0
        self._since = time.monotonic()

    def add_cell(self) -> None:
        """A cell is about to be saved by the rule."""
        self._cells += 1

    def clear(self) -> None:
        """Everything is saved."""
        self._cells, self._since = 0, time.monotonic()

    @property
    def is_much(self) -> bool:
        return self._cells >= AUDIT_CELLS or time.monotonic() - self._since > AUDIT_SECONDS


def seconds_to_audit(seconds: float, in_slices: bool) -> float:
    """How long the session must be idle, where it took so many seconds to save everything."""
    if in_slices:  # in the session's own process, and at full speed
        return max(1.0, 4 * seconds)
    return 0.0 if seconds < SMALL_SECONDS else max(IDLE_SECONDS, seconds)
