"""The panel of sessions: all that this user has, running and saved, to go to one, or to end it.

Runs in: console.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from pyshell import listing, starting
from pyshell.console.panels.panel import Around, Panel
from pyshell.console.panels.sheet import Column, Sheet

if TYPE_CHECKING:
    from pyshell.client import Session

COLUMNS = (
    Column("session", limit=32), Column("state", limit=40), Column("memory", True), Column("clients", True),
    Column("python"), Column("directory"), Column("last line", limit=400),
)  # fmt: skip


class Found(NamedTuple):
    """One session."""

    name: str
    is_running: bool
    cells: Sequence[str]
    """As `pyshell ls` has them, the name first."""


def read(_: Session) -> list[Found]:
    """All sessions. In a thread of remote.py."""
    return [Found(row[0], row[3] != "", row) for row in listing.rows_of(time.time())]


def end(_: Session, name: str) -> None:
    """End another session. In a thread of remote.py."""
    with starting.connect(name) as session:
        session.kill()


def _start(_: Session, name: str) -> str:
    starting.start(name).close()
    return name


class Sessions(Panel):
    """Owned by the UI thread."""

    name = "sessions"
    hint = "{attach} go there · {new} new · {end} end · {look} look again · {help} keys · {close}"

    def __init__(self, around: Around, own: str) -> None:
        super().__init__(around)
        self._own = own
        self._found: list[Found] = []
        self._sheet = Sheet(COLUMNS)

    @property
    def title(self) -> str:
        if not self._found:
            return "Sessions: looking for them…"
        running = sum([found.is_running for found in self._found])
        return f"Sessions: {running} running, {len(self._found) - running} saved"

    @property
    def sheet(self) -> Sheet:
        return self._sheet

    @property
    def selected(self) -> Found | None:
        return self._found[self.place.at] if self.place.at < len(self._found) else None

    def opened(self) -> None:
        self.ask(read, self._told)

    def _told(self, found: list[Found] | None) -> None:
        if found is None:
            return
        names = [one.name for one in found]
        chosen = self.selected.name if self.selected is not None else self._own
        self._found = found
        self.place.at = names.index(chosen) if chosen in names else self.place.at
        looks = ["notice" if one.name == self._own else None if one.is_running else "queued" for one in found]
        rows = [("@ " if one.name == self._own else "  ") + one.name for one in found]
        self._sheet = Sheet(COLUMNS, [(name, *one.cells[1:]) for name, one in zip(rows, found, strict=True)], looks)

    # --- keys ---

    def do_look(self) -> None:
        self.opened()

    def do_attach(self) -> None:
        chosen = self.selected
        if chosen is None or chosen.name == self._own:
            self.said = "This is that session."
        else:
            self.around.attach(chosen.name)

    def do_new(self) -> None:
        def entered(name: str) -> None:
            if name.strip():
                self.ask(partial(_start, name=name.strip()), self._started)

        self.asking.ask("name of the new session: ", "", entered)

    def _started(self, name: str | None) -> None:
        if name is not None:
            self.around.attach(name)

    def do_end(self) -> None:
        chosen = self.selected
        if chosen is None or not chosen.is_running:
            self.said = "It does not run."
            return
        question = f'End the session "{chosen.name}" ({chosen.cells[1]})? What it has saved stays.'
        self.asking.confirm(question, partial(self._end, chosen.name))

    def _end(self, name: str) -> None:
        if name == self._own:
            self.ask(lambda session: session.kill(), lambda _: None)
            return
        self.said = f'"{name}" is ending…'
        self.ask(partial(end, name=name), lambda _: self.opened())
