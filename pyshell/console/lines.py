"""The lines of the transcript, kept so that a new version shares nearly everything with the old. Pure.

Runs in: console.

Lines are numbered from 0 for good; the oldest are let go when there are too many, and the numbers of
the others stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

Kind = Literal[
    "code", "output", "result", "traceback", "error", "stack", "notice", "failure", "rule", "blank",
    "picture",
]  # fmt: skip

CHUNK = 256
MAX_LINES = 100_000
MAX_CHARACTERS = 32_000_000


class Line(NamedTuple):
    """One line of the transcript, without its line feed."""

    kind: Kind
    text: str
    cell: int | None
    number: int = 0
    """Which line of its cell's code, or of its picture, it is."""


class _Chunk(NamedTuple):
    lines: tuple[Line, ...]
    characters: int


class Log(NamedTuple):
    """A sequence of lines: full chunks of equal length, then the newest few."""

    dropped: int = 0
    """How many lines were let go; the number of the first that is still here."""
    chunks: tuple[_Chunk, ...] = ()
    recent: tuple[Line, ...] = ()
    characters: int = 0

    @property
    def first(self) -> int:
        return self.dropped

    @property
    def end(self) -> int:
        """One more than the number of the last line."""
        return self.dropped + len(self.chunks) * CHUNK + len(self.recent)

    def line(self, number: int) -> Line:
        """The line of that number; IndexError if it is gone or not there yet."""
        chunk, place = divmod(number - self.dropped, CHUNK)
        if chunk < 0:
            raise IndexError(number)
        if chunk < len(self.chunks):
            return self.chunks[chunk].lines[place]
        return self.recent[(chunk - len(self.chunks)) * CHUNK + place]

    def backwards(self) -> Iterator[Line]:
        yield from reversed(self.recent)
        for chunk in reversed(self.chunks):
            yield from reversed(chunk.lines)

    def extend(self, lines: Iterable[Line]) -> Log:
        recent = self.recent + tuple(lines)
        if len(recent) < 2 * CHUNK:
            return self._replace(recent=recent)
        full = len(recent) // CHUNK * CHUNK - CHUNK  # one chunk's worth stays, to be taken back cheaply
        parts = [recent[at : at + CHUNK] for at in range(0, full, CHUNK)]
        new = tuple(_Chunk(part, sum([len(line.text) for line in part])) for part in parts)
        characters = self.characters + sum(chunk.characters for chunk in new)
        return _bounded(Log(self.dropped, self.chunks + new, recent[full:], characters))

    def without_last(self, count: int) -> Log:
        """The log without its last `count` lines."""
        log = self
        while count > len(log.recent) and log.chunks:
            last = log.chunks[-1]
            log = Log(log.dropped, log.chunks[:-1], last.lines + log.recent, log.characters - last.characters)
        return log._replace(recent=log.recent[: max(0, len(log.recent) - count)])


def _bounded(log: Log) -> Log:
    gone, characters = 0, log.characters
    while (len(log.chunks) - gone) * CHUNK > MAX_LINES or (characters > MAX_CHARACTERS and gone < len(log.chunks)):
        characters -= log.chunks[gone].characters
        gone += 1
    return log._replace(dropped=log.dropped + gone * CHUNK, chunks=log.chunks[gone:], characters=characters)
