"""The terminal, told only the cells that have changed.

Runs in: console.

urwid sends every row anew in which something is another; with a list of completions over the transcript that is half a
kilobyte for a key, which one waits for behind a slow line. Here a row of plain ASCII is compared cell by cell. Whatever
is not so simple (wide characters, many rows, a new size, the screen's last corner) urwid draws.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from urwid.canvas import Canvas
from urwid.display import escape

from pyshell.console.display import Display

MAX_ROWS = 16
"""If more have changed it is not a key that did it, and comparing would cost more than it saves."""
GAP = 8
"""Cells that have not changed are written again rather than jumped over, if they are so few."""
MIN_ERASED = 5
OSC = "\x1b]"

Runs = list[tuple[str, Literal["0", "U"] | None, bytes]]
"""A row as it was sent: escape sequence, character set and text of each run."""


class Painter(Display):
    """Owned by the UI thread."""

    def draw_screen(self, size: tuple[int, int], canvas: Canvas) -> None:
        """Draw what has changed."""
        drawn = self._drawn_rows
        if not self.screen_buf or canvas is self._screen_buf_canvas or len(drawn) != size[1] or self._resized:
            return super().draw_screen(size, canvas)
        content = [list(row) for row in canvas.content()]
        look = self._attr_to_escape
        rows: list[Runs] = [[(look(attr), charset, run) for attr, charset, run in row] for row in content]
        changed = [y for y in range(len(rows)) if rows[y] != drawn[y]]
        parts = None if len(changed) > MAX_ROWS else self._parts(changed, drawn, rows, size)
        if parts is None:
            return super().draw_screen(size, canvas)
        frame = "".join([escape.HIDE_CURSOR, *parts] if parts else [])
        if canvas.cursor is not None:
            self._cy = canvas.cursor[1]
            frame += escape.set_cursor_position(*canvas.cursor) + escape.SHOW_CURSOR
        if self.modes.synchronized_output:
            mode = escape.PrivateMode.SYNCHRONIZED_OUTPUT
            frame = f"{mode.enable_seq}{frame}{mode.disable_seq}"
        self.write(frame)
        self.flush()
        self.screen_buf, self._drawn_rows, self._screen_buf_canvas = content, rows, canvas

    def _parts(
        self, changed: list[int], before: list[Runs], after: list[Runs], size: tuple[int, int]
    ) -> list[str] | None:
        """What to send for these rows; None if that is not simple."""
        plain = self._attr_to_escape(None)
        parts: list[str] = []
        for y in changed:
            old, new = _cells(before[y], size[0]), _cells(after[y], size[0])
            if old is None or new is None or (y == size[1] - 1 and old[-1] != new[-1]):
                return None
            parts += _row(y, old, new, plain)
        return [*parts, plain] if parts else parts


Cell = tuple[str, int]


def _cells(row: Runs, width: int) -> list[Cell] | None:
    """A row's cells with their looks; None if a character may be no cell."""
    cells: list[Cell] = []
    for look, charset, run in row:
        is_plain = charset is None and run.isascii() and run.decode("ascii").isprintable()
        if not is_plain or OSC in look:  # a link, which would have to be closed
            return None
        cells += [(look, code) for code in run]
    return cells if len(cells) == width else None


def _row(y: int, old: list[Cell], new: list[Cell], plain: str) -> Iterator[str]:
    """Go to each part of the row that is another now, and write it."""
    blank = (plain, 32)
    end = len(new)
    while end and new[end - 1] == blank:
        end -= 1
    for start, stop in _spans(old, new):
        yield escape.set_cursor_position(start, y)
        is_tail = stop > end and len(new) - max(start, end) >= MIN_ERASED
        look = None
        written: list[int] = []
        for cell in new[start : max(start, end) if is_tail else stop]:
            if cell[0] != look:
                yield bytes(written).decode() + cell[0]
                look, written = cell[0], []
            written.append(cell[1])
        yield bytes(written).decode()
        if is_tail:
            yield plain + escape.ERASE_IN_LINE_RIGHT
            return


def _spans(old: list[Cell], new: list[Cell]) -> list[tuple[int, int]]:
    """Where they differ, parts that lie near each other joined."""
    spans: list[tuple[int, int]] = []
    for at, cell in enumerate(new):
        if cell != old[at]:
            if spans and at - spans[-1][1] < GAP:
                spans[-1] = (spans[-1][0], at + 1)
            else:
                spans.append((at, at + 1))
    return spans
