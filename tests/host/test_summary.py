"""Completions from what the worker told in advance; and in real sessions whose worker cannot answer.

Runs in: tests.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

import pytest

from pyshell import Session
from pyshell.host.summary import Summary
from pyshell.protocol import Completions, Family, Member, Outline, Outlines, ReadVariables
from tests.sessions import another, becomes_true, started, until_computing, until_state

AREA = "(width, /, height=1, *rest)"


def told() -> Outlines:
    table = Outline(
        "table", "instance", "dict", "1", 8, "{'key': 1}", "",
        (Member("'key'", "key", ""), Member("5", "key", ""), Member("own", "instance", "")),
    )  # fmt: skip
    function = Outline("area", "function", "function", "", 8, "<function area>", "(width, /, height=1, *rest)", ())
    module = Outline("os", "module", "module", "", 8, "<module>", "", (Member("getcwd", "function", "()"),))
    members = (Member("setdefault", "function", "(key, default=None, /)"), Member("join", "function", "(sep='')"))
    return Outlines(True, (table, function, module), (Family("dict", members), Family("str", members)), ())


@pytest.mark.parametrize(
    "code, expected",
    [
        ("tab", "table TabError"),
        ("TABL", "table"),
        ("are", "area"),
        ("print", "print"),
        ("whil", "while"),
        ("alpha = 1\nalph", "alpha"),
        ("table.", "own join setdefault"),
        ("table.se", "setdefault"),
        ("table['", "key"),
        ("table[5", "5"),
        ("table['k", "key"),
        ("table[b'k", ""),
        ("table.own.", ""),
        ("os.getc", "getcwd"),
        ("'text'.jo", "join"),
        ("unknown.", ""),
        ("area(hei", "height="),
        ("area(1, height=2, heig", ""),
        ("table.join(sep", "sep="),
        ("import o", ""),
        ("open('/et", ""),
        ("table i", "if import in is"),
        ("# tab", ""),
    ],
)
def test_what_is_known_is_completed(code: str, expected: str) -> None:
    summary = Summary()
    summary.apply(told())
    found = summary.complete(code, len(code))
    assert found.source == "summary" and 0 <= found.start <= found.end == len(code)
    assert sorted(match.text for match in found.matches) == sorted(expected.split())


def test_what_is_told_replaces_what_was_told() -> None:
    summary = Summary()
    summary.apply(told())
    more = Outline("tables", "instance", "list", "0", 8, "[]", "", ())
    summary.apply(Outlines(False, (more,), (), ("table",)))
    assert [match.text for match in summary.complete("tabl", 4).matches] == ["tables"]
    assert not summary.is_empty
    summary.apply(Outlines(True, (), (), ()))
    assert summary.is_empty
    assert summary.complete("tabl", 4).matches == ()


def test_nothing_was_told_yet() -> None:
    assert [match.text for match in Summary().complete("prin", 99).matches] == ["print"]
    assert Summary().complete("", -5) == Summary().complete("", 0)


@pytest.mark.parametrize(
    "code, name, signature, current",
    [
        ("table", "table", "", None), ("area", "area", AREA, None),
        ("area(", "area", AREA, "width"), ("area(1, ", "area", AREA, "height=1"),
        ("area(height=", "area", AREA, "height=1"), ("area(table", "table", "", "width"),
        ("os.getcwd(", "os.getcwd", "()", None),
        ("table.setdefault(1, ", "table.setdefault", "(key, default=None, /)", "default=None"),
    ],
)  # fmt: skip
def test_what_is_known_is_inspected(code: str, name: str, signature: str, current: str | None) -> None:
    summary = Summary()
    summary.apply(told())
    found = summary.inspect(code, len(code))
    assert (found.found, found.name, found.signature, found.answered) == (True, name, signature, "summary")
    call = found.call
    assert (call.parameters[call.current] if call is not None and call.current is not None else None) == current
    assert not summary.inspect("unknown(", 8).found


def test_what_is_known_is_listed() -> None:
    summary = Summary()
    summary.apply(told())
    found = summary.variables(ReadVariables(0, 10))
    assert [row.name for row in summary.variables(ReadVariables(1, 1)).variables] == ["area"]
    assert [(row.name, row.type, row.shape) for row in found.variables][:2] == [
        ("table", "dict", "1"), ("area", "function", ""),
    ]  # fmt: skip
    assert found.answered == "summary"


# --- real sessions ------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def stopped(pid: int | None) -> Iterator[None]:
    """The process does nothing meanwhile."""
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def asked_while_stopped(session: Session, code: str) -> Completions:
    with stopped(session.pid):
        return session.complete(code, len(code))


def wait_told(session: Session, name: str) -> None:
    """Until the host would know that name without its worker."""

    def is_known() -> bool:
        found = asked_while_stopped(session, name)
        return found.source == "summary" and name in [match.text for match in found.matches]

    assert becomes_true(is_known)


@pytest.fixture
def session() -> Iterator[Session]:
    with started("s") as made:
        yield made


def test_c_code_that_holds_the_interpreter_does_not_keep_completion_waiting(session: Session) -> None:
    session.run("some_table = {'some_key': 1}")
    assert becomes_true(lambda: session.complete("some_t", 6).source == "live")
    wait_told(session, "some_table")
    session.execute("sum(range(10 ** 12))")
    until_computing(session)
    expected = {"some_t": "some_table", "some_table['some": "some_key", "some_table.setd": "setdefault"}
    for code, text in expected.items():
        found = session.complete(code, len(code))
        assert (found.source, [match.text for match in found.matches]) == ("summary", [text])


def test_names_that_a_cell_changes_inside_and_deletes_are_told_again(session: Session) -> None:
    session.run("import types\nspace, other_name = types.SimpleNamespace(first=1), 1")
    wait_told(session, "space")
    session.run("space.second = 2\ndel other_name\nlast_name = 1")
    wait_told(session, "last_name")
    assert [m.text for m in asked_while_stopped(session, "space.").matches] == ["first", "second"]
    assert [m.text for m in asked_while_stopped(session, "other_n").matches] == []


def test_a_summary_outlives_its_worker_and_is_replaced_by_the_next_ones(session: Session) -> None:
    session.run("kept_name = 1")
    wait_told(session, "kept_name")
    session.restart(fresh=True)
    assert becomes_true(lambda: session.state == "idle")
    session.run("new_name = 1")
    wait_told(session, "new_name")
    assert [m.text for m in asked_while_stopped(session, "kept_n").matches] == []


def test_thousands_of_names_are_told_and_nothing_of_it_is_an_event(session: Session) -> None:
    session.run("for i in range(6000): globals()[f'name_{i}'] = [i]")
    wait_told(session, "name_5999")
    after = session.status().last_event
    session.run("1")
    with another(session) as other:
        kinds = {event.kind for event in until_state(other, "idle", after)}
    assert kinds <= {"queued", "started", "state_changed", "result", "finished", "saved", "save_failed"}


def test_a_worker_that_cannot_answer_is_described_all_the_same(session: Session) -> None:
    session.wait_saved(session.run("def area(width, height=1): return width\ntable = {'key': 1}").cell)
    wait_told(session, "table")
    with stopped(session.pid):
        assert session.inspect("area(1, ", 8).signature == "(width, height=1)"
        assert session.inspect("table", 5).preview == "{'key': 1}"
        rows = {row.name: row for row in session.variables()}
        assert (rows["table"].type, rows["table"].saved) == ("dict", True)
        assert session.children("table").found is False
