"""What all panels have: rows to go through, keys from a table, questions, and what is asked of the console.

Runs in: console.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol

from pyshell.console.asking import Asking
from pyshell.console.bindings import Binding
from pyshell.console.desk import Desk
from pyshell.console.keymap import Keymap, hint
from pyshell.console.known import Model
from pyshell.console.panels.sheet import Place, Sheet
from pyshell.errors import PyshellError


class Around(Protocol):
    """What a panel asks of the rest of the console. Called in the UI thread."""

    desk: Desk

    @property
    def keymap(self) -> Keymap:
        """What the keys do."""

    @property
    def model(self) -> Model:
        """What is known of the session."""

    def refresh(self) -> None:
        """Draw anew."""

    def open(self, panel: Panel) -> None:
        """Lay another panel over this one."""

    def close(self) -> None:
        """Go back to what this one covers."""

    def show_keys(self, bindings: Sequence[Binding]) -> None:
        """Tell what these do."""

    def replay(self, panel: Panel, keys: Sequence[str]) -> None:
        """Keys that were typed before that panel, if it is still on top, knew what they mean."""

    def draft(self, code: str) -> None:
        """Put code at the prompt, and close all panels."""

    def attach(self, name: str) -> None:
        """Leave this session for another one."""


class Panel:
    """Owned by the UI thread. `do_NAME` is the command of that name in `keys`."""

    name: ClassVar[str]
    """The console's command that opens it, and closes it again."""
    hint: ClassVar[str] = ""
    """The commands that matter most, for the status line, where a key stands for each."""
    came_by_itself: ClassVar[bool] = False
    """Whether nobody has asked for it: what is typed at that moment may be meant for the prompt."""

    def __init__(self, around: Around) -> None:
        self.around = around
        self.keys = around.keymap.inside(self.name)
        self.place = Place()
        self.asking = Asking()
        self.said = ""
        """What came of the last key."""
        self._early: list[str] = []
        """Keys that came before the worker's first answer."""
        self.size = (80, 20)
        """Columns, and rows of the table, as they were drawn last."""

    # --- what is shown ---

    @property
    def title(self) -> str:
        raise NotImplementedError

    @property
    def sheet(self) -> Sheet:
        raise NotImplementedError

    @property
    def detail(self) -> list[str]:
        """Lines below the table, about the selected row."""
        return []

    @property
    def status(self) -> str:
        """What the status line says."""
        return self.asking.line or self.said or hint(self.hint, self.keys)

    @property
    def selected(self) -> Any:
        """What the selected row stands for; None if there is none."""
        return None

    @property
    def is_waiting(self) -> bool:
        """Whether there is nothing yet that keys could be about."""
        return False

    # --- what happens ---

    def opened(self) -> None:
        """It is on the screen now."""

    def followed(self) -> None:
        """The model is another one."""

    def ticked(self) -> None:
        """A second has gone by while a cell runs."""

    def drawn(self, columns: int, rows: int) -> None:
        """It was drawn, with a table of that size."""
        self.size = (columns, rows)

    def key(self, key: str) -> bool:
        """One key; False if it means nothing here."""
        self.said = ""
        if self.asking.is_on:
            self.asking.key(key)
            return True
        command = next((binding.command for binding in self.keys if key in binding.keys), None)
        if self.is_waiting and (command or self._early) and command not in ("close", "help"):
            self._early.append(key)
            return True
        if command is None:
            return False
        getattr(self, f"do_{command}")()
        return True

    def answered(self) -> None:
        """There is something now: do what was asked for meanwhile."""
        keys, self._early = self._early, []
        self.around.replay(self, keys)

    def ask(self, work: Callable[[Any], Any], then: Callable[[Any], None]) -> None:
        """Call the session in another thread; what fails is said in the status line."""

        def deliver(result: Any) -> None:
            if isinstance(result, PyshellError):
                self.said = str(result)
            then(None if isinstance(result, PyshellError) else result)
            self.around.refresh()

        self.around.desk.ask(work, deliver, "query")

    # --- keys of all panels ---

    def _move(self, by: int) -> None:
        self.place.move(by, len(self.sheet.rows))

    def _page(self, by: int) -> None:
        self.place.page(by, len(self.sheet.rows))

    def do_previous(self) -> None:
        self._move(-1)

    def do_next(self) -> None:
        self._move(1)

    def do_page_up(self) -> None:
        self._page(-max(1, self.size[1] - 1))

    def do_page_down(self) -> None:
        self._page(max(1, self.size[1] - 1))

    def do_first(self) -> None:
        self._move(-len(self.sheet.rows))

    def do_last(self) -> None:
        self._move(len(self.sheet.rows))

    def do_help(self) -> None:
        self.around.show_keys(self.keys)

    def do_close(self) -> None:
        self.around.close()
