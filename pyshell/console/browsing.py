"""Moving in the transcript by cell: fold, copy, search, open and save what cells have shown.

Runs in: console.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from pyshell.console import ansi, outputs
from pyshell.console.asking import Asking
from pyshell.console.desk import Desk
from pyshell.console.editor import Editor
from pyshell.console.folding import Fold
from pyshell.console.keymap import hint
from pyshell.console.lines import Line
from pyshell.console.model import Model
from pyshell.console.outside import show_picture
from pyshell.console.pictures import Picture
from pyshell.console.screen import Screen
from pyshell.errors import PyshellError
from pyshell.protocol import MimeData

ROWS_ABOVE = 2
HINT = (
    "{previous}/{next} cell · {fold} fold · {copy_code} {copy_output} copy · {search} search · {pager} pager"
    " · {save} save · {help} keys · {leave}"
)
PICTURE_HINT = "{view} picture, {picture} in a viewer · "
"""Before the other, of a cell that has one."""
_CELL_FRAME = re.compile(r'  File "<In\[(\d+)\]>", line \d+')


class Outside(Protocol):
    """What is asked of the main loop."""

    def copy(self, text: str) -> None:
        """Put text on the clipboard of the person's terminal, if it lets us."""

    def open_pager(self, path: Path) -> str:
        """Show a file in the person's pager; why not, or nothing."""

    def view(self, data: MimeData) -> str:
        """Show a picture on the whole screen; why not, or nothing."""


