"""The terminal, told only the cells that have changed.

Runs in: console.

urwid sends every row anew in which something is another; with a list of completions over the transcript that is half a
kilobyte for a key, which one waits for behind a slow line. Here a row of simple characters is compared cell by cell,
and of a look only that is sent in which it differs from the one before. Whatever is not so simple (wide characters,
many rows, a new size, the screen's last corner) urwid draws.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from functools import lru_cache
from typing import Literal, NamedTuple

from urwid.canvas import Canvas
from urwid.display import escape

from pyshell.console.display import Display
from pyshell.console.rows import SIMPLE
from pyshell.console.scrolling import Scroll, scroll_between
from pyshell.console.theme import Attribute

MAX_ROWS = 16
"""If more have changed it is not a key that did it, and comparing would cost more than it saves."""
MANY_ROWS = 6
"""If more have changed it may be that they have moved."""
GAP = 5
"""Cells that have not changed are written again rather than jumped over, if they are so few."""
MIN_ERASED = 5
OSC = "\x1b]"
NO_BLANK = {"4", "7", "9"}
"""Underlined, reversed, struck through: a cell that is erased with one of these may not look as a space does."""

Runs = list[tuple[str, Literal["0", "U"] | None, bytes]]
"""A row as it was sent: escape sequence, character set and text of each run."""
Drawn = list[tuple[Hashable, Literal["0", "U"] | None, bytes]]
"""A row as it is drawn, with the name of a look in place of the sequence."""


class Painter(Display):
    """Owned by the UI thread."""

    def __init__(self) -> None:
        super().__init__()
        self._shown_at: tuple[int, int] | None = None
        """Where the terminal shows its cursor, if the last thing that it was sent is a frame of ours."""

    def write(self, data: str) -> None:
        """Send something, after which the cursor may be anywhere."""
        self._shown_at = None
        super().write(data)

    def tell(self, data: str) -> None:
        """Send something that is no part of the screen, at once."""
        self.write(data)
        self.flush()

    def look(self, attribute: Attribute) -> str:
        """The sequence that makes a look."""
        return str(self._attr_to_escape(attribute))

    def draw_screen(self, size: tuple[int, int], canvas: Canvas) -> None:
        """Draw what has changed."""
        drawn = self._drawn_rows
        if not self.screen_buf or canvas is self._screen_buf_canvas or len(drawn) != size[1] or self._resized:
            return super().draw_screen(size, canvas)
        content = [list(row) for row in canvas.content()]
        look = self._attr_to_escape
        rows: list[Runs] = [[(look(attr), charset, run) for attr, charset, run in row] for row in content]
        changed = _changed(drawn, rows)
        moved = ""
        if len(changed) > MANY_ROWS and (scroll := self._scroll(drawn, rows)) is not None:
            moved, drawn = scroll.sequence(look(None)), scroll.moved(drawn, [(look(None), None, b" " * size[0])])
            changed = _changed(drawn, rows)
        frame = None if len(changed) > MAX_ROWS else self._frame(changed, drawn, rows, size)
        if frame is None:
            return super().draw_screen(size, canvas)
        if data := moved + frame.closed(canvas.cursor, None if moved else self._shown_at):
            if self.modes.synchronized_output:
                mode = escape.PrivateMode.SYNCHRONIZED_OUTPUT
                data = f"{mode.enable_seq}{data}{mode.disable_seq}"
            self.write(data)
            self.flush()
        if canvas.cursor is not None:
            self._cy = canvas.cursor[1]
        self._shown_at = canvas.cursor
        self.screen_buf, self._drawn_rows, self._screen_buf_canvas = content, rows, canvas

    def _last_row(self, row: Drawn) -> tuple[Drawn, int, Drawn]:
        """The row without the character before the last, the columns to go back, and that character, to be inserted.

        So the last one comes into the screen's corner. urwid measures the text, for which it imports what the first
        frame would wait for.
        """
        *before, (look, charset, text) = row
        if charset is None and len(text) > 1 and text[-2:].isascii():
            return [*before, (look, None, text[:-2] + text[-1:])], 1, [(look, None, text[-2:-1])]
        return super()._last_row(row)

    def _scroll(self, before: list[Runs], after: list[Runs]) -> Scroll | None:
        """How far the transcript has gone up; None where the rows that become free would not be blank."""
        plain = _parsed(self._attr_to_escape(None))
        return scroll_between(before, after) if plain is not None and plain.background == "49" else None

    def _frame(self, changed: list[int], before: list[Runs], after: list[Runs], size: tuple[int, int]) -> Frame | None:
        """What to send for these rows; None if that is not simple."""
        frame = Frame(size[0], self._attr_to_escape(None), self.back_color_erase)
        for y in changed:
            old, new = _cells(before[y], size[0]), _cells(after[y], size[0])
            if old is None or new is None or (y == size[1] - 1 and old[-1] != new[-1]):
                return None
            frame.row(y, old, new)
        return frame


def _changed(before: list[Runs], after: list[Runs]) -> list[int]:
    return [y for y in range(len(after)) if after[y] != before[y]]


Cell = tuple[str, str]


def _cells(row: Runs, width: int) -> list[Cell] | None:
    """A row's cells with their looks; None if a character may be no cell."""
    cells: list[Cell] = []
    for look, charset, run in row:
        text = run.decode("utf-8", "replace")
        if charset is not None or OSC in look or not SIMPLE.fullmatch(text):  # a link would have to be closed
            return None
        cells += [(look, character) for character in text]
    return cells if len(cells) == width else None


