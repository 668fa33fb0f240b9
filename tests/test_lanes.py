"""pyshell.lanes: a client's several connections.

Runs in: tests.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import pytest

from pyshell import Session
from pyshell.errors import CallTimeout
from pyshell.lanes import MAX_WAITING
from pyshell.protocol import Events, ReadEvents
from tests.sessions import SECONDS, another, started

NEVER = ReadEvents(after=10**9, timeout=60.0)


@pytest.fixture(scope="module")
def shared() -> Iterator[Session]:
    with started("lanes") as session:
        yield session


def ask(session: Session, request: ReadEvents) -> Future[Any]:
    return session.submit("events", request)


@contextmanager
def turns_of(seconds: float) -> Iterator[None]:
    """How long a thread runs on while others wait."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(seconds)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def test_who_has_an_answer_may_ask_the_next_question_at_once(shared: Session) -> None:
    shared.run("1")
    with another(shared) as session:
        waiting = [ask(session, NEVER) for _ in range(MAX_WAITING - 1)]
        with turns_of(1e-6):
            for _ in range(500):
                answer = ask(session, ReadEvents(timeout=60.0))
                while not answer.done():
                    pass  # whoever sleeps is woken later than the place is free
                batch: Events = answer.result()
                assert batch.events
        assert not any(question.done() for question in waiting)


def test_a_question_that_is_cancelled_gives_its_place_back(shared: Session) -> None:
    shared.run("1")
    with another(shared) as session:
        for _ in range(3):
            waiting = [ask(session, NEVER) for _ in range(MAX_WAITING)]
            with pytest.raises(CallTimeout):
                ask(session, NEVER)
            assert ask(session, ReadEvents()).result(SECONDS).events  # what is there already takes no place
            assert all(question.cancel() for question in waiting)
        assert ask(session, ReadEvents()).result(SECONDS).last
