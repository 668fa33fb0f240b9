"""Fetch the cells of the past for the prompt: the session's own first, a little later those of all others.

Runs in: console.
"""

from __future__ import annotations

from pyshell import protocol
from pyshell.console.desk import Desk
from pyshell.console.editor import Editor
from pyshell.console.history import MAX_ENTRIES, Entry
from pyshell.errors import PyshellError

OWN = 1000
ELSEWHERE_SECONDS = 0.5
"""Nobody needs other sessions' cells before."""

Entries = tuple[protocol.HistoryEntry, ...] | PyshellError


def recall(desk: Desk, editor: Editor) -> None:
    """Ask for them; in the UI thread."""

    def own(entries: Entries) -> None:
        if not isinstance(entries, PyshellError):
            editor.history.put_before(Entry(entry.code, "", entry.time) for entry in entries)

    def others(entries: Entries) -> None:
        if not isinstance(entries, PyshellError):
            editor.learn(Entry(entry.code, entry.session, entry.time) for entry in entries)

    def ask_elsewhere() -> None:
        desk.ask(lambda session: session.history(limit=MAX_ENTRIES, elsewhere=True), others, "query")

    desk.ask(lambda session: session.history(limit=OWN), own, "query")
    desk.later(ELSEWHERE_SECONDS, ask_elsewhere)
