"""Text under edit: a value with a cursor, and the functions that make the next one from it. Pure.

Runs in: console.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import NamedTuple

from pyshell import syntax

INDENT = "    "

_WORD = re.compile(r"\w+")


class Buffer(NamedTuple):
    """The text and the cursor's place in it, 0 to `len(text)`.

    `mark` is where a selection began; edits and moves give it up unless they say that they keep it.
    """

    text: str = ""
    cursor: int = 0
    mark: int | None = None

    @property
    def before(self) -> str:
        return self.text[: self.cursor]

    @property
    def after(self) -> str:
        return self.text[self.cursor :]

    @property
    def line_start(self) -> int:
        return self.text.rfind("\n", 0, self.cursor) + 1

    @property
    def line_end(self) -> int:
        end = self.text.find("\n", self.cursor)
        return len(self.text) if end < 0 else end

    @property
    def column(self) -> int:
        return self.cursor - self.line_start

    @property
    def on_first_line(self) -> bool:
        return self.line_start == 0

    @property
    def on_last_line(self) -> bool:
        return self.line_end == len(self.text)


def filled(text: str) -> Buffer:
    """A buffer with the cursor at its end."""
    return Buffer(text, len(text))


def insert(buffer: Buffer, text: str) -> Buffer:
    return Buffer(buffer.before + text + buffer.after, buffer.cursor + len(text))


def replace_span(buffer: Buffer, start: int, end: int, text: str) -> Buffer:
    """Put `text` in place of `[start:end]`, and the cursor behind it."""
    return Buffer(buffer.text[:start] + text + buffer.text[end:], start + len(text))


def _cut(buffer: Buffer, start: int, end: int) -> Buffer:
    return Buffer(buffer.text[:start] + buffer.text[end:], start)


def _move(buffer: Buffer, to: int) -> Buffer:
    return Buffer(buffer.text, max(0, min(to, len(buffer.text))))


def left(buffer: Buffer) -> Buffer:
    return _move(buffer, previous(buffer.text, buffer.cursor))


def right(buffer: Buffer) -> Buffer:
    return _move(buffer, following(buffer.text, buffer.cursor))


def previous(text: str, at: int) -> int:
    """The start of the character before `at`, with what combines with it."""
    at -= 1
    while at > 0 and (_combines(text[at]) or text[at - 1] == "\u200d"):
        at -= 1
    return max(at, 0)


def following(text: str, at: int) -> int:
    """The end of the character at `at`, with what combines with it."""
    at += 1
    while at < len(text) and (_combines(text[at]) or text[at - 1] == "\u200d"):
        at += 1
    return min(at, len(text))


def _combines(character: str) -> bool:
    skin = "\U0001f3fb" <= character <= "\U0001f3ff"
    return skin or character == "\u200d" or unicodedata.category(character) in ("Mn", "Me")


def word_left(buffer: Buffer) -> Buffer:
    starts = [match.start() for match in _WORD.finditer(buffer.before)]
    return _move(buffer, starts[-1] if starts else 0)


def word_right(buffer: Buffer) -> Buffer:
    match = _WORD.search(buffer.text, buffer.cursor)
    return _move(buffer, match.end() if match else len(buffer.text))


def line_start(buffer: Buffer) -> Buffer:
    return _move(buffer, buffer.line_start)


def line_end(buffer: Buffer) -> Buffer:
    return _move(buffer, buffer.line_end)


def text_start(buffer: Buffer) -> Buffer:
    return _move(buffer, 0)


def text_end(buffer: Buffer) -> Buffer:
    return _move(buffer, len(buffer.text))


def up(buffer: Buffer) -> Buffer:
    """The line above, in the same column if it is long enough."""
    if buffer.on_first_line:
        return buffer
    end = buffer.line_start - 1
    start = buffer.text.rfind("\n", 0, end) + 1
    return _move(buffer, min(start + buffer.column, end))


def down(buffer: Buffer) -> Buffer:
    if buffer.on_last_line:
        return buffer
    start = buffer.line_end + 1
    end = buffer.text.find("\n", start)
    return _move(buffer, min(start + buffer.column, len(buffer.text) if end < 0 else end))


def delete(buffer: Buffer) -> Buffer:
    return _cut(buffer, buffer.cursor, following(buffer.text, buffer.cursor))


def backspace(buffer: Buffer) -> Buffer:
    """Remove the character before the cursor; in an indentation, back to the stop before."""
    if not buffer.cursor:
        return buffer
    indent = buffer.text[buffer.line_start : buffer.cursor]
    if indent and not indent.strip(" "):
        return _cut(buffer, buffer.cursor - ((len(indent) - 1) % len(INDENT) + 1), buffer.cursor)
    return _cut(buffer, previous(buffer.text, buffer.cursor), buffer.cursor)


def kill_to_line_end(buffer: Buffer) -> Buffer:
    """Remove up to the line's end; there, the line feed."""
    return _cut(buffer, buffer.cursor, max(buffer.line_end, min(buffer.cursor + 1, len(buffer.text))))


def kill_to_line_start(buffer: Buffer) -> Buffer:
    return _cut(buffer, buffer.line_start, buffer.cursor)


def kill_word_left(buffer: Buffer) -> Buffer:
    """Back to the last white space, as a shell does."""
    kept = re.sub(r"\S+\s*\Z|\s+\Z", "", buffer.before)
    return _cut(buffer, len(kept), buffer.cursor)


def kill_name_left(buffer: Buffer) -> Buffer:
    return _cut(buffer, word_left(buffer).cursor, buffer.cursor)


def kill_name_right(buffer: Buffer) -> Buffer:
    return _cut(buffer, buffer.cursor, word_right(buffer).cursor)


def indent(buffer: Buffer) -> Buffer:
    """Spaces up to the next stop."""
    return insert(buffer, " " * (len(INDENT) - buffer.column % len(INDENT)))


def dedent(buffer: Buffer) -> Buffer:
    """Take one indentation from the start of the line."""
    start = buffer.line_start
    spaces = len(buffer.text[start : buffer.line_end]) - len(buffer.text[start : buffer.line_end].lstrip(" "))
    gone = min(len(INDENT), spaces)
    return Buffer(buffer.text[:start] + buffer.text[start + gone :], max(start, buffer.cursor - gone))


def newline(buffer: Buffer, indentation: str | None = None) -> Buffer:
    """Break the line; the new one is indented as Python would want it."""
    wanted = syntax.next_indent(buffer.before.split("\n")) if indentation is None else indentation
    rest = buffer.after.lstrip(" ") if wanted else buffer.after
    return Buffer(f"{buffer.before}\n{wanted}{rest}", buffer.cursor + 1 + len(wanted))


def at_line_start(buffer: Buffer) -> bool:
    """Whether only white space stands before the cursor on its line."""
    return not buffer.text[buffer.line_start : buffer.cursor].strip()


MOVES: dict[str, Callable[[Buffer], Buffer]] = {
    "line_up": up,
    "line_down": down,
    **{
        function.__name__: function
        for function in (left, right, word_left, word_right, line_start, line_end, text_start, text_end)
    },
}
"""Moves of the cursor by the name that the key table uses; with `select_` before it they select."""

EDITS: dict[str, Callable[[Buffer], Buffer]] = {
    function.__name__: function for function in (delete, backspace, dedent, kill_name_right)
}
"""Edits by the name that the key table uses."""

KILLS: dict[str, Callable[[Buffer], Buffer]] = {
    function.__name__: function for function in (kill_to_line_end, kill_to_line_start, kill_word_left, kill_name_left)
}
"""Edits whose removed text `yank` brings back."""
