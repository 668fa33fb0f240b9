"""An interrupt that strikes while a cell's coroutine is handed to the event loop.

Runs in: tests. What cells see of top-level `await` is in test_cells.py.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

from pyshell.worker.awaiting import Awaiting


async def forever() -> None:
    await asyncio.get_running_loop().create_future()


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    yield (loop := asyncio.new_event_loop())
    loop.close()


@pytest.fixture
def awaiting(loop: asyncio.AbstractEventLoop) -> Awaiting:
    awaiting = Awaiting()
    awaiting._loop = loop
    return awaiting


def test_after_the_task_was_made_it_is_cancelled_and_cleans_up(
    awaiting: Awaiting, loop: asyncio.AbstractEventLoop
) -> None:
    complaints: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    made: list[asyncio.Task[Any]] = []

    def interrupted(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        made.append(asyncio.Task(coroutine, loop=loop))
        raise KeyboardInterrupt

    loop.set_task_factory(interrupted)  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        awaiting.run(forever())
    assert made[0].cancelled()
    made.clear()
    gc.collect()
    assert complaints == []


def test_before_the_task_was_made_nothing_is_left(awaiting: Awaiting, loop: asyncio.AbstractEventLoop) -> None:
    coroutine = forever()

    def interrupted(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        raise KeyboardInterrupt

    loop.set_task_factory(interrupted)  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        awaiting.run(coroutine)
    assert inspect.getcoroutinestate(coroutine) == inspect.CORO_CLOSED
