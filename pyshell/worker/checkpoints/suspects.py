"""Which names kill the processes that save, and when to try them again. Pure.

Runs in: worker, on its main thread.

Once more with all names, since it may have been somebody's kill; a name that was in work both times is left out, but
not for good: memory may have been short twice. A value that does crash costs a process now and then, ever more seldom.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyshell.frozen import dataclass

MAX_ATTEMPTS = 12
"""Processes that may die over one checkpoint before it is given up."""
REST = 5.0
"""How many times as long as a process worked that died its name is left out; with each further death twice as long."""
MIN_SECONDS = 0.05
"""What a process counts that died at once."""


@dataclass(frozen=True)
class _Crash:
    value: int
    """The id of what the name meant."""
    until: float
    """The name is left out before that, by the monotonic clock."""
    rest: float


class Suspects:
    """Names with the ids of their values: bound to something else, a name is tried again at once."""

    def __init__(self) -> None:
        self._crashing: dict[str, _Crash] = {}
        self._suspect = ""
        self._attempts = 0

    def names(self, now: float) -> frozenset[str]:
        """Those that are left out: they killed the saving process twice running."""
        return frozenset([name for name, crash in self._crashing.items() if now < crash.until])

    def look(self, namespace: Mapping[str, object]) -> None:
        """A cell has run."""
        self._crashing = {n: crash for n, crash in self._crashing.items() if id(namespace.get(n)) == crash.value}

    def went_well(self, now: float) -> None:
        """A process has saved all but what was left out."""
        self._crashing = {name: crash for name, crash in self._crashing.items() if now < crash.until}
        self._clear()

    def died(self, culprit: str, namespace: Mapping[str, object], now: float, seconds: float) -> bool:
        """A process has died while it saved that name (empty: none). Whether it is to be tried again."""
        self._attempts += 1
        if self._attempts > (MAX_ATTEMPTS if culprit else 1):
            self._clear()
            return False
        if not self.rest(culprit, now) and culprit and culprit == self._suspect:
            rest = REST * max(seconds, MIN_SECONDS)
            self._crashing[culprit] = _Crash(id(namespace.get(culprit)), now + rest, rest)
        self._suspect = culprit
        return True

    def rest(self, culprit: str, now: float) -> bool:
        """Leave a name out for longer that has killed another process; False if it has killed none before."""
        crash = self._crashing.get(culprit)
        if crash is None:
            return False
        self._crashing[culprit] = _Crash(crash.value, now + 2 * crash.rest, 2 * crash.rest)
        return True

    def _clear(self) -> None:
        self._suspect, self._attempts = "", 0
