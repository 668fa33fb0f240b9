"""The session as the UI thread sees it: every call that may block runs in a thread of its own.

Runs in: console.

One thread reads events; *lanes* of threads make calls. All of them put what they have into one inbox
and ring; the UI thread, which owns this object, takes it out. While the connection is lost the reader
keeps connecting, and calls wait.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar

from pyshell import protocol
from pyshell.errors import ConnectionLost, PyshellError, SessionStopped

if TYPE_CHECKING:
    from pyshell.client import Session

T = TypeVar("T")
Lane = Literal["control", "query", "interrupt"]

LANES: dict[Lane, int] = {"control": 1, "query": 2, "interrupt": 1}
"""How many threads each has. Cells and input must keep their order: one."""

MAX_WAITING = 4_000_000
"""Characters of output in the inbox beyond which the reader waits for the UI."""
MAX_EVENTS = 20_000
MAX_JOINED = 100

RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)


# NamedTuples and not dataclasses: those take a millisecond each to make, before the first prompt.


class Connected(NamedTuple):
    """There is a session to talk to, again or for the first time."""

    name: str
    client: str
    """What the session calls us."""


class Lost(NamedTuple):
    """The host went away; connecting goes on."""

    reason: str


class Ended(NamedTuple):
    """The session stopped, or could not be started: `error` says why."""

    error: PyshellError | OSError | None


class Broken(NamedTuple):
    """A thread failed in a way nobody foresaw; the UI thread raises it."""

    error: BaseException


class Trouble(NamedTuple):
    """A call failed that nobody waits for."""

    error: PyshellError


class Interrupted(NamedTuple):
    """SIGINT came from outside."""


class Resized(NamedTuple):
    """The terminal has another size, while it is lent to a program."""


class Answer(NamedTuple):
    """A call came back; `deliver` hands the result to who asked."""

    deliver: Callable[[], None]


News = protocol.Event | Connected | Lost | Ended | Broken | Trouble | Interrupted | Resized | Answer


class Remote:
    """Owned by the UI thread."""

    def __init__(self, session_factory: Callable[[], Session], ring: Callable[[], None]) -> None:
        self._factory = session_factory
        self._ring = ring
        self._inbox: deque[News] = deque()
        self._waiting = 0
        self._room = threading.Condition()
        self._session: Session | None = None
        self._connected = threading.Event()
        self._closed = threading.Event()
        self._jobs: dict[Lane, queue.SimpleQueue[Callable[[], None]]] = {}

    @property
    def is_connected(self) -> bool:
        return self._connected.is_set()

    def start(self) -> None:
        threading.Thread(target=self._guard, args=(self._read,), name="events", daemon=True).start()

    def close(self) -> None:
        """Detach. Threads that are inside a call end with it; they are daemons and hold nothing."""
        self._closed.set()
        self._connected.set()
        with self._room:
            self._room.notify_all()
        if self._session is not None:
            self._session.close()

    def take(self) -> News | None:
        """The next thing that happened, or None."""
        try:
            news = self._inbox.popleft()
        except IndexError:
            return None
        if isinstance(news, protocol.Event):
            with self._room:
                self._waiting -= _weight(news)
                self._room.notify_all()
        return news

    def joined(self, event: protocol.Event) -> protocol.Event:
        """The event with the output that follows it: one fold of 100 lines costs less than 100 folds."""
        if not isinstance(event.body, protocol.Output):
            return event
        texts = [event.body.text]
        while (
            self._inbox
            and isinstance(following := self._inbox[0], protocol.Event)
            and isinstance(following.body, protocol.Output)
            and following.cell == event.cell
            and len(texts) < MAX_JOINED
        ):
            self.take()
            texts.append(following.body.text)
            event = following
        return replace(event, body=protocol.Output("".join(texts))) if len(texts) > 1 else event

    def ask(
        self,
        work: Callable[[Session], T],
        then: Callable[[T | PyshellError], None] | None = None,
        lane: Lane = "control",
        refused: Callable[[PyshellError], None] | None = None,
    ) -> None:
        """Call `work` in a thread of the lane; in the UI thread `then` gets its result or its error.

        Where only an error matters `refused` gets it, and a success costs no frame.
        """
        if lane not in self._jobs:
            self._open_lane(lane)
        self._jobs[lane].put(lambda: self._call(work, then, refused))

    def _open_lane(self, lane: Lane) -> None:
        jobs = self._jobs[lane] = queue.SimpleQueue()

        def run() -> None:
            while not self._closed.is_set():
                job = jobs.get()
                self._connected.wait()
                job()

        for number in range(LANES[lane]):
            threading.Thread(target=self._guard, args=(run,), name=f"{lane}-{number}", daemon=True).start()

    def _call(
        self,
        work: Callable[[Session], T],
        then: Callable[[T | PyshellError], None] | None,
        refused: Callable[[PyshellError], None] | None,
    ) -> None:
        session = self._session
        if session is None or self._closed.is_set():
            return
        result: T | PyshellError
        try:
            result = work(session)
        except PyshellError as error:
            result = error
        if then is not None:
            self.put(Answer(lambda: then(result)))
        elif not isinstance(result, PyshellError):
            return
        elif refused is not None:
            self.put(Answer(partial(refused, result)))
        elif not isinstance(result, ConnectionLost):
            self.put(Trouble(result))  # the reader tells of a lost connection

    def _read(self) -> None:
        after, tries = 0, 0
        while not self._closed.is_set():
            try:
                session = self._factory()
            except (PyshellError, OSError) as error:
                if self._session is None or isinstance(error, SessionStopped):
                    return self.put(Ended(error))
                self.put(Lost(str(error).partition(";")[0]))  # what follows is for who must do it
                self._closed.wait(RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)])
                tries += 1
                continue
            tries = 0
            self._session = session
            self._connected.set()
            self.put(Connected(session.name, session.client))
            try:
                for batch in session.batches(after):
                    if batch:
                        after = batch[-1].seq
                        self._put_events(batch)
                return self.put(Ended(None))
            except SessionStopped:
                return self.put(Ended(None))
            except ConnectionLost as error:
                self._connected.clear()
                self.put(Lost(str(error).partition(";")[0]))  # what follows is for who must do it

    def _put_events(self, batch: Sequence[protocol.Event]) -> None:
        """The UI thread is woken once for all: it would take the processor from this one after the first."""
        with self._room:
            # Without this a flood would be held in memory while the screen shows the start of it.
            self._room.wait_for(
                lambda: (self._waiting < MAX_WAITING and len(self._inbox) < MAX_EVENTS) or self._closed.is_set()
            )
            self._waiting += sum(map(_weight, batch))
            self._inbox += batch
        self._ring()

    def put(self, news: News) -> None:
        """Put something into the inbox, from any thread or a signal handler."""
        self._inbox.append(news)
        self._ring()

    def _guard(self, run: Callable[[], None]) -> None:
        try:
            run()
        except BaseException as error:  # raised again in the UI thread: a thread's own death would go unseen
            self.put(Broken(error))


def _weight(event: protocol.Event) -> int:
    return len(event.body.text) if isinstance(event.body, protocol.Output) else 0
