"""A progress bar as tqdm draws it, with the time that is left.

Runs in: worker; any Python that imports `pyshell.resume`.

    fit:  41%|████▏     | 413/1000 [03:12<04:33,  2.15it/s]
"""

from __future__ import annotations

import sys
import time

WIDTH = 10
EIGHTHS = " ▏▎▍▌▋▊▉"
FIRST_SECONDS, BETWEEN_SECONDS = 0.5, 0.1
"""A loop that is over in a moment draws nothing."""


def drawn(label: str, done: int, total: int | None, rate: float, seconds: float) -> str:
    """One line of text. `rate` is in items for each second, 0 where it is not known; `seconds` have gone by."""
    speed = f"{rate:5.2f}it/s" if rate >= 1 or not rate else f"{1 / rate:5.2f}s/it"
    if not total:
        return f"{label}: {done}it [{_clock(seconds)}, {speed}]"
    share = min(1.0, done / total)
    whole, part = divmod(int(share * WIDTH * len(EIGHTHS)), len(EIGHTHS))
    bar = ("█" * whole + EIGHTHS[part])[:WIDTH].ljust(WIDTH)
    left = _clock((total - done) / rate) if rate else "?"
    return f"{label}: {share:4.0%}|{bar}| {done}/{total} [{_clock(seconds)}<{left}, {speed}]"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"


class Bar:
    """One loop's, on the terminal that stderr is; nothing is drawn where it is none."""

    def __init__(self, label: str, total: int | None) -> None:
        self._label = label
        self._total = total
        self._done = self._first = -1
        self._begun = time.monotonic()
        self._due = self._begun + FIRST_SECONDS
        self._drawn = 0
        """Columns of what was drawn last."""

    def begin_at(self, done: int, label: str) -> None:
        """So many items were done before."""
        self._done = self._first = done - 1
        self._label = label

    def step(self) -> None:
        """The next item begins: the one before it is done."""
        self._done += 1
        if time.monotonic() >= self._due:
            self._draw()

    def close(self, is_last: bool) -> None:
        """All are done. `is_last`: nothing else is drawn on this line."""
        if self._drawn:
            self._draw("\n" if is_last else "")

    def _draw(self, end: str = "") -> None:
        now, stream = time.monotonic(), sys.stderr
        self._due = now + BETWEEN_SECONDS
        if stream is None or not stream.isatty():
            return
        seconds = now - self._begun
        rate = (self._done - self._first - 1) / seconds if seconds else 0.0
        line = drawn(self._label, self._done, self._total, rate, seconds)
        stream.write("\r" + line.ljust(self._drawn) + end)
        stream.flush()
        self._drawn = len(line)
