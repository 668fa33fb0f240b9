"""Merge the worker's reports with its output, which comes by another way. Pure.

Runs in: host.

A report says which fence it follows; the fence is a mark in the output. A report is given out when its fence has been
seen, text that follows a fence when the fence's report has come. Reports never overtake each other, nor do texts.
"""

from __future__ import annotations

from collections import deque
from typing import Union

from pyshell.protocol import Output, Report, TerminalUsed


class ErrorText(str):
    """Text that the worker has written to sys.stderr."""


Shown = Union[str, TerminalUsed]
"""What comes by the terminal."""
Item = Union[Report, Shown]


def output_of(text: str) -> Output:
    """The event that such text is."""
    return Output(str(text), "stderr" if isinstance(text, ErrorText) else "stdout")


class Ordering:
    """One worker's reports, texts and fences. Each method returns what is due by what it was told."""

    def __init__(self) -> None:
        self._seen = 0
        """The newest fence in the output."""
        self._reported = 0
        """The newest fence whose report has come."""
        self._waiting: deque[Report] = deque()
        self._held: deque[Shown | int] = deque()
        """What came after the fence `_seen`, while that waits for its report."""

    def report(self, report: Report) -> list[Item]:
        """A report came."""
        self._waiting.append(report)
        self._reported = max(self._reported, report.fence)
        return self._due()

    def output(self, piece: Shown | int) -> list[Item]:
        """Text came, or how the terminal is used from here on, or the number of a fence."""
        self._held.append(piece)
        return self._due()

    def first(self) -> Report | None:
        """The report that has waited longest for its fence, if one waits."""
        return self._waiting[0] if self._waiting else None

    def holding(self) -> int:
        """The fence after which text waits for a report; 0 if none does."""
        return self._seen if self._held else 0

    def give_up(self) -> list[Item]:
        """The fence of the first report will not come (or not soon)."""
        if self._waiting:
            self._seen = max(self._seen, self._waiting[0].fence)
        return self._due()

    def give_up_holding(self) -> list[Item]:
        """The report of the last fence will not come (or not soon)."""
        self._reported = max(self._reported, self._seen)
        return self._due()

    def give_up_all(self) -> list[Item]:
        """The worker has ended."""
        due: list[Item] = []
        while self._held or self._waiting:
            due += self.give_up_holding() if self._held else self.give_up()
        return due

    def _due(self) -> list[Item]:
        due: list[Item] = self._due_reports()
        while self._held and self._seen <= self._reported:
            piece = self._held.popleft()
            if isinstance(piece, int):
                self._seen = max(self._seen, piece)
                due += self._due_reports()
            else:
                due.append(piece)
        return due

    def _due_reports(self) -> list[Item]:
        due: list[Item] = []
        while self._waiting and self._waiting[0].fence <= self._seen:
            due.append(self._waiting.popleft())
        return due
