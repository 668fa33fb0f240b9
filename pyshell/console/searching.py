"""Searching the cells of the past while the pattern is typed. Pure.

Runs in: console.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from pyshell.console.buffer import Buffer
from pyshell.console.history import Entry

MAX_FOUND = 200


class Search(NamedTuple):
    """What is searched for, what was found, newest first, and which of it is shown."""

    pattern: str = ""
    found: tuple[Entry, ...] = ()
    at: int = 0

    @property
    def entry(self) -> Entry | None:
        return self.found[self.at] if self.found else None

    def moved(self, step: int) -> Search:
        """Another one is shown; at the ends nothing changes."""
        return self._replace(at=max(0, min(self.at + step, len(self.found) - 1)))

    def shown(self) -> Buffer:
        """The cell that is shown, with the cursor where the pattern is in it."""
        entry = self.entry
        if entry is None:
            return Buffer()
        first = self.pattern.split()[:1]
        at = _folded(entry.code, self.pattern).find(_folded(first[0], self.pattern)) if first else -1
        return Buffer(entry.code, max(0, at))


def pressed(search: Search, key: str, command: str | None, entries: Iterable[Entry]) -> Search | None:
    """The search after a key; None if the key means something else than searching on."""
    if command is None and len(key) == 1:
        return searched(search.pattern + key, entries)
    if command == "backspace":
        return searched(search.pattern[:-1], entries)
    if command in ("search_history", "up"):
        return search.moved(1)
    if command in ("search_newer", "down"):
        return search.moved(-1)
    return None


def searched(pattern: str, entries: Iterable[Entry]) -> Search:
    """Cells in which every word of the pattern is, each once. Capitals count if the pattern has any."""
    words = [_folded(word, pattern) for word in pattern.split()]
    found: dict[str, Entry] = {}
    if words:
        for entry in entries:
            code = _folded(entry.code, pattern)
            if entry.code not in found and all(word in code for word in words):
                found[entry.code] = entry
                if len(found) >= MAX_FOUND:
                    break
    return Search(pattern, tuple(found.values()))


def _folded(text: str, pattern: str) -> str:
    return text if pattern != pattern.lower() else text.lower()
