"""The end of the output, where it can still change: `\\r`, backspace, cursor moves, erasing. Pure.

Runs in: console.

Most output only ever appends, and takes a path here that costs no more than `str.split`. A progress
bar rewrites the rows above its cursor; they are taken back from the finished lines for that.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from pyshell.console import ansi

MAX_LINE = 2000
"""Longer lines are cut: urwid's layout of an endless line is quadratic (63 s for a megabyte)."""
MAX_ROWS = 200
"""How far up a cursor may move."""
_ONE_CELL = re.compile("[\x00-\x08\x0a-\u02ff\u2010-\u2027\u2030-\u205e\u2500-\u25fc\u2800-\u28ff]*")
"""Characters that take one cell each, among them those that progress bars are made of."""
MAX_PENDING = 4096
"""An escape sequence that has not ended by then is text."""

_UNFINISHED = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]*\x1b?|[PX^_][^\x1b]*\x1b?|[ -/]*)?\Z")
_TOKEN = re.compile(
    rf"(?P<csi>\x1b\[(?P<args>[0-?]*)(?P<final>[@-~]))|{ansi.ESCAPE.pattern}|[\x00-\x1f\x7f]|[^\x00-\x1f\x7f]+"
)

Cell = tuple[str, str]
"""A character with the marks that combine with it, and its pen. A wide one is followed by an empty cell."""


class Tail(NamedTuple):
    """The rows that output can still change; the cursor is in the first, the others lie below it."""

    rows: tuple[str, ...] = ("",)
    column: int | None = None
    """None: after the row's last character."""
    pen: str = ""
    pending: str = ""
    """The start of an escape sequence whose end has not come yet."""

    @property
    def is_empty(self) -> bool:
        return not any(self.rows)


class Fed(NamedTuple):
    """What became of a piece of output: first `taken` lines go, then `lines` come."""

    taken: int
    lines: tuple[str, ...]
    tail: Tail


def feed(tail: Tail, text: str, above: Sequence[str] = ()) -> Fed:
    """Write `text` at the end of the output; `above` are the finished lines that it may still reach."""
    text = tail.pending + text
    pending = ""
    if "\x1b" in text[-MAX_PENDING:] and (match := _UNFINISHED.search(text, max(0, len(text) - MAX_PENDING))):
        text, pending = text[: match.start()], match[0]
    tail = Tail(tail.rows, tail.column, tail.pen, pending)
    simple = len(tail.rows) == 1 and "\x08" not in text
    if simple and not tail.pen and "\x1b" not in text and "\x1b" not in tail.rows[0]:
        if "\r" not in text and tail.column is None:
            return _append(tail, text)
        if _ONE_CELL.fullmatch(text) and _ONE_CELL.fullmatch(tail.rows[0]):
            return _overwrite(tail, text)
    elif simple and tail.column is None and "\r" not in text and text.count("\x1b") == len(ansi.SGR.findall(text)):
        return _append_coloured(tail, text)
    return _emulate(tail, text, above)


def _append(tail: Tail, text: str) -> Fed:
    return _finish((tail.rows[0] + text).split("\n"), None, tail)


def _append_coloured(tail: Tail, text: str) -> Fed:
    pen, lines = tail.pen, []
    for number, piece in enumerate(text.split("\n")):
        lines.append(ansi.start(pen) + piece if number else tail.rows[0] + _resume(tail) + piece)
        if "\x1b" in piece:
            pen = ansi.pen_after(pen, piece)
    return _finish(lines, None, Tail(("",), None, pen, tail.pending))


def _resume(tail: Tail) -> str:
    """What must precede text at the end of the row so that it is in the tail's pen."""
    return ansi.change(ansi.pen_after("", tail.rows[0]), tail.pen)


def _overwrite(tail: Tail, text: str) -> Fed:
    """Carriage returns where each character is one cell: a flood of them must cost little."""
    row, column, lines = tail.rows[0], tail.column, []
    pieces = text.split("\n")
    for number, piece in enumerate(pieces):
        first, *others = piece.split("\r")
        start = len(row) if column is None else column
        row = row.ljust(start)[:start] + first + row[start + len(first) :]
        for other in others:
            row = other + row[len(other) :]
        column = len(others[-1]) if others else start + len(first)
        if number < len(pieces) - 1:
            lines.append(row)
            row, column = "", 0
    lines.append(row)
    return _finish(lines, None if column == len(row) else column, tail)


def _finish(lines: list[str], column: int | None, tail: Tail) -> Fed:
    last = lines.pop()
    done = [part for line in lines for part in cut(line)] if any(len(line) > MAX_LINE for line in lines) else lines
    if column is None and len(last) > MAX_LINE:
        *more, last = cut(last)
        done = done + more
    return Fed(0, tuple(done), Tail((last,), column, tail.pen, tail.pending))


def cut(line: str) -> list[str]:
    """The line as pieces of bounded length, each with the pen it starts in."""
    if len(line) <= MAX_LINE:
        return [line]
    if "\x1b" not in line:
        return [line[at : at + MAX_LINE] for at in range(0, len(line), MAX_LINE)]
    pieces, current, room = [], "", MAX_LINE
    for pen, text in ansi.runs(line):
        while text:
            part, text = text[:room], text[room:]
            current += ansi.start(pen) + part + ansi.change(pen, "")
            room -= len(part)
            if not room:
                pieces.append(current)
                current, room = "", MAX_LINE
    return [*pieces, current] if current or not pieces else pieces