class Browsing:
    """Owned by the UI thread."""

    def __init__(
        self, desk: Desk, outside: Outside, editor: Editor, screen: Screen, show_keys: Callable[[], None]
    ) -> None:
        self.is_on = False
        self._show_keys = show_keys
        self._desk = desk
        self._outside = outside
        self._editor = editor
        self._keys = editor.keymap.inside("browse")
        self._screen = screen
        self._transcript = screen.transcript
        self._line = 0
        """The line that was gone to last."""
        self._asking = Asking()

    @property
    def _model(self) -> Model:
        return self._editor.model

    @property
    def _hint(self) -> str:
        """What can be done here."""
        return hint(PICTURE_HINT + HINT if self._pictures else HINT, self._keys)

    @property
    def _pictures(self) -> list[Picture]:
        """What the selected cell has drawn."""
        return [picture for picture in self._model.pictures.values() if picture.cell == self._cell]

    @property
    def _cell(self) -> int:
        return self._transcript.selected or 0

    def begin(self) -> None:
        """Select the newest cell."""
        head = next(self._heads(self._model.end), None)
        if head is None:
            self._screen.hint = "There is no cell yet."
            return
        self.is_on = True
        self._select(head)
        self._screen.hint = self._hint

    def key(self, key: str) -> bool:
        """One key; False if it is for the console."""
        self._screen.hint = ""
        if self._asking.is_on:
            self._asking.key(key)
            self._screen.hint = self._asking.line or self._screen.hint or self._hint
            return True
        command = next((binding.command for binding in self._keys if key in binding.keys), None)
        if command is None:
            self._screen.hint = self._hint
            return False
        getattr(self, f"do_{command}")()
        if self.is_on and not self._screen.hint:
            self._screen.hint = self._asking.line or self._hint
        return True

    # --- from cell to cell ---

    def _heads(self, line: int, step: int = -1) -> Iterator[int]:
        """The first lines of cells, from a line on, without it."""
        first, end = self._model.log.first, self._model.log.end
        line = min(line, end) + step
        while first <= line < end:
            fold = self._transcript.is_folded(line)
            if fold is not None:
                line = fold.start - 1 if step < 0 else fold.end
                continue
            found = self._model.line(line)
            # Of a cell that has shown more than is kept the first line that is left stands for its head.
            if (found.kind == "code" and found.number == 0) or (line == first and found.cell is not None):
                yield line
            line += step

    def _select(self, line: int) -> None:
        self._line = line
        self._transcript.selected = self._model.line(line).cell
        self._screen.go_to(line, ROWS_ABOVE)

    def do_previous(self) -> None:
        self._select(next(self._heads(self._line), self._line))

    def do_next(self) -> None:
        self._select(next(self._heads(self._line, 1), self._line))

    def do_first(self) -> None:
        heads = list(self._heads(self._line))
        self._select(heads[-1] if heads else self._line)

    def do_last(self) -> None:
        self._select(next(self._heads(self._model.end), self._line))

    def do_help(self) -> None:
        self._show_keys()

    def do_leave(self) -> None:
        self.is_on = False
        self._transcript.selected, self._transcript.sought = None, ""
        self._transcript.follow()

    # --- what the cell has shown ---

    def _lines(self) -> tuple[int, int]:
        """Where what the selected cell has shown begins and ends."""
        head = next((line for line in self._heads(self._line + 1) if self._model.line(line).cell == self._cell), None)
        if head is None:
            return self._line, self._line
        line = head
        end = next(self._heads(head, 1), self._model.log.end)
        while line < end and self._model.line(line).kind == "code":
            line += 1
        while end > line and self._model.line(end - 1).kind in ("blank", "rule", "notice"):
            end -= 1
        return line, end

    def do_fold(self) -> None:
        first, end = self._lines()
        inside = [fold for fold in self._model.folds if first <= fold.start < end]
        closed = [fold for fold in inside if self._transcript.is_folded(fold.start) == fold]
        whole = self._transcript.is_folded(first)
        if closed:
            self._transcript.toggle(closed)
        elif whole is not None:
            self._transcript.toggle([whole, *inside])
        elif end > first:
            self._transcript.toggle([Fold(first, end, f"… {end - first:,} lines", self._cell)])
        else:
            self._screen.hint = f"In [{self._cell}] has shown nothing."

    def do_copy_code(self) -> None:
        self._copy(self._model.code(self._cell), "code")

    def do_copy_output(self) -> None:
        self._ask(outputs.text, lambda text: self._copy(text, "output"))

    def _copy(self, text: str, what: str) -> None:
        if text:
            self._outside.copy(text)
            self._screen.hint = f"The {what} of In [{self._cell}] is on the clipboard, where the terminal lets us."
        else:
            self._screen.hint = f"There is no {what} of In [{self._cell}]."

    def do_edit(self) -> None:
        self._editor.draft(self._model.code(self._cell))
        self.do_leave()

    def do_pager(self) -> None:
        self._ask(outputs.spool, self._open)

    def page_newest(self) -> None:
        """Open what the newest cell has shown."""
        head = next(self._heads(self._model.end), None)
        cell = self._model.line(head).cell if head is not None else None
        if cell is None:
            self._screen.hint = "There is no cell yet."
        else:
            self._desk.ask(partial(outputs.spool, cell=cell), self._open, "query")

    def _open(self, path: Path | OSError | PyshellError) -> None:
        if not isinstance(path, Path):
            self._screen.hint = str(path)
            return
        try:
            self._screen.hint = self._outside.open_pager(path)
        finally:
            path.unlink(missing_ok=True)

    def do_save(self) -> None:
        self._asking.ask("save to: ", f"cell-{self._cell}.txt", self._save)

    def _save(self, name: str) -> None:
        path = Path(name).expanduser()
        self._ask(partial(outputs.save, path=path), self._told)

    def _ask(self, work: Callable[..., Any], then: Callable[[Any], None]) -> None:
        def deliver(result: Any) -> None:
            self._told(str(result)) if isinstance(result, PyshellError) else then(result)
            self._screen.refresh()

        self._desk.ask(partial(work, cell=self._cell), deliver, "query")

    def _told(self, sentence: str) -> None:
        self._screen.hint = sentence

    def do_picture(self) -> None:
        """Open the cell's last picture in the system's viewer."""
        self._with_picture(show_picture)

    def do_view(self) -> None:
        """Show it on the whole screen."""
        self._with_picture(self._outside.view)

    def _with_picture(self, show: Callable[[MimeData], str]) -> None:
        found = self._pictures
        self._screen.hint = show(found[-1].data) if found else f"In [{self._cell}] has drawn nothing here."

    def do_origin(self) -> None:
        """Go to the cell in which the selected one's error arose."""
        first, end = self._lines()
        frames = [_CELL_FRAME.match(self._model.line(line).text) for line in range(first, end)]
        cells = [int(frame[1]) for frame in frames if frame is not None]
        heads = self._heads(self._model.end)
        head = next((line for line in heads if cells and self._model.line(line).cell == cells[-1]), None)
        if head is None:
            self._screen.hint = "No cell is named there." if not cells else f"In [{cells[-1]}] is not here any more."
        else:
            self._select(head)

    # --- searching ---

    def do_search(self) -> None:
        self._asking.ask("search: ", "", self._search)

    def _search(self, sought: str) -> None:
        self._transcript.sought = sought
        self._find(self._model.log.end, -1)

    def do_find_previous(self) -> None:
        self._find(self._line, -1)

    def do_find_next(self) -> None:
        self._find(self._line, 1)

    def _find(self, line: int, step: int) -> None:
        sought = self._transcript.sought.lower()
        line += step
        while sought and self._model.log.first <= line < self._model.log.end:
            if sought in _lowered(self._model.line(line)):
                fold = self._transcript.is_folded(line)
                if fold is not None:
                    self._transcript.toggle([fold])
                self._line = line
                self._transcript.selected = self._model.line(line).cell or self._transcript.selected
                self._screen.go_to(line, ROWS_ABOVE)
                return
            line += step
        self._screen.hint = f'"{sought}" is not further {"up" if step < 0 else "down"}.' if sought else "/ searches."


def _lowered(line: Line) -> str:
    return (ansi.plain(line.text) if "\x1b" in line.text else line.text).lower()
