"""The transcript on the screen: only the lines in view are ever laid out.

Runs in: console.

It follows the end until it is scrolled up; then it stays on its line whatever is printed below.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence

from urwid.canvas import Canvas
from urwid.widget.constants import Sizing
from urwid.widget.widget import Widget

from pyshell.console import ansi, theme
from pyshell.console.folding import Fold, Folded, merged, within
from pyshell.console.highlight import highlight
from pyshell.console.lines import Line
from pyshell.console.model import Model
from pyshell.console.placing import Placed
from pyshell.console.rows import Row, Run, blank, canvas, words, wrap
from pyshell.console.theme import Colors

MAX_CACHED = 2000
SENTENCES = ("failure", "notice")
"""Lines that are broken between words; others wherever the row is full, as a terminal does."""

# Not compiled until there is a traceback.
_FRAME = r'(  File ")([^"]*)(", line )(\d+)(?:(, in )(.*))?'
_CARETS = r" +[~^]+ *"


class Transcript(Widget):
    """A box widget over the model's lines. Owned by the UI thread."""

    _sizing = frozenset([Sizing.BOX])
    _selectable = False
    no_cache = ["render", "rows"]

    def __init__(self, colors: Colors) -> None:
        super().__init__()
        self._colors = colors
        self._model = Model()
        self._cache: OrderedDict[tuple[int, int], tuple[Line, list[Row]]] = OrderedDict()
        self._top: tuple[int, int] | None = None
        """The line and the row in it that is at the top; None to follow the end."""
        self._folded = Folded()
        self._known_folds: tuple[Fold, ...] = ()
        self._toggled: dict[int, Fold] = {}
        """What the person has opened, or folded himself, by its first line."""
        self.selected: int | None = None
        """The cell that is marked."""
        self.gallery: Placed | None = None
        self.sought = ""
        """What is marked wherever it stands."""

    @property
    def is_following(self) -> bool:
        return self._top is None

    def show(self, model: Model) -> None:
        self._model = model
        folds = self._folded.folds
        if model.folds is not self._known_folds or (folds and folds[0].start < model.log.first):
            self._fold()
        if self._top is not None and self._top[0] < model.log.first:
            self._top = (model.log.first, 0)
        self._invalidate()

    def _fold(self) -> None:
        """Take the folds as they are now."""
        first = self._model.log.first
        self._known_folds = self._model.folds
        self._toggled = {start: fold for start, fold in self._toggled.items() if start >= first}
        closed = {fold.start: fold for fold in within(self._model.folds, first)}
        for start, fold in self._toggled.items():
            if closed.pop(start, None) != fold:
                closed[start] = fold
        self._folded = Folded(merged(list(closed.values())))
        if self._top is not None:
            self._top = (self._folded.shown(self._top[0]), 0)

    def toggle(self, folds: Sequence[Fold]) -> None:
        """Open these if they are closed, close them if they are open."""
        for fold in folds:
            if self._toggled.pop(fold.start, None) != fold:
                self._toggled[fold.start] = fold
        self._fold()
        self._invalidate()

    def is_folded(self, line: int) -> Fold | None:
        """What stands for the line, if it is folded away."""
        return self._folded.at(line)

    def changed(self) -> None:
        """Draw anew what is in view."""
        self._cache.clear()
        self._invalidate()

    @property
    def top_line(self) -> int | None:
        """The line at the top; None while the end is followed."""
        return self._top[0] if self._top is not None else None

    def go_to(self, line: int, size: tuple[int, int], above: int = 0) -> None:
        """Bring a line into view, with so many rows above it."""
        self._top = (self._folded.shown(max(line, self._model.log.first)), 0)
        self.scroll(size, -above)

    def follow(self) -> None:
        self._top = None
        self._invalidate()

    def lines_below(self, size: tuple[int, int]) -> int:
        """How many lines lie under what is in view."""
        if self._top is None:
            return 0
        line, row = self._top
        left = size[1] + row
        while line < self._model.end and left > 0:
            left -= len(self._rows(line, size[0]))
            line = self._folded.after(line)
        return self._model.end - line

    # --- scrolling ---

    def scroll(self, size: tuple[int, int], rows: int) -> None:
        """Move the view by rows, up if negative."""
        width, height = size
        if not self._model.end - self._model.log.first:
            return
        line, row = self._top or self._following_top(width, height)
        row += rows
        while row < 0 and line > self._model.log.first:
            line = self._folded.before(line)
            row += len(self._rows(line, width))
        while self._folded.after(line) < self._model.end and row >= len(self._rows(line, width)):
            row -= len(self._rows(line, width))
            line = self._folded.after(line)
        top = (line, max(0, row))
        self._top = None if top >= self._following_top(width, height) else top
        self._invalidate()

    def _following_top(self, width: int, height: int) -> tuple[int, int]:
        line, left = self._model.end, height
        while line > self._model.log.first and left > 0:
            line = self._folded.before(line)
            left -= len(self._rows(line, width))
        return line, max(0, -left)

    # --- drawing ---

    def rows_needed(self, width: int, limit: int) -> int:
        """How many rows there are to show, counted up to `limit`."""
        if self._top is not None or self._model.end - self._model.log.first - self._folded.hidden >= limit:
            return limit
        line, count = self._model.end, 0
        while line > self._model.log.first and count < limit:
            line = self._folded.before(line)
            count += len(self._rows(line, width))
        return min(count, limit)

    def render(self, size: tuple[int, int], focus: bool = False) -> Canvas:  # type: ignore[override]
        width, height = size
        line, skip = self._top or self._following_top(width, height)
        rows: list[Row] = []
        while line < self._model.end and len(rows) - skip < height:
            rows.extend(self._rows(line, width))
            line = self._folded.after(line)
        rows = rows[skip : skip + height]
        return canvas(rows + [blank(width)] * (height - len(rows)), width)

    def _rows(self, number: int, width: int) -> list[Row]:
        fold = self._folded.at(number)
        if fold is not None:
            return wrap([("fold", fold.text)], width)
        line = self._model.line(number)
        if line.kind == "picture" and (row := self._picture_row(number, line, width)) is not None:
            return [row]
        if number >= self._model.log.end or self.sought or (line.cell == self.selected and line.kind == "code"):
            return wrap(self._marked(line, width), width)
        key = (number, width)
        found = self._cache.get(key)
        # A cursor that moved up may have put another line in its place.
        if found is not None and found[0] is line:
            self._cache.move_to_end(key)
            return found[1]
        rows = self._wrapped(line, width)
        self._cache[key] = (line, rows)
        if len(self._cache) > MAX_CACHED:
            self._cache.popitem(last=False)
        return rows

    def _wrapped(self, line: Line, width: int) -> list[Row]:
        runs = runs_of(self._model, line, width, self._colors)
        if line.kind not in SENTENCES or len(runs) != 1:
            return wrap(runs, width)
        attribute, text = runs[0]
        return [row for piece in words(text, width) for row in wrap([(attribute, piece)], width)]

    def _picture_row(self, number: int, line: Line, width: int) -> Row | None:
        start = number - line.number
        picture = self._model.pictures.get(start)
        if self.gallery is None or picture is None or picture.columns > width:
            return None
        row = self.gallery.row(start, picture, line.number)
        if row is None or picture.columns == width:
            return row
        return row[0] + b" " * (width - picture.columns), [*row[1], (None, width - picture.columns)]

    def _marked(self, line: Line, width: int) -> list[Run]:
        runs = runs_of(self._model, line, width, self._colors)
        if line.kind == "code" and line.cell == self.selected and self.selected is not None:
            return [("marked", "".join([text for _, text in runs]))]
        return found(runs, self.sought) if self.sought else runs


