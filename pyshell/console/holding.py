"""Hold keys while it is not known whose they are: between an answer to a cell and its next question.

Runs in: console.
"""

from __future__ import annotations

from collections.abc import Callable

from pyshell.console.desk import Desk

GAP_SECONDS = 0.2
"""After an answer keys wait so long for the next question (a debugger's), before they are the next cell's."""


class Holding:
    """Owned by the UI thread."""

    def __init__(self, desk: Desk, press: Callable[[str], object]) -> None:
        self._desk = desk
        self.press = press
        """Called for each key when it is known whose they are."""
        self._keys: list[str] = []
        self._token: object | None = None
        """Set while keys are held."""

    @property
    def is_on(self) -> bool:
        """Whether keys are held."""
        return self._token is not None

    def holds(self, key: str) -> bool:
        """Whether the key is kept for later."""
        if self._token is None:
            return False
        self._keys.append(key)
        return True

    def begin(self) -> None:
        """The cell got its answer: hold the keys until it asks again or ends."""
        token = self._token = object()
        self._desk.later(GAP_SECONDS, lambda: self.end(token))

    def end(self, token: object | None = None) -> None:
        """It is known again whose the keys are: press them."""
        if self._token is not None and token in (None, self._token):
            self._token = None
            keys, self._keys = self._keys, []
            for key in keys:
                self.press(key)

    def drop(self) -> None:
        """Nobody wants the keys any more."""
        self._token, self._keys = None, []
