"""How a panel looks: a title, the heads of its columns, as many rows as there is room for, and what is below them.

Runs in: console.
"""

from __future__ import annotations

from functools import lru_cache

from urwid import str_util

from pyshell.console import ansi
from pyshell.console.panels.panel import Panel
from pyshell.console.panels.sheet import Sheet
from pyshell.console.rows import Row, Run, blank, fit, width_of, wrap

GAP = 2
MIN_LAST = 24
"""The last column has so much room, if others can give it."""
MIN_COLUMN = 6
MEASURED = 2000
"""So many rows decide on how wide the columns are."""


class Cover:
    """A panel as the screen sees it."""

    def __init__(self, panel: Panel) -> None:
        self._panel = panel

    @property
    def status(self) -> str:
        return self._panel.status

    def rows(self, width: int, height: int) -> list[Row]:
        return draw(self._panel, width, height)


def draw(panel: Panel, width: int, height: int) -> list[Row]:
    """The panel in rows of exactly this width."""
    sheet = panel.sheet
    below = [row for line in panel.detail for row in wrap([(None, f" {_shown(line)}")], width)][: height // 3]
    room = max(0, height - 2 - (len(below) + 1 if below else 0))
    panel.drawn(width, room)
    widths = _widths(_Fixed(sheet), width - 1)
    rows = [
        fit([("status", f" {_shown(panel.title)} ")], width, "status"),
        fit([("fold", _line([column.head for column in sheet.columns], sheet, widths))], width),
    ]
    for at in panel.place.window(len(sheet.rows), room):
        look = sheet.looks[at] if at < len(sheet.looks) else None
        runs: list[Run] = [("marked" if at == panel.place.at else look, _line(sheet.rows[at], sheet, widths))]
        rows.append(fit(runs, width, "marked" if at == panel.place.at else None))
    rows += [blank(width)] * (2 + room - len(rows))
    if below:
        rows += [fit([("rule", "─" * width)], width), *below]
    return rows[:height]


class _Fixed:
    """A sheet that is looked up by which one it is, not by what is in its rows."""

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet

    def __hash__(self) -> int:
        return hash((self.sheet.columns, id(self.sheet.rows)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Fixed):
            return NotImplemented
        return other.sheet.rows is self.sheet.rows and other.sheet.columns == self.sheet.columns


@lru_cache(maxsize=4)
def _widths(fixed: _Fixed, width: int) -> tuple[int, ...]:
    """How wide each column is: as its texts need it, within its limit, and so that the last one has room."""
    sheet = fixed.sheet
    found = []
    for at, column in enumerate(sheet.columns):
        texts = [column.head, *[row[at] for row in sheet.rows[:MEASURED]]]
        found.append(min(column.limit, max([width_of(_shown(text)) for text in texts])))
    if not found:
        return ()
    taken = sum(found[:-1]) + GAP * (len(found) - 1)
    while not sheet.is_wide and len(found) > 1 and taken + MIN_LAST > width and max(found[:-1]) > MIN_COLUMN:
        widest = found.index(max(found[:-1]))
        found[widest] -= 1
        taken -= 1
    found[-1] = max(1, width - taken)
    return tuple(found)


def _line(texts: list[str] | tuple[str, ...], sheet: Sheet, widths: tuple[int, ...]) -> str:
    cells = [
        _cell(text, width, column.is_right) for text, width, column in zip(texts, widths, sheet.columns, strict=True)
    ]
    return " " + (" " * GAP).join(cells)


def _cell(text: str, width: int, is_right: bool) -> str:
    text = _shown(text)
    taken = width_of(text)
    if taken > width:
        end, taken = str_util.calc_text_pos(text, 0, len(text), max(0, width - 1))
        text, taken = text[:end] + "…", taken + 1
    blanks = " " * (width - taken)
    return blanks + text if is_right else text + blanks


def _shown(text: str) -> str:
    """In one line, without what a terminal would act upon."""
    return text if text.isprintable() else ansi.visible(ansi.plain(text).replace("\n", " ").replace("\t", " "))
