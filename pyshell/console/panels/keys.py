"""The panel that tells what the keys do, from the tables that bind them.

Runs in: console.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyshell.console.bindings import Binding
from pyshell.console.keymap import label
from pyshell.console.panels.panel import Around, Panel
from pyshell.console.panels.sheet import Column, Sheet

COLUMNS = (Column("keys", limit=30), Column("", limit=200))
SHOWN_KEYS = 3


class Keys(Panel):
    """Owned by the UI thread. Every key that does not move in it closes it."""

    name = "help"
    hint = "{previous}/{next} · {filter} filter · any other key goes back"

    def __init__(self, around: Around, bindings: Sequence[Binding]) -> None:
        super().__init__(around)
        # What everybody expects comes last.
        self._bindings = sorted([binding for binding in bindings if binding.keys], key=lambda one: one.is_minor)
        self._sought = ""
        self._lay_out()

    @property
    def title(self) -> str:
        return "Keys" + (f' with "{self._sought}"' if self._sought else "")

    @property
    def sheet(self) -> Sheet:
        return self._sheet

    def _lay_out(self) -> None:
        rows = [row(binding) for binding in self._bindings]
        self._sheet = Sheet(COLUMNS, [one for one in rows if self._sought.lower() in " ".join(one).lower()])

    def key(self, key: str) -> bool:
        if not super().key(key):
            self.do_close()
        return True

    def do_help(self) -> None:
        self.do_close()

    def do_filter(self) -> None:
        def entered(text: str) -> None:
            self._sought = text.strip()
            self._lay_out()

        self.asking.ask("keys with: ", self._sought, entered)


def row(binding: Binding) -> tuple[str, str]:
    """The keys, as a person writes them, and what they do."""
    names = [label(key) for key in binding.keys if key != "<0>"]
    return ", ".join(names[:SHOWN_KEYS]), binding.help
