"""Loops and steps that go on where the last checkpoint left them: `pyshell.resume` and `pyshell.step`.

Runs in: worker, on its main thread, within a cell; in any other Python, and on other threads, they are plain loops.

How far each is lies in the session's namespace (progress.py), so that every checkpoint holds it together with what the
items that are done have made. For that a cell with such loops is saved between two items, and nowhere else.
"""

from __future__ import annotations

import os
import sys
import threading
import types
from collections.abc import Iterable, Iterator
from itertools import islice
from types import FrameType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pyshell.errors import UsageError
from pyshell.worker.bars import Bar

if TYPE_CHECKING:
    from pyshell.worker.progress import Place, Progress

T = TypeVar("T")


def resume(iterable: Iterable[T], key: str, *, bar: bool = True) -> Iterator[T]:
    """The items of `iterable`, without those that were done before the checkpoint that a dead worker left.

    Once the cell runs again, the loop goes on with the item that was not finished, and the variables are put back that
    the cell has bound anew by then. `key` names the loop, in the session and in its progress bar; loops inside of it
    are told apart by its items. `iterable` must have the same items then: it is made anew, and those that are done are
    passed over.
    """
    if not isinstance(key, str):
        raise UsageError(f"the key of a loop is a text that names it, as resume(items, 'fit'); not {key!r}")
    return _Loop(iterable, key, bar)


def step(key: str) -> bool:
    """Whether the step of that name is still to be done: `if pyshell.step("load"): …`.

    It counts as done when the next step begins, and is not done again after a death. A cell that runs to its end
    forgets its steps.
    """
    progress = _progress()
    return progress is None or progress.begin_step(key, sys._getframe(1))


def _progress() -> Progress | None:
    """None where nothing is kept."""
    saving = sys.modules.get("pyshell.worker.autosaving")
    current = getattr(saving, "current", None)
    if current is None or current.pid != os.getpid() or threading.get_ident() != current.main:
        return None
    if current.progress is None:
        from pyshell.worker.progress import Progress  # only where there is a session to keep it

        current.progress = Progress(current)
    found: Progress = current.progress
    return found


class _Loop(Iterator[T], Generic[T]):
    """One loop under way. The session holds it weakly, so that it ends when the `for` lets go of it."""

    def __init__(self, iterable: Iterable[T], key: str, bar: bool) -> None:
        self._iterable = iterable
        self._items: Iterator[T] | None = None
        self._progress = _progress()
        self._place: Place | None = None
        self._key = key
        self._bar = Bar(key, _length(iterable)) if bar else None

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        if self._items is None:
            self._items = self._begin(sys._getframe(1))
        elif self._place is not None:
            self._place.next_item(sys._getframe(1))
        if self._bar is not None:
            self._bar.step()
        for item in self._items:
            return item
        self._end()
        raise StopIteration

    def _begin(self, frame: FrameType) -> Iterator[T]:
        if self._progress is None:
            return iter(self._iterable)
        self._place = place = self._progress.enter(self._key, frame)
        if place.is_over:
            return iter(())
        if self._bar is not None:
            self._bar.begin_at(place.done, place.path)
        return _behind(self._iterable, place.done)

    def _end(self) -> None:
        place, self._place, self._items = self._place, None, iter(())
        if place is not None:
            place.finish()
        if self._bar is not None:
            self._bar.close(is_last=place is None or place.is_outermost)

    def __del__(self) -> None:
        place = getattr(self, "_place", None)
        if place is not None:
            place.abandon()


def _length(iterable: Any) -> int | None:
    try:
        return len(iterable)
    except Exception:  # it has none, or code of its own that fails
        return None


def _behind(iterable: Iterable[T], count: int) -> Iterator[T]:
    """An iterator over what follows the first `count` items."""
    if isinstance(iterable, range):
        rest: Iterable[Any] = iterable[count:]
        return iter(rest)
    if count and type(iterable) is types.GeneratorType:
        import inspect  # only for a loop that goes on, over a generator

        if inspect.getgeneratorstate(iterable) != inspect.GEN_CREATED:
            raise UsageError("this generator has begun already: make it anew, in the cell that has the loop")
    items = iter(iterable)
    next(islice(items, count, count), None)
    return items
