"""The threads between the UI and the session.

Runs in: tests.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pyshell import protocol as p
from pyshell.console import remote as module
from pyshell.console.remote import Answer, Broken, Connected, Ended, Lost, Remote, Trouble
from pyshell.errors import ConnectionLost, SessionNotFound, UsageError

SECONDS = 20.0


class Session:
    """Gives the events it is told to, then ends as it is told to."""

    name = "fake"
    client = "test"

    def __init__(self, events: list[p.Event], end: Exception | None = None) -> None:
        self._events, self._end = events, end
        self.asked_after: int | None = None
        self.closed = threading.Event()

    def batches(self, after: int = 0) -> Iterator[tuple[p.Event, ...]]:
        self.asked_after = after
        yield tuple([event for event in self._events if event.seq > after])
        if self._end is not None:
            raise self._end

    def close(self) -> None:
        self.closed.set()


def output(seq: int, text: str = "x") -> p.Event:
    return p.Event(seq, 1, 1, "", 0.0, p.Output(text))


class Inbox:
    """Plays the UI thread: takes news until there is what is wanted."""

    def __init__(self, factory: Callable[[], Any]) -> None:
        self.rung = threading.Semaphore(0)
        self.remote = Remote(factory, self.rung.release)
        self.news: list[Any] = []

    def until(self, kind: type) -> Any:
        while True:
            while (news := self.remote.take()) is not None:
                self.news.append(news)
                if isinstance(news, kind):
                    return news
            assert self.rung.acquire(timeout=SECONDS), f"no {kind.__name__} in {self.news}"


def test_events_come_in_order_and_the_end_is_told() -> None:
    inbox = Inbox(lambda: Session([output(n) for n in range(1, 50)]))
    inbox.remote.start()
    assert inbox.until(Ended).error is None
    assert inbox.news[0] == Connected("fake", "test")
    assert [event.seq for event in inbox.news[1:-1]] == list(range(1, 50))


def test_a_lost_connection_is_made_again_and_no_event_comes_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", (0.0,))
    first = Session([output(1), output(2)], ConnectionLost("gone."))
    second = Session([output(1), output(2), output(3)])
    answers: list[Any] = [first, SessionNotFound("not yet"), second]

    def connect() -> Session:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]

    inbox = Inbox(connect)
    inbox.remote.start()
    inbox.until(Ended)
    assert second.asked_after == 2
    assert [news.seq for news in inbox.news if isinstance(news, p.Event)] == [1, 2, 3]
    assert [news.reason for news in inbox.news if isinstance(news, Lost)] == ["gone.", "not yet"]


def test_a_session_that_cannot_be_had_ends_it_at_once() -> None:
    def connect() -> Session:
        raise UsageError("no such interpreter")

    inbox = Inbox(connect)
    inbox.remote.start()
    assert isinstance(inbox.until(Ended).error, UsageError)


def test_calls_keep_their_order_and_answer_in_the_ui_thread() -> None:
    session = Session([], None)
    released = threading.Event()
    session.batches = lambda after=0: iter(lambda: released.wait(SECONDS), True)  # type: ignore[assignment]
    inbox = Inbox(lambda: session)
    threads: list[str] = []
    answers: list[Any] = []
    for number in range(20):
        inbox.remote.ask(
            lambda _, number=number: threads.append(threading.current_thread().name) or number, answers.append
        )
    assert not inbox.remote.is_connected
    inbox.remote.start()
    while len(answers) < 20:
        inbox.until(Answer).deliver()
    assert answers == list(range(20))
    assert set(threads) == {"control-0"}
    released.set()
    inbox.remote.close()
    assert session.closed.is_set()


def test_errors_are_answers_or_trouble_and_never_lost() -> None:
    def fail(_: Any) -> None:
        raise UsageError("no")

    def lose(_: Any) -> None:
        raise ConnectionLost("gone")

    def bug(_: Any) -> None:
        raise ZeroDivisionError

    hold = threading.Event()
    session = Session([])
    session.batches = lambda after=0: iter(lambda: hold.wait(SECONDS), True)  # type: ignore[assignment]
    inbox = Inbox(lambda: session)
    inbox.remote.start()
    answers: list[Any] = []
    inbox.remote.ask(fail, answers.append)
    inbox.until(Answer).deliver()
    assert isinstance(answers[0], UsageError)
    inbox.remote.ask(lose)
    inbox.remote.ask(fail)
    assert str(inbox.until(Trouble).error) == "no"
    inbox.remote.ask(bug)
    assert isinstance(inbox.until(Broken).error, ZeroDivisionError)
    hold.set()
    inbox.remote.close()


def test_a_flood_waits_for_the_ui(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 1000)
    given: list[int] = []
    enough = threading.Event()

    def batches(after: int = 0) -> Iterator[tuple[p.Event, ...]]:
        for number in range(1, 1000):
            given.append(number)
            if number == 10:
                enough.set()
            yield (output(number, "x" * 100),)

    session = Session([])
    session.batches = batches  # type: ignore[method-assign]
    inbox = Inbox(lambda: session)
    inbox.remote.start()
    assert enough.wait(SECONDS)
    assert len(given) <= 12
    inbox.until(Ended)
    assert len([news for news in inbox.news if isinstance(news, p.Event)]) == 999
