"""pyshell for asyncio: the same sessions, awaited.

Runs in: clients (Python 3.11 and newer).

Nothing is written a second time: what is answered soon is `pyshell.client.Session`'s own method on a thread; what
lasts (a cell's end, the next event) waits without one, so that it can be cancelled.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncGenerator, Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing, suppress
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, TypeVar

from pyshell import client, starting
from pyshell.errors import ConnectionLost, SessionStopped, UsageError
from pyshell.gathering import Gathering, Reading, Reply
from pyshell.lanes import MAX_WAITING
from pyshell.protocol import Event, Events, ReadEvents

P = ParamSpec("P")
R = TypeVar("R")
THREADS = 8
CLOSED = "this connection is closed"


def _awaited(
    method: Callable[Concatenate[client.Session, P], R],
) -> Callable[Concatenate[Session, P], Coroutine[Any, Any, R]]:
    """The same method of the same signature, to be awaited."""

    async def ask(self: Session, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await self._on_thread(functools.partial(method, self._session, *args, **kwargs))

    functools.update_wrapper(ask, method)
    return ask


class Session:
    """A connection to one session, as `pyshell.Session` is. Owner: the event loop that it was made in."""

    def __init__(self, session: client.Session) -> None:
        self._session = session
        self._threads = ThreadPoolExecutor(THREADS, f"pyshell {session.name}")
        self._is_closed = False
        self._readers = asyncio.Semaphore(MAX_WAITING)

    @property
    def name(self) -> str:
        return self._session.name

    execute = _awaited(client.Session.execute)
    queue = _awaited(client.Session.queue)
    cancel = _awaited(client.Session.cancel)
    move = _awaited(client.Session.move)
    release = _awaited(client.Session.release)
    input = _awaited(client.Session.input)
    input_end = _awaited(client.Session.input_end)
    send_comm = _awaited(client.Session.send_comm)
    comms = _awaited(client.Session.comms)
    keys = _awaited(client.Session.keys)
    resize = _awaited(client.Session.resize)
    status = _awaited(client.Session.status)
    complete = _awaited(client.Session.complete)
    inspect = _awaited(client.Session.inspect)
    is_complete = _awaited(client.Session.is_complete)
    variables = _awaited(client.Session.variables)
    children = _awaited(client.Session.children)
    table = _awaited(client.Session.table)
    history = _awaited(client.Session.history)
    interrupt = _awaited(client.Session.interrupt)
    restart = _awaited(client.Session.restart)
    kill = _awaited(client.Session.kill)
    save = _awaited(client.Session.save)
    wait_saved = _awaited(client.Session.wait_saved)
    wait_up = _awaited(client.Session.wait_up)
    checkpoints = _awaited(client.Session.checkpoints)
    peek = _awaited(client.Session.peek)
    diff = _awaited(client.Session.diff)
    label = _awaited(client.Session.label)
    prune = _awaited(client.Session.prune)
    restore = _awaited(client.Session.restore)
    undo = _awaited(client.Session.undo)
    redo = _awaited(client.Session.redo)
    load = _awaited(client.Session.load)

    async def run(self, code: str) -> Reply:
        """Run a cell and wait for its end; cancelled, as by `asyncio.timeout`, the cell runs on."""
        return await self._gather(await self.execute(code))

    async def wait(self, cell: int) -> Reply:
        """Wait for a cell's end, also one of the past; UsageError if there never was such a cell."""
        if not 0 < cell < (await self.status()).next_cell:
            raise UsageError(f"there is no In[{cell}] in this session")
        return await self._gather(cell)

    async def _gather(self, cell: int) -> Reply:
        gathering = Gathering(cell)
        async with aclosing(self.events(cell=cell)) as events:
            async for event in events:
                if gathering.add(event):
                    return gathering.finish()
        raise SessionStopped(f'the session "{self.name}" ended before In[{cell}] did')

    async def events(self, after: int = 0, cell: int | None = None) -> AsyncGenerator[Event, None]:
        """Events with numbers over `after`, oldest first, each once, waiting for more until the session ends.

        ConnectionLost if the host dies, or this is closed.
        """
        reading = Reading(after, cell, None)
        try:
            while (batch := await self._next_batch(reading.question())) is not None:
                for event in batch.events:
                    yield event
                if reading.is_over(batch):
                    return
            raise client.why_lost(self._session.paths)
        except SessionStopped:
            if not reading.has_begun:
                raise

    async def _next_batch(self, question: ReadEvents) -> Events | None:
        """None if the host goes meanwhile."""
        if not question.timeout:  # what is there already takes no place from those who wait
            return await self._ask(question, lambda: None)
        await self._readers.acquire()
        return await self._ask(question, self._readers.release)

    async def _ask(self, question: ReadEvents, then: Callable[[], None]) -> Events | None:
        """Who is cancelled meanwhile leaves no question behind at the host."""
        ask = functools.partial(self._session.submit, "events", question)
        asked = asyncio.ensure_future(self._on_thread(ask))
        try:
            return await self._batch(await asyncio.shield(asked))
        except asyncio.CancelledError:
            asked.add_done_callback(_withdraw)
            raise
        finally:  # not before it is asked, or withdrawn
            asked.add_done_callback(lambda _: then())

    async def _batch(self, answer: Future[Events]) -> Events | None:
        try:
            return await _outcome(answer)
        except (SessionStopped, ConnectionLost):
            if self._is_closed:
                raise ConnectionLost(CLOSED) from None
            return None

    async def _on_thread(self, function: Callable[[], R]) -> R:
        if self._is_closed:
            raise ConnectionLost(CLOSED)
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)

    async def close(self) -> None:
        """Close this connection; the session runs on."""
        self._is_closed = True
        self._session.close()
        self._threads.shutdown(wait=False)

    async def __aenter__(self) -> Session:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.close()


def _withdraw(asked: asyncio.Future[Future[Events]]) -> None:
    if not asked.cancelled() and asked.exception() is None:
        asked.result().cancel()


async def _outcome(answer: Future[R]) -> R:
    """What the host answers. Not `asyncio.wrap_future`: the loop may have ended when it comes."""
    loop = asyncio.get_running_loop()
    answered = asyncio.Event()

    def tell(_: Future[R]) -> None:
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(answered.set)

    answer.add_done_callback(tell)
    await answered.wait()
    return answer.result()


def _opened(function: Callable[P, client.Session]) -> Callable[P, Coroutine[Any, Any, Session]]:
    @functools.wraps(function)
    async def open_session(*args: P.args, **kwargs: P.kwargs) -> Session:
        return Session(await asyncio.to_thread(function, *args, **kwargs))

    return open_session


start = _opened(starting.start)
connect = _opened(starting.connect)
connect_or_start = _opened(starting.connect_or_start)
