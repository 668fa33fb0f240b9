"""What the prompt asks of the rest of the console.

Runs in: console.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from pyshell.errors import PyshellError

if TYPE_CHECKING:
    from pyshell.client import Session


class Desk(Protocol):
    """Called in the UI thread; every answer comes back in it, too."""

    @property
    def is_connected(self) -> bool: ...

    def ask(
        self,
        work: Callable[[Session], Any],
        then: Callable[[Any], None] | None = None,
        lane: Any = ...,
        refused: Callable[[PyshellError], None] | None = None,
    ) -> None:
        """Call the session in another thread (see remote.py)."""

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Call back in the UI thread."""

    def expect(self) -> None:
        """Something is about to come: the next frame waits for it, for a moment."""

    def tell(self, text: str) -> None:
        """Show a sentence in the transcript."""

    def copy(self, text: str) -> None:
        """Put text on the clipboard of the person's terminal, if it lets us."""

    def edit_outside(self, text: str, then: Callable[[str], None]) -> None:
        """Let the person change the text in an editor of his own."""
