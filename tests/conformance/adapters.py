"""One way of using a session for each adapter: what the conformance tests drive is the same for all.

Runs in: tests. Another bridge is tested by another entry of ADAPTERS.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, TypeVar

from pyshell import Session, aio
from pyshell.bridges.objects import to_object
from tests import rpc
from tests.conformance import jupyter
from tests.conformance.clients import Client, Object
from tests.sessions import SECONDS, another

T = TypeVar("T")
_numbers = itertools.count()


class Direct(Client):
    """`pyshell.Session`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def execute(self, code: str, expressions: Sequence[str] = ()) -> int:
        return self._session.execute(code, expressions=expressions)

    def input(self, text: str) -> None:
        self._session.input(text)

    def events(self, after: int) -> Iterator[Object]:
        return map(to_object, self._session.events(after))

    def complete(self, code: str) -> list[str]:
        return [match.text for match in self._session.complete(code, len(code)).matches]

    def interrupt(self) -> None:
        self._session.interrupt()

    def undo(self) -> None:
        self._session.undo(SECONDS)

    def wait_saved(self, cell: int) -> None:
        self._session.wait_saved(cell, SECONDS)


class Awaited(Client):
    """`pyshell.aio.Session`, in a loop of its own."""

    def __init__(self, session: Session) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._session = aio.Session(another(session))

    def _done(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(SECONDS)

    def close(self) -> None:
        self._done(self._session.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(SECONDS)
        self._loop.close()

    def execute(self, code: str, expressions: Sequence[str] = ()) -> int:
        return self._done(self._session.execute(code, expressions=expressions))

    def events(self, after: int) -> Iterator[Object]:
        events = self._session.events(after)
        try:
            while True:
                yield to_object(self._done(anext(events)))  # type: ignore[arg-type]
        finally:
            self._done(events.aclose())

    def input(self, text: str) -> None:
        self._done(self._session.input(text))

    def complete(self, code: str) -> list[str]:
        return [match.text for match in self._done(self._session.complete(code, len(code))).matches]

    def interrupt(self) -> None:
        self._done(self._session.interrupt())

    def undo(self) -> None:
        self._done(self._session.undo())

    def wait_saved(self, cell: int) -> None:
        self._done(self._session.wait_saved(cell))


class JsonRpc(Client):
    """`pyshell serve`."""

    def __init__(self, talk: rpc.Rpc, session: Session) -> None:
        self._talk = talk
        self._session = session
        """Only to wait for what no operation waits for."""

    def execute(self, code: str, expressions: Sequence[str] = ()) -> int:
        return int(self._talk.ask("execute", code=code, expressions=list(expressions))["cell"])

    def events(self, after: int) -> Iterator[Object]:
        start = len(self._talk.messages)
        self._talk.ask("subscribe", **{"from": after + 1})
        for message in self._talk.each(start):
            # Of the subscription before, one may still have been under way.
            if message.get("method") == "event" and message["params"]["seq"] == after + 1:
                after += 1
                yield message["params"]

    def input(self, text: str) -> None:
        self._talk.ask("input", text=text)

    def complete(self, code: str) -> list[str]:
        return [match["text"] for match in self._talk.ask("complete", code=code, cursor_pos=len(code))["matches"]]

    def interrupt(self) -> None:
        self._talk.ask("interrupt")

    def undo(self) -> None:
        self._talk.ask("undo")

    def wait_saved(self, cell: int) -> None:
        self._session.wait_saved(cell, SECONDS)


@contextmanager
def direct(session: Session) -> Iterator[Client]:
    with another(session) as own:
        yield Direct(own)


@contextmanager
def awaited(session: Session) -> Iterator[Client]:
    client = Awaited(session)
    try:
        yield client
    finally:
        client.close()


@contextmanager
def on_stdio(session: Session, has_headers: bool) -> Iterator[Client]:
    with rpc.on_stdio(session, has_headers) as talk:
        yield JsonRpc(talk, session)


@contextmanager
def on_socket(session: Session, has_headers: bool) -> Iterator[Client]:
    with ExitStack() as stack:
        own = session.paths.bridge.with_suffix(f".{next(_numbers)}")
        path = stack.enter_context(rpc.served(session, str(own)))
        yield JsonRpc(stack.enter_context(rpc.on_socket(path, session, has_headers)), session)


ADAPTERS: dict[str, Callable[[Session], Any]] = {
    "rpyc": direct,
    "aio": awaited,
    "stdio-lines": partial(on_stdio, has_headers=False),
    "stdio-headers": partial(on_stdio, has_headers=True),
    "socket-lines": partial(on_socket, has_headers=False),
    "socket-headers": partial(on_socket, has_headers=True),
    "jupyter": jupyter.kernel,
}
"""Each opens a connection to a session, and gives its Client as a context manager."""
