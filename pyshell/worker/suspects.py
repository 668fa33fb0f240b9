"""Which names kill the processes that save, and when to give up. Pure.

Runs in: worker, on its main thread.

Once more with all names, since it may have been somebody's kill; a name that was in work both times is left out.
"""

from __future__ import annotations

from collections.abc import Mapping

MAX_ATTEMPTS = 12
"""Processes that may die over one checkpoint before it is given up."""


class Suspects:
    """Names with the ids of their values: bound to something else, a name is tried again."""

    def __init__(self) -> None:
        self._crashing: dict[str, int] = {}
        self._suspect = ""
        self._attempts = 0

    @property
    def names(self) -> frozenset[str]:
        """Those that killed the saving process twice running."""
        return frozenset(self._crashing)

    def look(self, namespace: Mapping[str, object]) -> None:
        """A cell has run."""
        self._crashing = {name: key for name, key in self._crashing.items() if id(namespace.get(name)) == key}

    def clear(self) -> None:
        """It went well, or was given up."""
        self._suspect, self._attempts = "", 0

    def died(self, culprit: str, namespace: Mapping[str, object]) -> bool:
        """A process has died while it saved that name (empty: none). Whether it is to be tried again."""
        self._attempts += 1
        if self._attempts > (MAX_ATTEMPTS if culprit else 1):
            self.clear()
            return False
        if culprit and culprit == self._suspect:
            self._crashing[culprit] = id(namespace.get(culprit))
        self._suspect = culprit
        return True
