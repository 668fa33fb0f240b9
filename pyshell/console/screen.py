"""The whole screen: transcript, prompt right under it, status line at the bottom.

Runs in: console.
"""

from __future__ import annotations

import time
from typing import Any, Protocol

from urwid.canvas import Canvas, CanvasCombine
from urwid.widget.constants import Sizing
from urwid.widget.widget import Widget

from pyshell.console import highlight, status
from pyshell.console.editor import Editor
from pyshell.console.popups import Room, overlaid
from pyshell.console.prompt import Prompt
from pyshell.console.rows import Row, Run, blank, canvas, fit, width_of
from pyshell.console.theme import Colors
from pyshell.console.transcript import Transcript
from pyshell.console.usage import Usage

MIN_ROWS_FOR_STATUS = 4


class KeyTaker(Protocol):
    """Who gets the keys; it knows the screen, so the screen cannot make it."""

    def key(self, key: str) -> bool:
        """Take one key; False if it means nothing."""


class Covering(Protocol):
    """What lies over the transcript (see panels)."""

    @property
    def status(self) -> str:
        """What the status line says meanwhile."""

    def rows(self, width: int, height: int) -> list[Row]:
        """It, in so many rows."""


class Screen(Widget):
    """The root widget. Owned by the UI thread."""

    _sizing = frozenset([Sizing.BOX])
    _selectable = True
    no_cache = ["render"]

    def __init__(self, editor: Editor, colors: Colors) -> None:
        super().__init__()
        self._editor = editor
        self.commands: KeyTaker
        self._size = (80, 24)
        self.transcript = Transcript(colors)
        self.prompt = Prompt(editor)
        self.session_name = ""
        self.usage = Usage()
        self.hint = ""
        """What the person should know right now, until the next key."""
        self.cover: Covering | None = None
        """It has the keys, and the prompt has no cursor."""

    def keypress(self, size: tuple[int, int], key: str) -> str | None:  # type: ignore[override]
        if self.commands.key(key):
            self.refresh()
            return None
        return key

    def mouse_event(self, size: Any, event: str, button: int, *where: Any, **focus: Any) -> bool | None:
        if event.endswith("mouse press") and button in (4, 5):
            self.scroll(-3 if button == 4 else 3)
            return True
        return False

    def refresh(self) -> None:
        self._invalidate()

    def show_usage(self, usage: Usage) -> None:
        self.usage = usage
        self.refresh()

    def refresh_transcript(self) -> None:
        """Something in it looks different, though nothing was added."""
        self.transcript.changed()
        self._invalidate()

    def warm_up(self) -> None:
        """Show code in colour from here on."""
        highlight.warm_up()
        self.refresh_transcript()

    def scroll(self, rows: int) -> None:
        """Move the transcript by rows, up if negative."""
        self.transcript.scroll((self._size[0], self._heights(self._size)[0]), rows)
        self.refresh()

    def go_to(self, line: int, above: int) -> None:
        """Bring a line of the transcript into view, with so many rows above it."""
        self.transcript.go_to(line, (self._size[0], self._heights(self._size)[0]), above)
        self.refresh()

    @property
    def page(self) -> int:
        """How many rows a page of the transcript is."""
        return max(1, self._heights(self._size)[0] - 1)

    def _heights(self, size: tuple[int, int]) -> tuple[int, int, int]:
        """Rows of the transcript, of the prompt, and of what stays empty below them."""
        width, height = size
        room = height - (1 if height >= MIN_ROWS_FOR_STATUS else 0)
        prompt = self.prompt.rows_needed(width, max(1, room // 4 if self.cover else room - room // 3))
        transcript = self.transcript.rows_needed(width, room - prompt)
        return transcript, prompt, room - prompt - transcript

    def render(self, size: tuple[int, int], focus: bool = False) -> Canvas:  # type: ignore[override]
        self._size = width, height = size
        transcript, prompt, empty = self._heights(size)
        parts: list[tuple[Canvas, object, bool]] = []
        if self.cover is not None:
            transcript, empty = transcript + empty, 0
            if transcript:
                parts.append((canvas(self.cover.rows(width, transcript), width), 0, False))
        elif transcript:
            parts.append((self.transcript.render((width, transcript)), 0, False))
        parts.append((self.prompt.render((width, prompt), focus), 1, True))
        if empty:
            parts.append((canvas([blank(width)] * empty, width), 2, False))
        if height >= MIN_ROWS_FOR_STATUS:
            parts.append((canvas([self._status_row(size)], width), 3, False))
        whole = CanvasCombine(parts)
        if self.cover is not None:
            whole.cursor = None
        if whole.cursor is None or height < MIN_ROWS_FOR_STATUS:
            return whole
        room = Room(width, height - 1, whole.cursor, transcript + self.prompt.text_top)
        return overlaid(whole, self._editor, room)

    def _status_row(self, size: tuple[int, int]) -> Row:
        width = size[0]
        model = self._editor.model
        left = status.left(self.session_name, model, time.time())
        if self._editor.vi is not None:
            left = f" {self._editor.vi.sign} ·{left}"
        hint = self.cover.status if self.cover else self.hint
        hint = hint and hint + " "
        right = hint or self._scrolled(size) or status.right(model, self.usage) or "F1 help "
        room = width - width_of(left) - 1
        if hint and width_of(right) > room:
            left, room = " ", width - 2
        if width_of(right) > room:
            right = right[: max(0, room - 1)] + "…" if room > 8 else ""
        gap = max(0, width - width_of(left) - width_of(right))
        runs: list[Run] = [("status", left + " " * gap + right)]
        return fit(runs, width, "status")

    def _scrolled(self, size: tuple[int, int]) -> str:
        if self.transcript.is_following:
            return ""
        below = self.transcript.lines_below((size[0], self._heights(size)[0]))
        return f"{below} lines below · Esc goes to the end " if below else ""