def _emulate(tail: Tail, text: str, above: Sequence[str]) -> Fed:
    grid = _Grid(tail, above)
    for match in _TOKEN.finditer(text):
        grid.write(match)
    return grid.result(tail.pending)


class _Grid:
    """The rows around the cursor, taken apart into cells for as long as one piece of output is written."""

    def __init__(self, tail: Tail, above: Sequence[str]) -> None:
        self.rows = [_cells(row) for row in tail.rows]
        self.row = 0
        self.column = len(self.rows[0]) if tail.column is None else tail.column
        self.pen = tail.pen
        self._above = list(above[-MAX_ROWS:])
        self._taken = 0
        self._remembered: tuple[int, int, str] | None = None
        self._elsewhere = False
        """Whether what comes is written at a place of the screen, where apt keeps its bar: that place is not here."""

    def write(self, token: re.Match[str]) -> None:
        text = token[0]
        if token["csi"]:
            self._control(token["args"], token["final"])
        elif text.startswith("\x1b]8;"):
            self.pen = ansi.linked(self.pen, text)
        elif text in ("\x1b7", "\x1b8"):
            self._remember(text == "\x1b7")
        elif self._elsewhere:
            return
        elif text == "\n":
            self._down(1, grow=True)
            self.column = 0
        elif text == "\r":
            self.column = 0
        elif text == "\x08":
            self.column = max(0, self.column - 1)
        elif text == "\t":
            self.column = min(self.column - self.column % ansi.TAB + ansi.TAB, MAX_LINE)
        elif text >= " " and text != "\x7f":
            self._put(text)

    def _put(self, text: str) -> None:
        row, cells = self.rows[self.row], _parts(text, self.pen)
        if len(row) < self.column:
            row.extend([(" ", "")] * (self.column - len(row)))
        row[self.column : self.column + len(cells)] = cells
        self.column += len(cells)
        if self.column > MAX_LINE:
            self._down(1, grow=True)
            self.column = 0

    def _control(self, args: str, final: str) -> None:
        if final == "m":
            if not args or args[0] in "0123456789;:":
                self.pen = ansi.combine(self.pen, args)
            return
        first = args.split(";")[0]
        count = int(first) if first.isdigit() else 0
        steps = min(max(count, 1), MAX_LINE)
        if final in "Hf":
            self._elsewhere = self._remembered is not None
        elif self._elsewhere:
            return
        elif final in "AF":
            self._up(steps)
        elif final in "BE":
            self._down(steps, grow=False)
        elif final in "CD":
            self.column = max(0, min(self.column + (steps if final == "C" else -steps), MAX_LINE))
        elif final == "K":
            self._erase_in_row(count)
        elif final == "J" and count == 0:
            self._erase_in_row(0)
            del self.rows[self.row + 1 :]
        if final in "EFG":
            self.column = steps - 1 if final == "G" else 0

    def _remember(self, is_start: bool) -> None:
        if is_start:
            self._remembered = (self.row - self._taken, self.column, self.pen)
        elif self._remembered is not None:
            row, self.column, self.pen = self._remembered
            self.row = max(0, min(row + self._taken, len(self.rows) - 1))
            self._elsewhere = False

    def _up(self, steps: int) -> None:
        while steps > self.row and self._above:
            self.rows.insert(0, _cells(self._above.pop()))
            self._taken += 1
            self.row += 1
        self.row = max(0, self.row - steps)

    def _down(self, steps: int, *, grow: bool) -> None:
        self.row += steps
        if grow and self.row == len(self.rows):
            self.rows.append([])
        self.row = min(self.row, len(self.rows) - 1)

    def _erase_in_row(self, what: int) -> None:
        row = self.rows[self.row]
        if what == 0:
            del row[self.column :]
        elif what == 1:
            row[: self.column + 1] = [(" ", "")] * min(self.column + 1, len(row))
        else:
            row.clear()

    def result(self, pending: str) -> Fed:
        done = tuple(part for row in self.rows[: self.row] for part in cut(_line(row)))
        rows = self.rows[self.row :][:MAX_ROWS]
        column = None if self.column == len(rows[0]) else self.column
        return Fed(self._taken, done, Tail(tuple(map(_line, rows)), column, self.pen, pending))


def _cells(line: str) -> list[Cell]:
    return [cell for pen, text in ansi.runs(line) for cell in _parts(text, pen)]


def _parts(text: str, pen: str) -> list[Cell]:
    if text.isascii():
        return [(character, pen) for character in text]
    cells: list[Cell] = []
    for character in text:
        if cells and (unicodedata.category(character) in ("Mn", "Me", "Cf") or cells[-1][0].endswith("\u200d")):
            at = -1 if cells[-1][0] or len(cells) < 2 else -2
            cells[at] = (cells[at][0] + character, cells[at][1])
            continue
        cells.append((character, pen))
        if unicodedata.east_asian_width(character) in "WF":
            cells.append(("", pen))
    return cells


def _line(cells: Sequence[Cell]) -> str:
    pieces, pen = [], ""
    for character, own in cells:
        if own != pen:
            pieces.append(ansi.change(pen, own))
            pen = own
        pieces.append(character)
    pieces.append(ansi.change(pen, ""))
    return "".join(pieces)
