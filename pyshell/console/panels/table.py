"""The panel of one array or frame: its cells, of which only those around the window are asked for.

Runs in: console.
"""

from __future__ import annotations

from pyshell import protocol
from pyshell.console.panels.panel import Around, Panel
from pyshell.console.panels.sheet import Column, Place, Sheet
from pyshell.errors import PyshellError

COLUMNS = 20
"""Columns that are asked for at once; the screen shows as many as fit."""
NUMBERS = ("int", "uint", "float", "complex", "decimal")


class Table(Panel):
    """Owned by the UI thread."""

    name = "table"
    hint = "arrows PgUp PgDn Home End · {go_to} row · {first_column} {last_column} columns · {close} back"

    def __init__(self, around: Around, path: str) -> None:
        super().__init__(around)
        self._path = path
        self._table = protocol.Table(True, "", 0, 0, (), ())
        self._first_row = 0
        """The number of the first row that is there."""
        self._first_column = 0
        self._column = 0
        """The first column that is shown."""
        self._asked: tuple[int, int] | None = None
        """First row and column of what is on its way."""
        self._answered: tuple[int, int] | None = None
        """The same of what came last; there may be less of it than was asked for."""
        self._sheet = Sheet()
        self._seen: tuple[object, ...] = ()
        self._at = Place()
        """Where one is in the whole; `place` is where that is in the rows in view."""

    # --- what is shown ---

    @property
    def title(self) -> str:
        table = self._table
        if not table.found:
            return f"{self._path} is no array and no frame now"
        shape = f"{table.total_rows:,} rows × {table.total_columns:,} columns"
        where = f"row {self._at.at:,}" + (f", from column {self._column}" if self._column else "")
        return f"{self._path}: {table.type}, {shape} · {where}" if table.type else self._path

    @property
    def is_waiting(self) -> bool:
        return self._answered is None

    @property
    def sheet(self) -> Sheet:
        return self._sheet

    @property
    def _height(self) -> int:
        return max(1, self.size[1])

    def _lay_out(self) -> None:
        """The rows in view; empty ones for those that have not come yet."""
        table = self._table
        rows = self._at.window(table.total_rows, self._height)
        skipped = self._column - self._first_column
        shown = table.columns[skipped:] if skipped >= 0 else ()
        columns = [Column("", is_right=True)]
        columns += [Column(f"{one.name} {one.dtype}".strip(), one.dtype.lower().startswith(NUMBERS)) for one in shown]
        empty = ("",) * len(shown)
        texts = []
        for number in rows:
            place = number - self._first_row
            row = table.rows[place] if 0 <= place < len(table.rows) else None
            label, cells = (row.label, row.cells[skipped:]) if row is not None and shown else (str(number), empty)
            texts.append((label, *cells, *empty[len(cells) :], ""))
        self._sheet = Sheet((*columns, Column("")), texts, is_wide=True)
        self.place.at, self.place.top = self._at.at - rows.start, 0

    # --- asking the worker ---

    def opened(self) -> None:
        self._fetch()

    def drawn(self, columns: int, rows: int) -> None:
        if (columns, rows) != self.size:
            super().drawn(columns, rows)
            self._show()

    def followed(self) -> None:
        model = self.around.model
        seen = (model.epoch, model.state, model.running)
        if seen != self._seen:
            self._seen = seen
            self._fetch()

    def ticked(self) -> None:
        self._fetch()

    def _show(self) -> None:
        """Lay out, and ask for what is missing."""
        self._lay_out()
        rows = self._at.window(self._table.total_rows, self._height)
        has_rows = self._first_row <= rows.start and rows.stop <= self._first_row + len(self._table.rows)
        end = self._first_column + len(self._table.columns)
        wanted = min(self._column + COLUMNS // 2, self._table.total_columns)
        if not has_rows or not (self._first_column <= self._column and wanted <= end):
            self._fetch(unless=self._answered)

    def _fetch(self, unless: tuple[int, int] | None = None) -> None:
        """A screen above, this one, and two below. One question at a time: its answer leads to the next."""
        asked = (max(0, self._at.top - self._height), self._column)
        if self._asked is not None or asked == unless:
            return
        self._asked = asked
        rows, columns = range(asked[0], asked[0] + 4 * self._height), range(self._column, self._column + COLUMNS)
        self.around.desk.ask(lambda session: session.table(self._path, rows, columns), self._told, "query")

    def _told(self, table: protocol.Table | PyshellError) -> None:
        self._answered, self._asked = self._asked, None
        if isinstance(table, PyshellError):
            self.said = str(table)
        elif self._answered is not None:
            self._table = table
            self._first_row, self._first_column = self._answered
            self._column = max(0, min(self._column, table.total_columns - 1))
            self._show()
        self.answered()
        self.around.refresh()

    # --- keys ---

    def _move(self, by: int) -> None:
        self._at.move(by, self._table.total_rows)
        self._show()

    def _page(self, by: int) -> None:
        self._at.page(by, self._table.total_rows)
        self._show()

    def do_first(self) -> None:
        self._move(-self._table.total_rows)

    def do_last(self) -> None:
        self._move(self._table.total_rows)

    def do_go_to(self) -> None:
        def entered(text: str) -> None:
            if text.strip().isdecimal():
                self._move(int(text) - self._at.at)
            else:
                self.said = "A row is a number, from 0 on."

        self.asking.ask("row: ", "", entered)

    def _go_to_column(self, column: int) -> None:
        self._column = max(0, min(column, self._table.total_columns - 1))
        self._show()

    def do_right(self) -> None:
        self._go_to_column(self._column + 1)

    def do_left(self) -> None:
        self._go_to_column(self._column - 1)

    def do_first_column(self) -> None:
        self._go_to_column(0)

    def do_last_column(self) -> None:
        self._go_to_column(self._table.total_columns - 1)
