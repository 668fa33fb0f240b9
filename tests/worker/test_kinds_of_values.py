"""Which kinds of values come back, each as its own name in one session, and which are said to be missing.

Runs in: tests.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

VERSIONS = ["3.10", "3.11", "3.12", "3.13"]


@dataclass(frozen=True)
class Case:
    """One section of a table: what a cell runs, and what is expected of it."""

    name: str
    since: str
    code: str
    expected: str


def cases(table: str, version: str) -> list[Case]:
    """The sections of a table that this Python can run; every `v` is made the case's own name."""
    found = []
    for section in Path(__file__).with_name(table).read_text().split("\n== ")[1:]:
        title, _, body = section.partition("\n")
        name, _, since = title.partition(" on ")
        code, _, expected = body.partition("\n--\n")
        found.append(Case(name, since, _own(code, name), _own(expected.strip(), name)))
    assert len(found) > 20
    return [case for case in found if not case.since or _number(case.since) <= _number(version)]


def _own(code: str, name: str) -> str:
    return re.sub(r"\bv(?=_|\b)(?!')", f"{name}_v", code)


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def session_with(sessions: Any, python: str | None, some: list[Case]) -> Any:
    if python is None:
        pytest.skip("that interpreter is not here")
    session = sessions(python)
    for case in some:
        session.run(case.code)
    return session


@pytest.mark.parametrize("version", VERSIONS)
def test_values_come_back(sessions: Any, pythons: dict[str, str], version: str) -> None:
    some = cases("come_back.txt", version)
    session = session_with(sessions, pythons.get(version), some)
    assert session.save() == {}
    session.restart()
    answers = {case.expected: session.ask(f"bool({case.expected})") for case in some}
    wrong = {expected: answer for expected, answer in answers.items() if answer != "True"}
    assert (session.missing, wrong) == ({}, {})
    assert session.store.check() == []


@pytest.mark.parametrize("version", VERSIONS)
def test_values_that_would_lie_are_missing(sessions: Any, pythons: dict[str, str], version: str) -> None:
    some = cases("missing.txt", version)
    session = session_with(sessions, pythons.get(version), some)
    missing = session.save()
    # Of a container it is the path to what is missing that is named: `inside_v['a'][0]`.
    reasons = {re.match(r"(\w+)_v\b", name)[1]: reason for name, reason in missing.items() if "_v" in name}
    reasons = {case.name: reasons.get(case.name) for case in some}
    wrong = [reasons[case.name] for case in some if case.expected not in (reasons[case.name] or "")]
    assert (wrong, None in reasons.values()) == ([], False)
    session.restart()
    assert session.missing.keys() == missing.keys()
    assert session.store.check() == []


def test_a_database_in_memory_is_saved_again_after_it_came_back(session: Any) -> None:
    if sys.version_info < (3, 11):
        pytest.skip("sqlite3 cannot give a database away")
    session.run("import sqlite3\nc = sqlite3.connect(':memory:'); c.execute('create table t (a)')")
    session.run("ignored = c.execute('attach \":memory:\" as o'); del ignored")
    for number in range(3):
        session.run(f"c.execute('insert into t values ({number})'); c.commit()")
        assert session.save() == {}
        session.restart()
    assert session.ask("c.execute('select a from t').fetchall()") == "[(0,), (1,), (2,)]"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_second_restore_is_as_good_as_the_first(sessions: Any, pythons: dict[str, str], version: str) -> None:
    session = session_with(sessions, pythons.get(version), cases("come_back.txt", version))
    session.save()
    session.restart()
    assert session.save() == {}
    first = session.store.head
    session.restart()
    assert (session.missing, session.save()) == ({}, {})
    # What comes back is what was saved, to the byte, but for what is made anew in each process.
    again = set(session.store.members(session.store.head)) - set(session.store.members(first))
    changed = {name for group in again for name in session.store.group(group).names}
    assert len(changed) < len(session.names) / 10, changed
