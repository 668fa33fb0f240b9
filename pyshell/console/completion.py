"""The list of completions: what is in it, what is chosen, what that does to the text. Pure.

Runs in: console.
"""

from __future__ import annotations

import os.path
import re
from typing import NamedTuple

from pyshell.console.buffer import Buffer, replace_span
from pyshell.protocol import MAX_MATCHES, Completions, Match

MAX_ROWS = 8

_NAME = re.compile(r"[^\W\d]\w+\Z")
_MEMBER = re.compile(r"(?:[^\W\d]\w*|[\])\"'])\.(?:[^\W\d]\w*)?\Z")
_IMPORT = re.compile(r"\s*(?:from\s+[\w.]+\s+)?import\s+(?:\w*|.*,\s*\w*)\Z|\s*from\s+[\w.]*\Z")


class Menu(NamedTuple):
    """Completions of `base.text[start:base.cursor]`; `all` keeps those that narrowing took away."""

    base: Buffer
    start: int
    all: tuple[Match, ...]
    matches: tuple[Match, ...]
    selected: int | None = None
    is_unasked: bool = False
    """It came up by itself: until the person moves into it, every key means what it always means."""
    first: int = 0
    """The first match that is shown. It stays while the chosen one is in view: lines that move are sent anew."""

    @property
    def takes_keys(self) -> bool:
        return self.selected is not None or not self.is_unasked

    @property
    def chosen(self) -> Match:
        """The match that is chosen, or would be first."""
        return self.matches[self.selected or 0]

    def moved(self, step: int) -> Menu:
        """The menu with another match chosen, around the ends."""
        count = len(self.matches)
        at = (0 if step > 0 else count - 1) if self.selected is None else (self.selected + step) % count
        first = self.first
        if not first <= at < first + MAX_ROWS:
            first = max(0, min(at - MAX_ROWS // 2, count - MAX_ROWS))
        return self._replace(selected=at, first=first)

    def applied(self) -> Buffer:
        """The text with the chosen match in its place."""
        if self.selected is None:
            return self.base
        return replace_span(self.base, self.start, self.base.cursor, self.matches[self.selected].text)

    def narrowed(self, buffer: Buffer) -> Menu | None:
        """The menu after more was typed; None when nothing fits any more, or what fits now may have been left out."""
        typed = buffer.text[self.start : buffer.cursor]
        matches = beginning_with(typed, self.all)
        if buffer.cursor <= self.start or not matches or len(self.all) >= MAX_MATCHES:
            return None
        if typed and not (typed[-1].isalnum() or typed[-1] in "_./"):
            return None
        if self.is_unasked and [match.text for match in matches] == [typed]:
            return None
        return Menu(buffer, self.start, self.all, matches, is_unasked=self.is_unasked)

    @property
    def window(self) -> tuple[int, tuple[Match, ...]]:
        """The matches that are shown, and the place of the first of them."""
        return self.first, self.matches[self.first : self.first + MAX_ROWS]


def beginning_with(typed: str, matches: tuple[Match, ...]) -> tuple[Match, ...]:
    """Those of the matches that begin with what is typed, in whatever case."""
    return tuple(match for match in matches if match.text.lower().startswith(typed.lower()))


def is_worth_offering(buffer: Buffer) -> bool:
    """Whether what stands before the cursor is half of something, so that a list may come up unasked."""
    line = buffer.text[buffer.line_start : buffer.cursor]
    if buffer.after[:1].isalnum() or buffer.after[:1] == "_":
        return False
    return bool(_NAME.search(line) or _MEMBER.search(line) or _IMPORT.match(line))


def offered(buffer: Buffer, reply: Completions) -> Menu | None:
    """The list that comes up by itself: what begins as what is typed, if there is more to it than that."""
    typed = buffer.text[reply.start : buffer.cursor]
    matches = beginning_with(typed, reply.matches)
    if not matches or [match.text for match in matches] == [typed]:
        return None
    return Menu(buffer, reply.start, reply.matches, matches, is_unasked=True)


def opened(buffer: Buffer, reply: Completions) -> tuple[Menu | None, Buffer]:
    """What Tab does with an answer: insert what is certain, and list the rest."""
    typed = buffer.text[reply.start : buffer.cursor]
    if not reply.matches:
        return None, buffer
    # Matches in another case are listed, but do not keep what is certain from being inserted.
    exact = [match.text for match in reply.matches if match.text.startswith(typed)]
    common = os.path.commonprefix(exact or [match.text for match in reply.matches])
    if len(reply.matches) == 1 or (common.startswith(typed) and common != typed):
        buffer = replace_span(buffer, reply.start, max(reply.end, buffer.cursor), common)
    if len(reply.matches) == 1:
        return None, buffer
    return Menu(buffer, reply.start, reply.matches, reply.matches), buffer
