"""Find the bracket that belongs to the one at the cursor. Pure.

Runs in: console.
"""

from __future__ import annotations

from pyshell.console.buffer import Buffer
from pyshell.console.highlight import Source

PAIRS = {"(": ")", "[": "]", "{": "}"}
CLOSING = {closing: opening for opening, closing in PAIRS.items()}
MAX_LINES = 300
"""So many lines are searched, for each key; a bracket that is farther away is not on the screen either."""
_NO_CODE = ("code.string", "code.comment")


def at_cursor(buffer: Buffer) -> int | None:
    """The place of the bracket under the cursor, or of a closing one just before it."""
    text, cursor = buffer.text, buffer.cursor
    under = text[cursor : cursor + 1]
    if under in PAIRS or under in CLOSING:
        return cursor
    return cursor - 1 if cursor and text[cursor - 1] in CLOSING else None


def partner(source: Source, place: int) -> int | None:
    """Where the other bracket is; None if there is none nearby, or this one is in a string or a comment."""
    number, start = 0, 0
    while place - start > len(source.lines[number]):
        start += len(source.lines[number]) + 1
        number += 1
    own = _brackets(source, number)
    column = place - start
    if column not in own:
        return None
    step = 1 if own[column] in PAIRS else -1
    depth = 0
    for _ in range(MAX_LINES):
        columns = [at for at in _brackets(source, number) if (at - column) * step >= 0]
        for at in sorted(columns, reverse=step < 0):
            depth += step if _brackets(source, number)[at] in PAIRS else -step
            if not depth:
                return start + at
        if not 0 <= number + step < len(source.lines):
            return None
        if step > 0:
            start += len(source.lines[number]) + 1
        number += step
        if step < 0:
            start -= len(source.lines[number]) + 1
        column = 0 if step > 0 else len(source.lines[number])
    return None


def _brackets(source: Source, number: int) -> dict[int, str]:
    """The brackets of a line that are code, by their columns."""
    if not any(sign in source.lines[number] for sign in "()[]{}"):
        return {}
    found: dict[int, str] = {}
    column = 0
    for style, text in source.line(number):
        if style not in _NO_CODE:
            found.update({column + at: sign for at, sign in enumerate(text) if sign in PAIRS or sign in CLOSING})
        column += len(text)
    return found
