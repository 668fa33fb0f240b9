"""What has moved up on the screen is moved by the terminal, and not sent again.

Runs in: console.

A value at the bottom of a full screen changes every row of it, though all but two show what stood below them before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from urwid.display import escape

Row = TypeVar("Row")

MAX_LINES = 12
"""By so many rows at most; a page is sent as it is."""
MIN_KEPT = 6
"""Rows that must move for it to be worth while."""


class Scroll(NamedTuple):
    """Rows `0` to `kept - 1` are what stood `lines` further down."""

    lines: int
    kept: int

    def sequence(self, plain: str) -> str:
        """Move them. The cursor is hidden then, and the pen plain; the new rows are blank."""
        bottom = self.kept + self.lines
        region = f"\x1b[1;{bottom}r{escape.set_cursor_position(0, bottom - 1)}"
        return f"{escape.HIDE_CURSOR}{plain}{region}{chr(10) * self.lines}\x1b[r"

    def moved(self, rows: Sequence[Row], blank: Row) -> list[Row]:
        """What the terminal shows after it."""
        return [*rows[self.lines : self.lines + self.kept], *[blank] * self.lines, *rows[self.lines + self.kept :]]


def scroll_between(before: Sequence[object], after: Sequence[object]) -> Scroll | None:
    """The one that saves most, if one does."""
    found = [Scroll(lines, _kept(before, after, lines)) for lines in range(1, min(MAX_LINES, len(after)) + 1)]
    best = max(found, key=lambda scroll: scroll.kept, default=None)
    return best if best is not None and best.kept >= MIN_KEPT else None


def _kept(before: Sequence[object], after: Sequence[object], lines: int) -> int:
    """How many rows from the top are those that stood so many lines further down."""
    kept = 0
    while kept + lines < len(before) and before[kept + lines] == after[kept]:
        kept += 1
    return kept
