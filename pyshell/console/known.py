"""The values that the console's model is made of (see model.py, which folds events into them). Pure.

Runs in: console.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from pyshell import protocol
from pyshell.console import folding
from pyshell.console.lines import Line, Log
from pyshell.console.pictures import Picture
from pyshell.console.tail import Tail

PROMPT = "In [{}]: "


class Prompts(NamedTuple):
    """What stands before a cell's code and before its value; `{}` is the cell's number."""

    code: str = PROMPT
    more_code: str = "...: "
    value: str = "Out[{}]: "

    def first(self, cell: int | None) -> str:
        return self.code.format(cell)

    def more(self, cell: int) -> str:
        """That of a cell's second and later lines, as wide as the first one's."""
        return self.more_code.rjust(len(self.first(cell)))

    def result(self, cell: int | None) -> str:
        return self.value.format(cell)


NUMBERS = Prompts()
PYTHON = Prompts(">>> ", "... ", "")

CellState = Literal["queued", "running", "ok", "error", "died", "aborted", "interrupted"]


class Cell(NamedTuple):
    """One cell, as far as its events have told."""

    number: int
    code: str
    client: str
    status: CellState = "queued"
    started: float = 0.0
    seconds: float = 0.0
    result: str | None = None
    error: protocol.ErrorInfo | None = None


class View(NamedTuple):
    """What there is to show it on."""

    columns: int = 80
    rows: int = 24
    images: bool = False
    prompts: Prompts = NUMBERS
    client: str = ""
    """What the session calls us; empty until that is known."""


class Model(NamedTuple):
    """Everything that the screen shows and that comes from the session."""

    seq: int = 0
    """The number of the last event that was folded in."""
    epoch: int = 0
    state: protocol.State = "starting"
    pid: int | None = None
    cells: Mapping[int, Cell] = MappingProxyType({})
    """The newest cells by number."""
    queue: tuple[int, ...] = ()
    """Cells that wait, first to run first."""
    held: bool = False
    running: int | None = None
    speaker: str = ""
    """Who has sent the newest cell that has begun."""
    next_cell: int = 1
    input: protocol.InputRequest | None = None
    terminal: protocol.TerminalUse = "lines"
    """What the running cell does with its terminal."""
    saved_cell: int | None = None
    checkpoint: int | None = None
    """The saved state that the namespace was in last."""
    unsaved: tuple[protocol.Unsaved, ...] = ()
    saving: bool = False
    is_manual: bool = False
    """Nothing is saved by itself."""
    save_failure: str = ""
    background: tuple[int, ...] = ()
    """Cells that run beside the running one."""
    offered: protocol.Remakeable | None = None
    """Cells that could run again, until any has run since."""
    death: protocol.ExitInfo | None = None
    """Why the newest worker to die did, until the one after it is ready."""
    log: Log = Log()
    folds: tuple[folding.Fold, ...] = ()
    """What is folded away unless the person opens it, first to last."""
    pictures: Mapping[int, Picture] = MappingProxyType({})
    """The newest ones, by the line in which they begin."""
    view: View = View()
    output_start: int | None = None
    """The line at which the output began that nothing has interrupted yet."""
    tail: Tail = Tail()
    tail_cell: int | None = None

    @property
    def end(self) -> int:
        """One more than the number of the transcript's last line, the changing ones included."""
        return self.log.end + (0 if self.tail.is_empty else len(self.tail.rows))

    def line(self, number: int) -> Line:
        """One line of the transcript; the last ones are the output's changing tail."""
        if number < self.log.end:
            return self.log.line(number)
        return Line("output", self.tail.rows[number - self.log.end], self.tail_cell)

    def code(self, cell: int) -> str:
        """A cell's source; empty if the cell was so long ago that it is not kept."""
        found = self.cells.get(cell)
        return found.code if found else ""
