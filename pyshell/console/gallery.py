"""Pictures on the screen: drawn in another thread when they are first looked at, and kept for a while.

Runs in: console.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from pyshell.console import pictures, theme
from pyshell.console.pictures import BLOCK, Half, Picture
from pyshell.console.rows import Row
from pyshell.console.theme import Attribute, Colors

MAX_DRAWN = 20

Drawn = list[Row] | None
Draw = Callable[[Callable[[], Any], Callable[[Any], None]], None]
"""Call the first in another thread, and the second with its result, or with an error, in the UI thread."""


class Gallery:
    """Owned by the UI thread. `changed` is called when there is something new to be seen."""

    def __init__(self, colors: Colors, draw: Draw, changed: Callable[[], None]) -> None:
        self._colors = colors
        self.draw = draw
        self.changed = changed
        self._drawn: OrderedDict[int, Drawn] = OrderedDict()

    def row(self, start: int, picture: Picture, row: int) -> Row | None:
        """A row of the picture that begins in line `start`; None while it is not there."""
        if start not in self._drawn:
            self._drawn[start] = None
            self.draw(lambda: rows_of(picture, self._colors), lambda drawn: self._arrived(start, drawn))
            if len(self._drawn) > MAX_DRAWN:
                self._drawn.popitem(last=False)
        drawn = self._drawn[start]
        return drawn[row] if drawn is not None else None

    def _arrived(self, start: int, drawn: Any) -> None:
        self._drawn[start] = drawn if isinstance(drawn, list) else None
        self.changed()


def rows_of(picture: Picture, colors: Colors) -> Drawn:
    """The picture as rows of exactly its width."""
    drawn = pictures.draw(picture)
    return None if drawn is None else [_row(halves, colors) for halves in drawn]


def _row(halves: list[Half], colors: Colors) -> Row:
    size = len(BLOCK.encode())
    attributes: list[tuple[Attribute, int]] = []
    for upper, lower in halves:
        attribute = theme.from_pen(f"38;2;{_code(upper)};48;2;{_code(lower)}", colors)
        if attributes and attributes[-1][0] == attribute:
            attributes[-1] = (attribute, attributes[-1][1] + size)
        else:
            attributes.append((attribute, size))
    return BLOCK.encode() * len(halves), attributes


def _code(color: tuple[int, int, int]) -> str:
    # Steps that no eye sees apart make longer runs of one colour, and fewer bytes for the terminal.
    return ";".join([str(value & 0xF8 | value >> 5) for value in color])