class Frame:
    """What is sent for a few rows, and what the terminal's cursor and pen are after it."""

    def __init__(self, width: int, plain: str, erases_in_color: bool) -> None:
        self._width, self._plain, self._erases_in_color = width, plain, erases_in_color
        self._parts: list[str] = []
        self._at: tuple[int, int] | None = None
        self._look: str | None = None
        self._spans = 0

    def row(self, y: int, old: list[Cell], new: list[Cell]) -> None:
        """Go to each part of the row that is another now, and write it."""
        end = len(new)
        while end and new[end - 1] == (new[-1][0], " "):
            end -= 1
        can_erase = new[-1][0] == self._plain or (self._erases_in_color and _is_blank(new[-1][0]))
        for start, stop in _spans(old, new):
            self._go(start, y)
            is_tail = can_erase and stop > end and len(new) - max(start, end) >= MIN_ERASED
            self._put(new[start : max(start, end) if is_tail else stop])
            if is_tail:
                self._take(new[-1][0])
                self._parts.append(escape.ERASE_IN_LINE_RIGHT)
                return

    def closed(self, cursor: tuple[int, int] | None, shown_at: tuple[int, int] | None) -> str:
        """All of it, with the cursor where it belongs; nothing if it is there and nothing else has changed."""
        if self._spans:
            self._take(self._plain)
        is_there = cursor is not None and cursor == (self._at if self._spans else shown_at)
        if is_there and shown_at is not None and self._spans < 2:
            return "".join(self._parts)  # a letter at the cursor, which need not be hidden for that
        parts = [escape.HIDE_CURSOR] if self._spans else []
        parts += self._parts
        if cursor is not None:
            parts += [] if is_there else [escape.set_cursor_position(*cursor)]
            parts.append(escape.SHOW_CURSOR)
        elif shown_at is not None and not self._spans:
            parts.append(escape.HIDE_CURSOR)
        return "".join(parts)

    def _go(self, x: int, y: int) -> None:
        """To the row and column, or to the column alone in a row that was gone to before."""
        self._spans += 1
        is_in_row = self._at is not None and self._at[1] == y
        self._parts.append(f"\x1b[{x + 1}G" if is_in_row else escape.set_cursor_position(x, y))
        self._at = (x, y)

    def _put(self, cells: list[Cell]) -> None:
        for look, character in cells:
            self._take(look)
            self._parts.append(character)
        if self._at is not None:
            x, y = self._at[0] + len(cells), self._at[1]
            # Behind the last column a terminal's cursor is on it, or beyond.
            self._at = (x, y) if x < self._width else None

    def _take(self, look: str) -> None:
        if look != self._look:
            self._parts.append(_change(self._look, look))
            self._look = look


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


# --- looks ------------------------------------------------------------------------------------------


class Look(NamedTuple):
    """What a sequence of urwid's sets: `38;5;130`, `49`, `{"1", "4"}`."""

    foreground: str
    background: str
    settings: frozenset[str]


@lru_cache(1000)
def _parsed(look: str) -> Look | None:
    """None for a sequence of another kind; a terminal may have its own."""
    if not re.fullmatch(r"\x1b\[0(;\d+)*m", look):
        return None
    foreground, background, settings = "39", "49", set()
    for part in re.findall(r";([34]8;5;\d+|[34]8;2;\d+;\d+;\d+|\d+)", look):
        if re.match(r"3[0-79]|38;|9[0-7]", part):
            foreground = part
        elif re.match(r"4[0-79]|48;|10[0-7]", part):
            background = part
        else:
            settings.add(part)
    return Look(foreground, background, frozenset(settings))


def _is_blank(look: str) -> bool:
    """Whether a cell that is erased with it looks as a space does."""
    parsed = _parsed(look)
    return parsed is not None and not parsed.settings & NO_BLANK


@lru_cache(1000)
def _change(before: str | None, after: str) -> str:
    """The shortest sequence that makes the one look of the other, None: of any."""
    old, new = before and _parsed(before), _parsed(after)
    if new is None:
        return after
    colors = [part for part in new[:2] if part not in ("39", "49")]
    whole = ["0", *colors, *sorted(new.settings)] if colors or new.settings else []
    if old and old.settings <= new.settings:
        differs = [now for now, then in zip(new[:2], old[:2], strict=True) if now != then]
        differs += sorted(new.settings - old.settings)
        if not differs:
            return ""
        if len(";".join(differs)) < len(";".join(whole)):
            whole = differs
    return f"\x1b[{';'.join(whole)}m"
