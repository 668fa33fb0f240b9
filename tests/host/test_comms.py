"""What views say to the worker: when it is handed on, what is refused, and what a death makes of it.

Runs in: tests.
"""

from __future__ import annotations

from typing import Any

import pytest

from pyshell.errors import UsageError, WorkerBusy
from pyshell.host import comms as module
from pyshell.host.comms import Comms
from pyshell.protocol import MAX_COMM, Comm, CommDone, CommTaken, OpenComm, SendComm


class Session:
    """Journal, succession and supervisor in one: it writes down what it is told."""

    epoch = 1

    def __init__(self) -> None:
        self.said: list[Any] = []
        self.is_idle = True
        self.comms = Comms(self, self, self)  # type: ignore[arg-type]

    def append(self, body: Any, **_: Any) -> None:
        self.said.append(body)

    def send(self, operation: str, request: SendComm) -> bool:
        assert operation == "comm"
        self.said.append(request.said.data)
        return True

    def on_turn(self, has_come: bool) -> None:
        self.is_idle = not has_come

    def go_on(self) -> None:
        if self.is_idle:
            self.comms.begin()


@pytest.fixture
def session() -> Session:
    made = Session()
    made.comms.told(Comm("open", "a", "t", "{}", "{}", ()))
    made.said.clear()
    return made


def saying(data: str, action: Any = "message", comm: str = "a", message: str = "") -> SendComm:
    return SendComm(Comm(action, comm, "t", data, "{}", ()), message or f"m{data}"[:100], "c")


def test_one_is_heard_after_the_other(session: Session) -> None:
    session.comms.send(saying("1"))
    session.comms.send(saying("2"))
    assert session.said == [CommTaken("m1"), "1"]
    assert session.comms.running is not None
    session.comms.told(CommDone("m1", "error"))
    assert session.said[2:] == [CommDone("m1", "error"), CommTaken("m2"), "2"]
    session.comms.told(CommDone("m2", "ok"))
    assert session.is_idle and session.comms.running is None


def test_comms_are_known_from_their_opening_to_their_end(session: Session) -> None:
    session.comms.send(saying("1", "open", "b"))
    assert session.comms.listing().comms == (OpenComm("a", "t"), OpenComm("b", "t"))
    session.comms.send(saying("2", "close", "b"))
    session.comms.told(Comm("close", "a", "t", "{}", "{}", ()))
    assert session.comms.listing().comms == ()
    for comm in ("a", "b"):
        with pytest.raises(UsageError, match="run its cell again"):
            session.comms.send(saying("3", comm=comm))


def test_with_the_worker_all_end(session: Session) -> None:
    session.comms.send(saying("1"))
    session.comms.send(saying("2"))
    session.comms.worker_ended()
    assert session.said[-2:] == [CommDone("m1", "died"), CommDone("m2", "aborted")]
    assert session.comms.listing().comms == () and session.comms.running is None


def test_what_is_too_large_or_too_much_is_refused(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="up to 4 MB"):
        session.comms.send(saying(" " * MAX_COMM))
    with pytest.raises(UsageError, match="up to 200 characters"):
        session.comms.send(saying("1", message="m" * 201))
    session.comms.send(saying("1"))
    monkeypatch.setattr(module, "MAX_WAITING_SIZE", 20)
    session.comms.send(saying("2" * 10))
    with pytest.raises(WorkerBusy):
        session.comms.send(saying("3" * 10))
    monkeypatch.setattr(module, "MAX_WAITING", 1)
    with pytest.raises(WorkerBusy):
        session.comms.send(saying(""))
