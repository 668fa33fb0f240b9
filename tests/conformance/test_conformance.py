"""The same cases through every way to a session: what they come to is the same.

Runs in: tests.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pyshell import Session
from pyshell.host.processes.blocked import READ
from tests.conformance.adapters import ADAPTERS
from tests.conformance.clients import Client, Object
from tests.sessions import becomes_true, started


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with started("conform") as session:
        yield session


@pytest.fixture(scope="module", params=ADAPTERS)
def client(session: Session, request: pytest.FixtureRequest) -> Iterator[Client]:
    """One connection of each kind for all the cases."""
    with ADAPTERS[request.param](session) as client:
        yield client


class Followed:
    """The events from when it was made, as they are asked for."""

    def __init__(self, session: Session, client: Client) -> None:
        self.after = session.status().last_event
        self.seen: list[Object] = []
        self._events = client.events(self.after)

    def until(self, cell: int, kind: str) -> Object:
        for event in self._events:
            self.seen.append(event)
            if event["cell"] == cell and event["body"]["kind"] == kind:
                body: Object = event["body"]
                return body
        raise AssertionError("the events have ended")

    def output(self, cell: int) -> str:
        bodies = [event["body"] for event in self.seen if event["cell"] == cell]
        return "".join(body["text"] for body in bodies if body["kind"] == "output")


def finish(session: Session, client: Client, code: str, *expressions: str) -> list[Object]:
    """Run a cell; the bodies of its events."""
    followed = Followed(session, client)
    cell = client.execute(code, expressions)
    followed.until(cell, "finished")
    return [event["body"] for event in followed.seen if event["cell"] == cell]


def check_kinds(client: Client, bodies: list[Object], *wanted: str) -> None:
    """These events came and no others, but for those that the client's protocol has no words for."""
    assert [body["kind"] for body in bodies] == [kind for kind in wanted if kind not in client.unsaid]


def check_fields(client: Client, bodies: list[Object], wanted: dict[str, str]) -> None:
    """The fields, `kind.field`, have these values, as far as the client's protocol tells them."""
    found = {f"{body['kind']}.{field}": value for body in bodies for field, value in body.items()}
    told = {name for name in wanted if name not in client.unsaid and name.partition(".")[0] not in client.unsaid}
    assert {name: found.get(name) for name in wanted} == {
        name: wanted[name] if name in told else None for name in wanted
    }


def test_a_cells_value(session: Session, client: Client) -> None:
    bodies = finish(session, client, "x = 6 * 7\nx")
    check_kinds(client, bodies, "queued", "started", "result", "finished")
    wanted = {"queued.code": "x = 6 * 7\nx", "result.text": "42", "result.type": "int", "finished.status": "ok"}
    check_fields(client, bodies, wanted)


def test_an_error(session: Session, client: Client) -> None:
    bodies = finish(session, client, "1 / 0")
    check_kinds(client, bodies, "queued", "started", "error", "finished")
    assert bodies[-2]["error"]["kind"] == "ZeroDivisionError" and "1 / 0" in bodies[-2]["error"]["traceback"]
    assert bodies[-1]["status"] == "error"


def test_expressions(session: Session, client: Client) -> None:
    bodies = finish(session, client, "rows = [1, 2]", "sum(rows)", "nothing")
    check_kinds(client, bodies, "queued", "started", "evaluated", "evaluated", "finished")
    value, error = bodies[-3:-1]
    assert (value["expression"], value["value"]["text"], value["error"]) == ("sum(rows)", "3", None)
    assert (error["expression"], error["value"], error["error"]["kind"]) == ("nothing", None, "NameError")


def test_output(session: Session, client: Client) -> None:
    bodies = finish(session, client, "print('é\u2028😀' * 20_000)")
    assert "".join(body["text"] for body in bodies if body["kind"] == "output") == "é\u2028😀" * 20_000 + "\n"


