"""Which panels lie over the transcript, and what they reach of the rest of the console.

Runs in: console.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from pyshell.console.bindings import Binding
from pyshell.console.desk import Desk
from pyshell.console.editor import Editor
from pyshell.console.keymap import Keymap
from pyshell.console.known import Model
from pyshell.console.panels.keys import Keys
from pyshell.console.panels.panel import Panel
from pyshell.console.panels.sessions import Sessions
from pyshell.console.panels.timeline import Timeline
from pyshell.console.panels.variables import Variables
from pyshell.console.panels.view import Cover
from pyshell.console.panels.waiting import Waiting
from pyshell.console.screen import Screen


class Leaving(Protocol):
    """What is asked of the main loop."""

    def attach(self, name: str) -> None:
        """End this console; the next one is on another session."""


class Panels:
    """Owned by the UI thread. It is what the panels see of the console (see panel.Around)."""

    def __init__(self, desk: Desk, stage: Leaving, editor: Editor, screen: Screen) -> None:
        self.desk = desk
        self._stage = stage
        self._editor = editor
        self._screen = screen
        self._open: list[Panel] = []
        self._makers: dict[str, Callable[[], Panel]] = {
            "variables": lambda: Variables(self),
            "timeline": lambda: Timeline(self),
            "queue": lambda: Waiting(self),
            "sessions": lambda: Sessions(self, screen.session_name),
            "help": lambda: Keys(self, editor.keymap.bindings),
        }

    @property
    def is_open(self) -> bool:
        return bool(self._open)

    @property
    def is_unasked(self) -> bool:
        """Whether the one on top came by itself."""
        return self.is_open and self._open[-1].came_by_itself

    @property
    def keymap(self) -> Keymap:
        return self._editor.keymap

    @property
    def model(self) -> Model:
        return self._editor.model

    def toggle(self, name: str) -> None:
        """Show the panel of that name alone, or none if it is on top."""
        is_on_top = self.is_open and self._open[-1].name == name
        self._open = []
        self._show() if is_on_top else self.open(self._makers[name]())

    def key(self, key: str) -> bool:
        """One key for the panel on top; False if it means nothing there."""
        return self._open[-1].key(key)

    def followed(self) -> None:
        """The model is another one."""
        for panel in self._open:
            panel.followed()

    def ticked(self) -> None:
        """A second has gone by while a cell runs."""
        for panel in self._open[-1:]:
            panel.ticked()

    # --- what panels ask for ---

    def refresh(self) -> None:
        self._screen.refresh()

    def open(self, panel: Panel) -> None:
        self._open.append(panel)
        self._show()
        panel.opened()

    def close(self) -> None:
        self._open.pop()
        self._show()

    def show_keys(self, bindings: Sequence[Binding]) -> None:
        self.open(Keys(self, bindings))

    def replay(self, panel: Panel, keys: Sequence[str]) -> None:
        for key in keys if self.is_open and self._open[-1] is panel else ():
            if self.is_open:
                self.key(key)

    def draft(self, code: str) -> None:
        self._open = []
        self._show()
        self._editor.draft(code)

    def attach(self, name: str) -> None:
        self._stage.attach(name)

    def _show(self) -> None:
        self._screen.cover = Cover(self._open[-1]) if self._open else None
        self._screen.refresh()
