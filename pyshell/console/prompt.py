"""The prompt on the screen: waiting cells and the text under edit.

Runs in: console.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

from urwid.canvas import Canvas
from urwid.widget.constants import Sizing
from urwid.widget.widget import Widget

from pyshell.console import ansi, brackets, status
from pyshell.console.editor import Editor
from pyshell.console.highlight import Piece, highlight
from pyshell.console.model import input_prompt, needs_gap
from pyshell.console.rows import Row, Run, blank, canvas, place, wrap

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


class Prompt(Widget):
    """A box widget that shows the part of the prompt around the cursor. Owned by the UI thread."""

    _sizing = frozenset([Sizing.BOX])
    _selectable = True
    no_cache = ["render"]

    def __init__(self, editor: Editor) -> None:
        super().__init__()
        self._editor = editor
        self.text_top = 0
        """The row in which the text began when it was drawn last."""

    def rows_needed(self, width: int, limit: int) -> int:
        """How many rows there are to show, counted up to `limit`."""
        text = _Text(self._editor, width)
        count = len(self._rows_above(width))
        for number in range(len(text.lines)):
            if count >= limit:
                return limit
            count += len(text.rows(number))
        return min(count, limit)

    def render(self, size: tuple[int, int], focus: bool = False) -> Canvas:  # type: ignore[override]
        width, height = size
        text = _Text(self._editor, width)
        rows, cursor = text.around_cursor(height)
        above = self._rows_above(width)
        above = above[max(0, len(above) + len(rows) - height) :]
        self.text_top = len(above)
        rows = [*above, *rows]
        return canvas(rows + [blank(width)] * (height - len(rows)), width, (cursor[0], cursor[1] + len(above)))

    def _rows_above(self, width: int) -> list[Row]:
        return (
            [] if _is_asked(self._editor) else [row for runs in lines_above(self._editor) for row in wrap(runs, width)]
        )


class _Text:
    """The text under edit at one width; only the lines that are asked for are laid out."""

    def __init__(self, editor: Editor, width: int) -> None:
        self._width = width
        buffer, self._pieces = _shown(editor)
        self.lines = buffer.split("\n")
        before = (editor.buffer.before if buffer else "").split("\n")
        self._cursor_line, self._before_cursor = len(before) - 1, before[-1]
        self._prompts = _prompts(editor, width)
        self._marks = marks(editor)
        self._suggestion = editor.suggestion if not _is_asked(editor) else ""

    def _prompt(self, number: int) -> Run:
        return self._prompts[number > 0]

    def rows(self, number: int) -> tuple[Row, ...]:
        pieces = self._pieces(number)
        for first, last, style in self._marks.get(number, ()):
            pieces = restyled(pieces, first, last, style)
        if self._suggestion and number == self._cursor_line:
            pieces = (*pieces, *self._suggested())
        rows = _laid_out(self._prompt(number), pieces, self._width)
        # A cursor behind a full row stands at the start of the next.
        if number == self._cursor_line and self._place()[1] == len(rows):
            return (*rows, blank(self._width))
        return rows

    def _suggested(self) -> Iterator[Piece]:
        """As much of the suggestion as the row holds: it must not move what is below."""
        room = self._width - self._place()[0] - 1
        first, *more = self._suggestion.split("\n")
        text = first if len(first) < room and not more else first[: max(0, room - 1)] + "…"
        if room > 1:
            yield "suggestion", text

    def _place(self) -> tuple[int, int]:
        return place(self._prompt(self._cursor_line)[1] + visible(self._before_cursor), self._width)

    def around_cursor(self, room: int) -> tuple[list[Row], tuple[int, int]]:
        """At most `room` rows with the cursor's among them, and its place in them."""
        column, down = self._place()
        own = self.rows(self._cursor_line)
        down = min(down, len(own) - 1)  # marks that combine over the end of a run are counted differently
        before = self._gather(range(self._cursor_line - 1, -1, -1), room, backwards=True) + list(own[:down])
        after = list(own[down:]) + self._gather(range(self._cursor_line + 1, len(self.lines)), room)
        # The cursor's row in the middle, unless one of the ends is nearer than that.
        kept = max(min(len(before), room // 2), min(len(before), room - len(after)))
        rows = (before[len(before) - kept :] + after)[:room]
        return rows, (column, kept)

    def _gather(self, numbers: range, room: int, *, backwards: bool = False) -> list[Row]:
        rows: list[Row] = []
        for number in numbers:
            if len(rows) >= room:
                break
            rows = [*self.rows(number), *rows] if backwards else [*rows, *self.rows(number)]
        return rows


def _is_between(editor: Editor) -> bool:
    """Whether a question has its answer and the next one may come at once: a prompt in between would only flash."""
    return editor.holding.is_on and not editor.is_answering


def _is_asked(editor: Editor) -> bool:
    """Whether the prompt is not the next cell's at the moment."""
    return editor.is_answering or editor.holding.is_on


def _shown(editor: Editor) -> tuple[str, Callable[[int], tuple[Piece, ...]]]:
    """The text as it is shown, and how to get a line of it in colour."""
    text = "" if editor.hides_text or _is_between(editor) else editor.buffer.text
    if _is_asked(editor):
        lines = text.split("\n")
        return text, lambda number: ((None, lines[number]),)
    return text, highlight(text).line


Marks = dict[int, list[tuple[int, int, str]]]
"""By the number of a line: from which column to which it looks otherwise, and how."""


def marks(editor: Editor) -> Marks:
    """What is selected, or else the bracket at the cursor and the one that belongs to it."""
    found: Marks = {}
    buffer = editor.buffer
    if editor.hides_text or _is_between(editor):
        return found
    start, end = editor.selected
    if start < end:
        number, column = _line_and_column(buffer.text, start)
        for line in buffer.text[start:end].split("\n"):
            found[number] = [(column, column + len(line), "selected")]
            number, column = number + 1, 0
        return found
    place_ = None if editor.is_answering else brackets.at_cursor(buffer)
    other = None if place_ is None else brackets.partner(highlight(buffer.text), place_)
    for at in (place_, other) if place_ is not None and other is not None else ():
        number, column = _line_and_column(buffer.text, at)
        found.setdefault(number, []).append((column, column + 1, "bracket"))
    return found


def _line_and_column(text: str, place: int) -> tuple[int, int]:
    return text.count("\n", 0, place), place - text.rfind("\n", 0, place) - 1


def restyled(pieces: tuple[Piece, ...], first: int, last: int, style: str) -> tuple[Piece, ...]:
    """The pieces of a line, with another style from column `first` to `last`."""
    found: list[Piece] = []
    column = 0
    for own, text in pieces:
        begin, end = (min(max(cut - column, 0), len(text)) for cut in (first, last))
        parts = ((own, text[:begin]), (style, text[begin:end]), (own, text[end:]))
        found += [part for part in parts if part[1]]
        column += len(text)
    return tuple(found)


def _prompts(editor: Editor, width: int) -> tuple[Run, Run]:
    """What stands before the first line and before the others."""
    if _is_between(editor):
        return ("prompt.input", ""), ("prompt.input", "")
    if editor.is_answering:
        return ("prompt.input", ansi.plain(input_prompt(editor.model))), ("prompt.input", "")
    number = editor.model.next_cell + len(editor.submitted)
    prompt, more = editor.model.view.prompts.first(number), editor.model.view.prompts.more(number)
    if 2 * len(prompt) > width:
        prompt = more = "> "
    return ("prompt", prompt), ("prompt.more", more)


@lru_cache(maxsize=4096)
def _laid_out(prompt: Run, pieces: tuple[Piece, ...], width: int) -> tuple[Row, ...]:
    return tuple(wrap([prompt, *((style, visible(text)) for style, text in pieces)], width))


def visible(text: str) -> str:
    """No control characters, but a cell for each, or the cursor would not stand where it types."""
    return text if text.isprintable() else ansi.visible(_CONTROL.sub(" ", text))


def lines_above(editor: Editor) -> list[list[Run]]:
    """What stands between the transcript and the prompt: cells that wait, and why they do."""
    model = editor.model
    busy = model.running is not None or bool(model.queue) or model.state not in ("idle", "busy")
    lines: list[list[Run]] = [[("queued", line)] for line in status.waiting_lines(model)]
    if editor.submitted and not busy and needs_gap(model):
        lines.append([])
    for at, code in enumerate(editor.submitted):
        # An idle session starts it at once: drawn as the transcript will draw it, so that nothing jumps.
        prompts = (model.view.prompts.first(model.next_cell + at), model.view.prompts.more(model.next_cell + at))
        lines.extend(_submitted_lines(code, prompts, "queued" if busy or at else None))
    if model.held and model.queue:
        lines.append([("held", status.held_sentence(len(model.queue)))])
    if lines or needs_gap(model):
        lines.append([])
    return lines


def _submitted_lines(code: str, prompts: tuple[str, str], style: str | None) -> Iterator[list[Run]]:
    source = highlight(code)
    for at in range(len(source.lines)):
        prompt: Run = (style or ("prompt.more" if at else "prompt"), prompts[at > 0])
        yield [prompt, *((style or own, visible(text)) for own, text in source.line(at))]
