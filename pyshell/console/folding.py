"""What of the transcript is folded away: the middle of long output, the frames of libraries. Pure.

Runs in: console.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

MAX_OUTPUT = 1000
"""Output of more lines in a row is folded when it ends."""
HEAD, TAIL = 100, 200
"""So many of its first and last lines stay."""
MIN_FRAMES = 2
MAX_FOLDS = 2000

# Not compiled until there is a traceback: the first prompt need not wait for that.
_FRAME = r'  File "([^"]*)", line \d+'
_LIBRARY = r".*[/\\](?:site-packages|dist-packages|lib[/\\]python3[.\d]*)[/\\]([^/\\]+)|<(frozen )"


class Fold(NamedTuple):
    """Lines from `start` up to `end` stand for themselves no more, but `text` for them."""

    start: int
    end: int
    text: str
    cell: int | None = None


def fold_output(start: int, end: int, cell: int | None) -> Fold | None:
    """The middle of output that takes these lines, if it is long."""
    if end - start <= MAX_OUTPUT:
        return None
    hidden = end - start - HEAD - TAIL
    return Fold(start + HEAD, end - TAIL, f"… {hidden:,} more lines. F6 shows all of them.", cell)


def fold_frames(texts: Sequence[str], start: int, cell: int | None) -> list[Fold]:
    """Runs of frames of libraries in a traceback whose first line has the number `start`."""
    folds: list[Fold] = []
    frames: list[tuple[int, str]] = []
    for at, text in enumerate([*texts, ""]):
        frame = re.match(_FRAME, text)
        if frame is None and text.startswith("    "):
            continue  # a frame's source
        library = re.match(_LIBRARY, frame[1]) if frame else None
        if library is not None:
            frames.append((at, library[1] or "the import system"))
            continue
        if len(frames) >= MIN_FRAMES:
            names = ", ".join(dict.fromkeys([name.removesuffix(".py") for _, name in frames]))
            what = f"  … {len(frames)} frames in {names}"
            folds.append(Fold(start + frames[0][0], start + at, what, cell))
        frames = []
    return folds


def within(folds: Sequence[Fold], first: int) -> tuple[Fold, ...]:
    """The newest of them, without those whose lines were let go."""
    return tuple([fold for fold in folds[-MAX_FOLDS:] if fold.start >= first])


class Folded:
    """Line numbers with folds left out: a fold counts as one line, its first. Folds must not overlap."""

    def __init__(self, folds: Sequence[Fold] = ()) -> None:
        self.folds = folds
        self._starts = [fold.start for fold in folds]
        self.hidden = sum([fold.end - fold.start - 1 for fold in folds])
        """How many lines there are less."""

    def at(self, line: int) -> Fold | None:
        """The fold that holds the line."""
        place = bisect_right(self._starts, line) - 1
        return self.folds[place] if place >= 0 and line < self.folds[place].end else None

    def shown(self, line: int) -> int:
        """The line, or the one that stands for it."""
        fold = self.at(line)
        return line if fold is None else fold.start

    def after(self, line: int) -> int:
        """The line below."""
        fold = self.at(line)
        return line + 1 if fold is None else fold.end

    def before(self, line: int) -> int:
        """The line above."""
        return self.shown(line - 1)


def merged(folds: Sequence[Fold]) -> list[Fold]:
    """In order, without those that lie in another one."""
    found: list[Fold] = []
    for fold in sorted(folds, key=lambda fold: (fold.start, -fold.end)):
        if not found or fold.start >= found[-1].end:
            found.append(fold)
    return found
