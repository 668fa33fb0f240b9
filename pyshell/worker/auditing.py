"""When everything must be saved anew, whatever it costs, because much rests on the rule of what a cell can touch.

Runs in: worker, on its main thread.
"""

from __future__ import annotations

import time

AUDIT_CELLS = 20
AUDIT_SECONDS = 60.0
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
