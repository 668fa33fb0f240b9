"""How often another worker is started where one after the other dies before a cell has run, and after which pauses.

Runs in: host, on the supervisor's thread.

Who kills workers from outside (a memory killer, a person, a script) mostly stops some time: the state is not to blame
for it, and comes back by itself then. What dies by itself each time is not started for ever, either.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from pyshell.host.loop import Loop

MAX_FAILURES = 3
"""Workers in a row that may end by themselves before they have come up."""
AT_ONCE = 3
"""Deaths in a row after which the next worker is started at once."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 30.0
MAX_DEATHS = 20
"""Deaths in a row: with the pauses between them, some five minutes."""
TOLD_FROM = 1.0
"""A pause that is shorter is not worth a word."""
WELL_SECONDS = 60.0
"""A worker that has been there for so long was not killed as soon as it was there."""

OURS = ("restore", "settled", "checkpoint")
"""What a worker is asked that nobody has thought of; anything else is use that is made of it."""

WAITS = "{} workers in a row have died before a cell ran. The next one is started in {:.0f} s; Ctrl-C ends that."
ENOUGH = "{} workers in a row have died before a cell ran, the last one like this: {}"
ENDED = "no other worker was started, as somebody wished"


class Patience:
    """Owner: the supervisor's thread."""

    def __init__(self, loop: Loop, now: Callable[[], float] = time.monotonic) -> None:
        self._loop = loop
        self._now = now
        self._failures = self._deaths = 0
        self._there_since: float | None = None
        self._turn = 0
        self.is_pausing = False

    def begin_anew(self) -> None:
        """A cell runs, or a person wants another try: what comes now has other reasons."""
        self._failures = self._deaths = 0
        self._there_since = None
        self.is_pausing = False

    def asked(self, operation: str) -> None:
        """The worker is to do something."""
        if operation not in OURS:
            self.begin_anew()

    def restored(self) -> None:
        """A worker has the state."""
        self._failures = 0
        self._there_since = self._now()

    def failed(self) -> None:
        """A worker has ended by itself before it had come up."""
        self._failures += 1

    def died(self) -> None:
        """A worker was killed on its way, or has ended before a cell ran."""
        since, self._there_since = self._there_since, None
        self._deaths = 1 if since is not None and self._now() - since >= WELL_SECONDS else self._deaths + 1

    def is_out(self, python: str, why: str) -> str:
        """Why no other worker is started; empty if one is."""
        why = why.rstrip(".")
        if self._failures >= MAX_FAILURES:
            return f"{python} does not come up as a worker: {why}"
        return ENOUGH.format(self._deaths, why) if self._deaths >= MAX_DEATHS else ""

    @property
    def seconds(self) -> float:
        """To wait before the next worker is started."""
        over = self._deaths - AT_ONCE - 1
        return 0.0 if over < 0 else min(FIRST_PAUSE * 2.0**over, LONGEST_PAUSE)

    def pause(self, then: Callable[[], object]) -> str:
        """Call `then` after the pause, at once if there is none; what to tell of it. `end` keeps it from that."""
        seconds = self.seconds
        if not seconds:
            then()
            return ""
        self.is_pausing = True
        self._turn += 1
        turn = self._turn

        def wake() -> None:
            if self.end(turn):
                then()

        self._loop.later(seconds, wake)
        return WAITS.format(self._deaths, seconds) if seconds >= TOLD_FROM else ""

    def end(self, turn: int = 0) -> bool:
        """No pause is under way any more; whether one was (with `turn`: that one)."""
        was = self.is_pausing and turn in (0, self._turn)
        if was:
            self.is_pausing = False
        return was
