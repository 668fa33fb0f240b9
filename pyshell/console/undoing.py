"""Undo and redo. Pure.

Runs in: console.
"""

from __future__ import annotations

from collections import deque

from pyshell.console.buffer import Buffer

MAX_STEPS = 500


class Steps:
    """The texts that undo goes back to, and those that redo brings again. Owned by the UI thread."""

    def __init__(self) -> None:
        self._past: deque[Buffer] = deque(maxlen=MAX_STEPS)
        self._future: list[Buffer] = []
        self._typed: Buffer | None = None
        """The text as the last typed letter left it: the next one belongs to the same step."""
        self._begun: int | None = None
        """How many steps there were when one began of which all changes up to its end are a part."""

    def begin(self) -> None:
        """What changes from here to `end` is one step."""
        self._begun = len(self._past)

    def end(self) -> None:
        """End what `begin` has begun, if it has."""
        while self._begun is not None and len(self._past) > self._begun + 1:
            self._past.pop()
        self._begun = self._typed = None

    def changed(self, before: Buffer, after: Buffer) -> None:
        """The text is another one now. Letters typed in a row are one step."""
        if before.text == after.text:
            return
        letter = after.text[before.cursor : after.cursor]
        is_letter = len(letter) == 1 and after.text == before.before + letter + before.after and letter != "\n"
        if not (is_letter and before == self._typed and not letter.isspace()):
            self._past.append(before)
        self._typed = after if is_letter else None
        self._future.clear()

    def undo(self, now: Buffer) -> Buffer | None:
        """The text before the last step; None if there is none."""
        self._typed = None
        if not self._past:
            return None
        self._future.append(now)
        return self._past.pop()

    def redo(self, now: Buffer) -> Buffer | None:
        """The text that undo took away; None if there is none."""
        self._typed = None
        if not self._future:
            return None
        self._past.append(now)
        return self._future.pop()

    def clear(self) -> None:
        """Another cell begins."""
        self._past.clear()
        self._future.clear()
        self._typed = self._begun = None