def test_input(session: Session, client: Client) -> None:
    followed = Followed(session, client)
    cell = client.execute("input('name? ')")
    assert followed.until(cell, "input_request")["prompt"] == "name? "
    client.input("Grace é")
    assert followed.until(cell, "result")["text"] == "'Grace é'"
    followed.until(cell, "finished")


@pytest.mark.skipif(not READ, reason="the system does not tell who reads the terminal")
def test_input_for_a_program(session: Session, client: Client) -> None:
    followed = Followed(session, client)
    cell = client.execute("lines = !stty -echo; read p; stty echo; read n; echo $$p-$$n\nlines[-1]")
    asked = followed.until(cell, "input_request")
    assert (asked["prompt"], asked["password"]) == ("", True)
    client.input("sesame")
    asked = followed.until(cell, "input_request")
    assert (asked["prompt"], asked["password"]) == ("", False)
    client.input("Grace é")
    assert followed.until(cell, "result")["text"] == "'sesame-Grace é'"
    followed.until(cell, "finished")


def test_completion_while_busy_and_interrupt(session: Session, client: Client) -> None:
    finish(session, client, "known_name = 1")
    followed = Followed(session, client)
    cell = client.execute("import signal\nprint('waits', flush=True)\nsignal.pause()")
    followed.until(cell, "output")
    # On a busy machine the first answer may be what was told before the cell.
    assert becomes_true(lambda: "known_name" in client.complete("known_na"))
    client.interrupt()
    assert followed.until(cell, "error")["error"]["kind"] == "KeyboardInterrupt"
    assert followed.until(cell, "finished")["status"] == "interrupted"


def test_undo(session: Session, client: Client) -> None:
    for code in ("value = 'old'", "value = 'new'"):
        followed = Followed(session, client)
        cell = client.execute(code)
        followed.until(cell, "finished")
        client.wait_saved(cell)
    client.undo()
    (text,) = [body["text"] for body in finish(session, client, "value") if body["kind"] == "result"]
    assert text == "'old'"


NUMBERED = [name for name in ADAPTERS if name != "jupyter"]
"""Clients that can ask for the events after a number; `unsaid` tells why the others cannot."""


def test_only_jupyters_messages_have_no_numbers(client: Client, request: pytest.FixtureRequest) -> None:
    assert ("events after a number" not in client.unsaid) == (request.node.callspec.params["client"] in NUMBERED)


@pytest.mark.parametrize("client", NUMBERED, indirect=True)
def test_nothing_is_missed_between_two_connections(
    session: Session, client: Client, request: pytest.FixtureRequest
) -> None:
    followed = Followed(session, client)
    first = client.execute("print('seen')")
    followed.until(first, "finished")
    last = followed.seen[-1]["seq"]
    unseen = session.run("for n in range(300): print(n, flush=True)\n'unseen'")
    with ADAPTERS[request.node.callspec.params["client"]](session) as again:
        found = []
        for event in again.events(last):
            found.append(event)
            if event["cell"] == unseen.cell and event["body"]["kind"] == "finished":
                break
    assert [event["seq"] for event in found] == list(range(last + 1, last + 1 + len(found)))
    bodies = [event["body"] for event in found if event["cell"] == unseen.cell]
    assert "".join(body["text"] for body in bodies if body["kind"] == "output") == unseen.output


def test_a_crash_and_the_state_that_comes_back(session: Session, client: Client) -> None:
    finish(session, client, "kept = [1, 2]")
    client.wait_saved(session.status().next_cell - 1)
    followed = Followed(session, client)
    cell = client.execute("import os, signal\nprint('last words', flush=True)\nos.kill(os.getpid(), signal.SIGSEGV)")
    assert followed.until(cell, "died")["exit"]["signal"] == "SIGSEGV"
    assert "kept" in followed.until(cell, "restored")["names"]
    assert followed.until(cell, "finished")["status"] == "died"
    assert followed.output(cell) == "last words\n"
    assert [body["text"] for body in finish(session, client, "kept") if body["kind"] == "result"] == ["[1, 2]"]
