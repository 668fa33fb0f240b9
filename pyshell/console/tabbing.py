"""Tab in the console without a screen: readline of the standard library, with what the session knows.

Runs in: console.
"""

from __future__ import annotations

from queue import Empty
from typing import TYPE_CHECKING

from pyshell.console.remote import Remote
from pyshell.errors import PyshellError
from pyshell.inbox import Inbox

if TYPE_CHECKING:
    from pyshell.client import Session

WAIT_SECONDS = 2.0
INDENT = "    "


class Tab:
    """Owned by the main thread, which readline calls while a line is read."""

    def __init__(self, remote: Remote) -> None:
        self.above: str | None = None
        """The lines of the cell that stand already; None while no cell is typed."""
        self._remote = remote
        self._found: list[str] = []

    def install(self) -> None:
        """ImportError where Python has no readline."""
        import readline  # late: only a person at a terminal has it, and not every Python

        def complete(text: str, state: int) -> str | None:
            if state == 0:
                self._found = self._completed(readline.get_line_buffer(), readline.get_begidx(), readline.get_endidx())
            return self._found[state] if state < len(self._found) else None

        readline.set_completer(complete)
        readline.parse_and_bind("tab: complete")

    def _completed(self, line: str, begin: int, end: int) -> list[str]:
        """What the part of the line from `begin` to `end` may become."""
        if self.above is None:
            return [line[begin:end] + "\t"]
        if not line[:end].strip():
            return [INDENT]
        answers: Inbox[list[str]] = Inbox()
        typed, kept = self.above + line[:end], len(self.above) + begin
        code = self.above + line

        def work(session: Session) -> None:
            try:
                found = session.complete(code, len(typed))
                texts = [code[: found.start] + match.text for match in found.matches]
                answers.put([text[kept:] for text in texts if text.startswith(typed)])
            except PyshellError:
                answers.put([])

        self._remote.ask(work, lane="query")
        try:
            return answers.take(WAIT_SECONDS)
        except Empty:
            return []
