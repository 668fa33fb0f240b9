"""Screen rows: runs of text with attributes, cut to the width of the terminal.

Runs in: console.

A row is what urwid's TextCanvas takes: encoded text of exactly the width, and run-length attributes.
Made here and not by urwid.Text because a transcript redraws all its rows fifty times a second.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from urwid import str_util
from urwid.canvas import TextCanvas

from pyshell.console.theme import Attribute

SIMPLE = re.compile("[ -~\u00a1-\u00ac\u00ae-\u024f\u2010-\u2027\u2030-\u205e\u2190-\u21ff\u2500-\u259f]*")
"""Characters that have one cell each wherever they stand: Latin letters, punctuation, arrows, lines and blocks."""

Run = tuple[Attribute, str]
Row = tuple[bytes, list[tuple[Attribute, int]]]


def width_of(text: str) -> int:
    """How many cells the text takes."""
    return len(text) if _is_simple(text) else str_util.calc_width(text, 0, len(text))


def wrap(runs: Sequence[Run], width: int) -> list[Row]:
    """Break runs wherever the row is full; at least one row."""
    if len(runs) <= 1:
        attribute, text = runs[0] if runs else (None, "")
        if text.isascii():
            pieces = [text[at : at + width] for at in range(0, len(text), width)] or [""]
            return [(piece.ljust(width).encode(), [(attribute, width)]) for piece in pieces]
    rows: list[Row] = []
    row: list[Run] = []
    room = width
    for attribute, text in runs:
        while text:
            end, used = _fitting(text, room)
            if not end and room == width:  # a wide character in one column
                end, text = 1, "?" + text[1:]
                used = 1
            if end:
                row.append((attribute, text[:end]))
            text, room = text[end:], room - used
            if text:
                rows.append(_row(row, width))
                row, room = [], width
    rows.append(_row(row, width))
    return rows


def words(text: str, width: int) -> list[str]:
    """The text in pieces that fit and end between words; a word that is too long is left to `wrap`."""
    pieces = [""]
    for word in re.split("(?<= )", text):
        if pieces[-1].strip() and width_of(pieces[-1] + word.rstrip()) > width:
            pieces.append("")
        pieces[-1] += word
    return [piece.rstrip() for piece in pieces]


def place(text: str, width: int) -> tuple[int, int]:
    """Column and row of what would follow `text` if it were wrapped."""
    row, room = 0, width
    while text:
        end, used = _fitting(text, room)
        if not end and room == width:
            end, used = 1, 1
        text, room = text[end:], room - used
        if text:
            row, room = row + 1, width
    return (width - room, row) if room else (0, row + 1)


def _is_simple(text: str) -> bool:
    return text.isascii() or SIMPLE.fullmatch(text) is not None


def _fitting(text: str, room: int) -> tuple[int, int]:
    if _is_simple(text):
        end = min(len(text), room)
        return end, end
    end, used = str_util.calc_text_pos(text, 0, len(text), room)
    return end, used


def _row(runs: Sequence[Run], width: int) -> Row:
    if runs and runs[-1][1].endswith("\u200d"):  # it would join the blanks, or what the row below begins with
        runs = [*runs[:-1], (runs[-1][0], runs[-1][1].rstrip("\u200d"))]
    # Of the whole: a character and its modifier may lie in two runs, and are narrower together.
    blank = max(0, width - width_of("".join([text for _, text in runs])))
    encoded = [(attribute, text.encode("utf-8", "replace")) for attribute, text in runs]
    attributes = [(attribute, len(text)) for attribute, text in encoded]
    text = b"".join(text for _, text in encoded) + b" " * blank
    if blank:
        attributes.append((None, blank))
    return text, attributes


def blank(width: int) -> Row:
    """An empty row."""
    return b" " * width, [(None, width)]


def fit(runs: Sequence[Run], width: int, fill: Attribute = None) -> Row:
    """One row: what does not fit is cut off, what is left is filled."""
    text, attributes = wrap(runs, width)[0]
    if attributes and attributes[-1][0] is None and fill is not None:
        attributes = [*attributes[:-1], (fill, attributes[-1][1])]
    return text, attributes


def canvas(rows: Sequence[Row], width: int, cursor: tuple[int, int] | None = None) -> TextCanvas:
    """A canvas of rows that are exactly `width` wide."""
    texts = [text for text, _ in rows]
    return TextCanvas(
        texts, [list(attributes) for _, attributes in rows], maxcol=width, cursor=cursor, check_width=False
    )
