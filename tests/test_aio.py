"""pyshell.aio: sessions that are awaited.

Runs in: tests.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from contextlib import suppress

import pytest

from pyshell import Session, aio
from pyshell.errors import ConnectionLost, SessionNotFound, SessionStopped, UsageError
from pyshell.lanes import MAX_WAITING
from pyshell.protocol import Event, Result
from tests.sessions import SECONDS, another, host_of, kill, started

# `run` and `wait` take no `timeout`: asyncio has its own.
OWN = {"run", "wait", "events", "close"}
SYNCHRONOUS = {"submit", "another", "paths", "detach", "so_far", "batches", "state", "epoch", "pid", "wait_travelled"}


@pytest.fixture(scope="module")
def shared() -> Iterator[Session]:
    with started("aio") as session:
        yield session


def test_it_can_do_what_a_session_can() -> None:
    def public(cls: type) -> set[str]:
        return {name for name in dir(cls) if not name.startswith("_")}

    assert public(aio.Session) - {"name"} == public(Session) - SYNCHRONOUS
    for name in public(aio.Session) - OWN - {"name"}:
        assert inspect.signature(getattr(aio.Session, name)) == inspect.signature(getattr(Session, name))
        assert inspect.iscoroutinefunction(getattr(aio.Session, name))


def test_many_cells_and_questions_at_once(shared: Session) -> None:
    async def main() -> None:
        async with aio.Session(another(shared, "me")) as session:
            replies = await asyncio.gather(*[session.run(f"{n} * 2") for n in range(50)])
            assert [reply.result for reply in replies] == [str(n * 2) for n in range(50)]
            assert (await session.history(limit=1))[0].client == "me"
            with pytest.raises(UsageError):
                await session.wait(10**6)

    asyncio.run(main())


def test_who_is_cancelled_leaves_the_cell_running(shared: Session) -> None:
    async def main() -> None:
        async with aio.Session(another(shared)) as session:
            cell = await session.execute("import signal\nprint('waits', flush=True)\nsignal.pause()")
            waiting = asyncio.create_task(session.wait(cell))
            async for event in session.events(cell=cell):
                if event.kind == "output":
                    break
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert (await session.status()).cell == cell
            await session.interrupt()
            assert (await session.wait(cell)).status == "interrupted"

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_who_is_cancelled_leaves_no_question_behind(shared: Session) -> None:
    async def main() -> None:
        async with aio.Session(another(shared)) as session:
            for _ in range(3):
                waiting = [asyncio.ensure_future(anext(session.events(after=10**6))) for _ in range(MAX_WAITING + 5)]
                await session.status()
                for task in waiting:
                    task.cancel()
                assert all(await asyncio.gather(*[_is_cancelled(task) for task in waiting]))
            assert (await session.run("6 * 7")).result == "42"

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_what_is_over_is_told_while_others_wait(shared: Session) -> None:
    past = shared.run("'past'").cell

    async def main() -> None:
        async with aio.Session(another(shared)) as session:
            last = (await session.status()).last_event
            watching = [asyncio.ensure_future(_results(session, last)) for _ in range(3 * MAX_WAITING)]
            while not session._readers.locked():
                await session.status()
            assert (await session.wait(past)).result == "'past'"
            assert (await session.run("'now'")).result == "'now'"
            assert await asyncio.gather(*watching) == ["'now'"] * len(watching)

    asyncio.run(asyncio.wait_for(main(), SECONDS))


async def _results(session: aio.Session, after: int) -> str:
    async for event in session.events(after):
        if isinstance(event.body, Result):
            return event.body.text
    raise AssertionError("the session ended")


def test_a_host_that_dies_is_told_to_everybody_who_waits() -> None:
    async def main(control: Session) -> None:
        session = aio.Session(another(control))
        cell = await session.execute("import signal; signal.pause()")
        waiting = [asyncio.ensure_future(session.wait(cell)) for _ in range(50)]
        while len(session._session._lanes._waiting) < MAX_WAITING:  # those that have a connection
            await session.status()
        kill(host_of(control), control.pid or 0)
        told = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(exc) for exc in told} == {ConnectionLost}
        assert {str(exc) for exc in told} == {'the host of the session "dies" is gone; attach again'}
        await session.close()

    with started("dies") as control:
        asyncio.run(asyncio.wait_for(main(control), SECONDS))


async def _is_cancelled(task: asyncio.Task[Event]) -> bool:
    with suppress(asyncio.CancelledError):
        await task
    return task.cancelled()


def test_closing_ends_what_waits(shared: Session) -> None:
    async def main() -> None:
        session = aio.Session(another(shared))
        waiting = asyncio.ensure_future(anext(session.events(cell=10**6)))
        await session.status()
        await session.close()
        with pytest.raises(ConnectionLost):
            await waiting

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_a_session_that_ends_and_one_that_is_not_there() -> None:
    async def main() -> None:
        with pytest.raises(SessionNotFound):
            await aio.connect("nowhere")
        async with await aio.start("ends") as session:
            cell = await session.execute("import signal; signal.pause()")
            waiting = asyncio.create_task(session.wait(cell))
            await session.kill()
            try:
                assert (await waiting).status in ("aborted", "died", "interrupted")
            except (SessionStopped, ConnectionLost):
                pass
            with pytest.raises((SessionStopped, ConnectionLost)):
                await anext(session.events())

    asyncio.run(asyncio.wait_for(main(), SECONDS * 2))
