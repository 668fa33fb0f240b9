"""The panel of the queue: the cell that runs and those that wait, to be cancelled and put in another order.

Runs in: console.
"""

from __future__ import annotations

import time
from typing import Any

from pyshell.console.known import PROMPT, Cell, Model
from pyshell.console.panels.panel import Around, Panel
from pyshell.console.panels.sheet import Column, Sheet
from pyshell.console.status import elapsed, held_sentence
from pyshell.drawing import first_line

COLUMNS = (Column("", limit=12), Column("cell"), Column("from"), Column("code", limit=400))


def cells(model: Model) -> list[Cell]:
    """The running cell, if there is one, and those that wait, first to run first."""
    numbers = [] if model.running is None else [model.running]
    return [model.cells.get(number) or Cell(number, "", "") for number in (*numbers, *model.queue)]


class Waiting(Panel):
    """Owned by the UI thread. All that it shows is in the model."""

    name = "queue"
    hint = (
        "{cancel} cancel · {earlier} {later} up and down · {release} let it run · {draft} to the prompt"
        " · {help} keys · {close}"
    )

    def __init__(self, around: Around) -> None:
        super().__init__(around)
        self._cells: list[Cell] = []
        self._sheet = Sheet(COLUMNS)
        self._expected: tuple[int, ...] = ()
        """The order that there will be when the session has done what it was asked for: keys are faster than it is."""

    # --- what is shown ---

    @property
    def title(self) -> str:
        model = self.around.model
        count = len(model.queue)
        return f"Queue: {count} waiting" + (f" · {held_sentence(count)}" if model.held and count else "")

    @property
    def sheet(self) -> Sheet:
        return self._sheet

    @property
    def selected(self) -> Cell | None:
        return self._cells[self.place.at] if self.place.at < len(self._cells) else None

    @property
    def detail(self) -> list[str]:
        cell = self.selected
        return cell.code.rstrip("\n").split("\n") if cell is not None else []

    def opened(self) -> None:
        self.followed()

    def ticked(self) -> None:
        self._expected = ()
        self.followed()

    def followed(self) -> None:
        before = self.selected
        if self.around.model.queue == self._expected:
            self._expected = ()
        self._cells = cells(self.around.model)
        rows = [self._row(cell) for cell in self._cells]
        if rows != self._sheet.rows:
            running = self.around.model.running
            self._sheet = Sheet(COLUMNS, rows, ["notice" if one.number == running else None for one in self._cells])
        numbers = [cell.number for cell in self._cells]
        if before is not None and before.number in numbers:
            self.place.at = numbers.index(before.number)

    def _row(self, cell: Cell) -> tuple[str, ...]:
        what = ""
        if cell.number == self.around.model.running:
            what = f"▶ {elapsed(time.time() - cell.started)}"
        return (what, PROMPT.format(cell.number).strip(" :"), cell.client, first_line(cell.code))

    # --- keys ---

    def do_cancel(self) -> None:
        cell = self.selected
        if cell is None:
            self.said = "Nothing waits."
        elif cell.number == self.around.model.running:
            self.asking.confirm(
                f"Interrupt In [{cell.number}]?", lambda: self._tell(lambda session: session.interrupt())
            )
        else:
            self._tell(lambda session: session.cancel(cell.number))

    def do_earlier(self) -> None:
        self._reorder(-1)

    def do_later(self) -> None:
        self._reorder(1)

    def _reorder(self, by: int) -> None:
        cell, queue = self.selected, self.around.model.queue
        if set(self._expected) == set(queue):
            queue = self._expected
        if cell is None or cell.number not in queue:
            self.said = "Only cells that wait can be moved."
            return
        place = queue.index(cell.number) + by
        if 0 <= place < len(queue):
            others = [number for number in queue if number != cell.number]
            self._expected = (*others[:place], cell.number, *others[place:])
            self._tell(lambda session: session.move(cell.number, place))

    def do_release(self) -> None:
        if self.around.model.held:
            self._tell(lambda session: session.release())
        else:
            self.said = "The queue is not held."

    def do_draft(self) -> None:
        cell = self.selected
        if cell is None:
            return
        if cell.number in self.around.model.queue:
            self._tell(lambda session: session.cancel(cell.number))
        self.around.draft(cell.code)

    def _tell(self, work: Any) -> None:
        self.ask(work, lambda _: None)
