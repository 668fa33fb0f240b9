"""A line that the person types in answer to a question of the console's own. Pure.

Runs in: console.
"""

from __future__ import annotations

from collections.abc import Callable


class Asking:
    """Owned by the UI thread."""

    def __init__(self) -> None:
        self._question = ""
        self._typed: str | None = None
        self._is_choice = False
        self._entered: Callable[[str], None]

    @property
    def is_on(self) -> bool:
        return self._typed is not None

    @property
    def line(self) -> str:
        """What there is to be seen of it."""
        return "" if self._typed is None else f"{self._question}{self._typed}▏"

    def ask(self, question: str, text: str, entered: Callable[[str], None]) -> None:
        """Let a line be typed, with `text` to begin with."""
        self._question, self._typed, self._entered, self._is_choice = question, text, entered, False

    def confirm(self, question: str, then: Callable[[], None]) -> None:
        """One key: `y` does it."""
        self.ask(f"{question} [y/N] ", "", lambda typed: then() if typed in ("y", "Y") else None)
        self._is_choice = True

    def key(self, key: str) -> None:
        """One key of the answer."""
        text = self._typed or ""
        if self._is_choice or key == "enter":
            self._typed = None
            self._entered(key if self._is_choice else text)
        elif key in ("esc", "ctrl c", "ctrl g"):
            self._typed = None
        elif key in ("backspace", "ctrl h"):
            self._typed = text[:-1]
        elif key == "ctrl u":
            self._typed = ""
        elif len(key) == 1:
            self._typed = text + key
