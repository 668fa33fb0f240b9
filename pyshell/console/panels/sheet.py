"""A table of texts, and where one is in it. Pure.

Runs in: console.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Column(NamedTuple):
    """One column; the last of a sheet takes what room is left."""

    head: str
    is_right: bool = False
    """Numbers stand at the right."""
    limit: int = 24
    """How wide it gets at most."""


class Sheet(NamedTuple):
    """What a panel shows."""

    columns: tuple[Column, ...] = ()
    rows: Sequence[tuple[str, ...]] = ()
    looks: Sequence[str | None] = ()
    """The style of each row; none if there are fewer."""
    is_wide: bool = False
    """Columns for which there is no room are not shown, instead of all being narrower."""


class Place:
    """The selected row, and the first that is in view. Owned by the UI thread."""

    def __init__(self) -> None:
        self.at = 0
        self.top = 0

    def move(self, by: int, count: int) -> None:
        self.at = max(0, min(self.at + by, count - 1))

    def page(self, by: int, count: int) -> None:
        """What is in view moves along."""
        self.top += by
        self.move(by, count)

    def window(self, count: int, height: int) -> range:
        """The rows in view: the selected one is among them, and no more is scrolled than that needs."""
        self.at = max(0, min(self.at, count - 1))
        self.top = max(0, min(self.top, self.at, count - height))
        if self.at >= self.top + height:
            self.top = self.at - height + 1
        return range(self.top, min(count, self.top + height))