def found(runs: Sequence[Run], sought: str) -> list[Run]:
    """The runs, with what is sought in them marked."""
    text = "".join([piece for _, piece in runs])
    places = [match.span() for match in re.finditer(re.escape(sought), text, re.IGNORECASE)]
    marked: list[Run] = []
    at = 0
    for attribute, piece in runs:
        end = at + len(piece)
        for first, last in places:
            start, stop = max(first, at), min(last, end)
            if start < stop:
                marked += [(attribute, text[at:start]), ("marked", text[start:stop])]
                at = stop
        marked.append((attribute, text[at:end]))
        at = end
    return [run for run in marked if run[1]]


def runs_of(model: Model, line: Line, width: int, colors: Colors) -> list[Run]:
    """One line of the transcript with its looks."""
    if line.kind == "code":
        return _code_runs(model, line)
    if line.kind == "rule":
        side = max(2, (width - len(line.text)) // 2)
        return [("rule", "═" * side + line.text + "═" * max(2, width - side - len(line.text)))]
    if line.kind == "result":
        return _result_runs(model, line, colors)
    if line.kind == "traceback" and "\x1b" not in line.text:
        return _traceback_runs(line.text)
    default = None if line.kind in ("output", "blank") else line.kind
    if "\x1b" not in line.text:
        text = ansi.visible(line.text)
        return [(default, text)] if text else []
    return [(theme.from_pen(pen, colors) or default, text) for pen, text in ansi.runs(line.text)]


def _traceback_runs(text: str) -> list[Run]:
    text = ansi.visible(text)
    if frame := re.fullmatch(_FRAME, text):
        looks = ("stack", "traceback.file", "stack", "traceback.line", "stack", "traceback.name")
        return [(look, part) for look, part in zip(looks, frame.groups(""), strict=True) if part]
    if text.startswith("    ") and not re.fullmatch(_CARETS, text):
        source = highlight(text.strip())
        indent = text[: len(text) - len(text.lstrip())]
        return [(None, indent), *((style, ansi.visible(piece)) for style, piece in source.line(0))]
    return [("error" if re.fullmatch(_CARETS, text) else "traceback", text)]


def _result_runs(model: Model, line: Line, colors: Colors) -> list[Run]:
    head = model.view.prompts.result(line.cell)
    label = head if line.text.startswith(head) else head.rstrip() if line.text == head.rstrip() else ""
    value = [(theme.from_pen(pen, colors), text) for pen, text in ansi.runs(line.text[len(label) :])]
    return [("prompt.result", label), *value] if label else value


def _code_runs(model: Model, line: Line) -> list[Run]:
    indent = len(model.view.prompts.first(line.cell))
    prompt, text = line.text[:indent], line.text[indent:]
    runs: list[Run] = [("prompt.more" if line.number else "prompt", prompt)]
    source = highlight(model.code(line.cell or 0).rstrip("\n"))
    # Not so for a cell of long ago, and for a line that was cut.
    if line.number < len(source.lines) and source.lines[line.number] == text and "\x1b" not in text:
        return [*runs, *((style, ansi.visible(piece)) for style, piece in source.line(line.number))]
    return [*runs, *((None, piece) for _, piece in ansi.runs(text))]
