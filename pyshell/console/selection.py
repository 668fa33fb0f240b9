"""What is selected, and edits of whole lines. Pure.

Runs in: console.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from pyshell.console.buffer import INDENT, Buffer

_COMMENT = re.compile(r"(\s*)# ?")


def span(buffer: Buffer) -> tuple[int, int]:
    """Where the selection begins and ends; nothing is selected if both are the same."""
    mark = buffer.cursor if buffer.mark is None else min(buffer.mark, len(buffer.text))
    return min(mark, buffer.cursor), max(mark, buffer.cursor)


def selected(buffer: Buffer) -> str:
    """The text that is selected."""
    start, end = span(buffer)
    return buffer.text[start:end]


def without(buffer: Buffer) -> Buffer:
    """The text without what is selected."""
    start, end = span(buffer)
    return Buffer(buffer.text[:start] + buffer.text[end:], start)


def extended(buffer: Buffer, move: Callable[[Buffer], Buffer]) -> Buffer:
    """The selection after the cursor has moved; it begins where the cursor was."""
    moved = move(buffer)
    return moved._replace(mark=buffer.cursor if buffer.mark is None else buffer.mark)


def marked(buffer: Buffer) -> Buffer:
    """The selection begins here; here again, it ends."""
    return buffer._replace(mark=None if buffer.mark == buffer.cursor else buffer.cursor)


def select_all(buffer: Buffer) -> Buffer:
    return Buffer(buffer.text, len(buffer.text), 0)


def reaches_over_lines(buffer: Buffer) -> bool:
    """Whether more than a part of one line is selected."""
    return "\n" in selected(buffer)


def indent_lines(buffer: Buffer) -> Buffer:
    """The lines of the selection, one step to the right."""
    return _each_line(buffer, lambda line: INDENT + line if line.strip() else line)


def dedent_lines(buffer: Buffer) -> Buffer:
    """The lines of the selection, at most one step to the left."""
    return _each_line(buffer, lambda line: line[min(len(INDENT), len(line) - len(line.lstrip(" "))) :])


def comment(buffer: Buffer) -> Buffer:
    """Turn the lines of the selection, or the cursor's, into comments; or back, if all of them are."""
    start, end = _line_span(buffer)
    lines = [line for line in buffer.text[start:end].split("\n") if line.strip()]
    if lines and all(line.lstrip().startswith("#") for line in lines):
        return _each_line(buffer, lambda line: _COMMENT.sub(r"\1", line, count=1))
    column = min((len(line) - len(line.lstrip()) for line in lines), default=0)
    return _each_line(buffer, lambda line: f"{line[:column]}# {line[column:]}" if line.strip() else line)


def _line_span(buffer: Buffer) -> tuple[int, int]:
    """From the first to the last line of the selection; one that ends at the start of a line leaves that out."""
    start, end = span(buffer)
    if end > start and buffer.text[end - 1] == "\n":
        end -= 1
    after = buffer.text.find("\n", end)
    return buffer.text.rfind("\n", 0, start) + 1, len(buffer.text) if after < 0 else after


def _each_line(buffer: Buffer, change: Callable[[str], str]) -> Buffer:
    start, end = _line_span(buffer)
    before = buffer.text[start:end].split("\n")
    after = [change(line) for line in before]

    def moved(place: int) -> int:
        """Where a place in the old text is in the new one: as far from the end of its line."""
        if place < start:
            return place
        if place > end:
            return place + sum(map(len, after)) - sum(map(len, before))
        number = buffer.text.count("\n", start, place)
        ahead = sum(len(line) + 1 for line in before[:number])
        left = len(before[number]) - (place - start - ahead)
        return start + sum(len(line) + 1 for line in after[:number]) + max(0, len(after[number]) - left)

    text = buffer.text[:start] + "\n".join(after) + buffer.text[end:]
    return Buffer(text, moved(buffer.cursor), None if buffer.mark is None else moved(buffer.mark))


BLOCKS: dict[str, Callable[[Buffer], Buffer]] = {"comment": comment, "select_all": select_all}
"""Edits of whole lines by the name that the key table uses."""
