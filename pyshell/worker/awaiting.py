"""Run what a cell awaits at its top level, in one event loop for the whole session.

Runs in: worker, on its main thread.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any


class Awaiting:
    """Keeps the event loop; tasks that a cell leaves behind go on while a later one awaits."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, coroutine: Any) -> Any:
        """The coroutine's result; an interrupt cancels it, and it has time to clean up."""
        if self._loop is None or self._loop.is_closed():
            self._loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self._loop)
        try:
            return self._loop.run_until_complete(self._loop.create_task(coroutine))
        except BaseException as exc:  # KeyboardInterrupt leaves the task pending; its finally blocks must run
            task = _pending(self._loop, coroutine)
            if task is None:
                coroutine.close()  # it has ended, or never began
                raise
            where = _cancel(self._loop, task)
            # It struck the event loop; what the user wants to see is where the task was.
            raise exc.with_traceback(where or exc.__traceback__) from None


def _pending(loop: asyncio.AbstractEventLoop, coroutine: Any) -> asyncio.Task[Any] | None:
    """The coroutine's task. Looked up: an interrupt can come before anybody could note it."""
    return next((task for task in asyncio.all_tasks(loop) if task.get_coro() is coroutine), None)


def _cancel(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> TracebackType | None:
    """Cancel the task, run it to its end, and return the place where it waited."""
    task.cancel()
    try:
        loop.run_until_complete(task)
    except asyncio.CancelledError as exc:
        # Python 3.10 raises a new one, and keeps the one that went through the task as its context.
        inner = exc.__context__
        return (inner if isinstance(inner, asyncio.CancelledError) else exc).__traceback__
    return None
