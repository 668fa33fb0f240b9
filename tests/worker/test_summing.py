"""What the worker tells of its names in advance: without running any of their code, and only what has changed.

Runs in: tests.
"""

from __future__ import annotations

import queue
from typing import Any

import pytest

from pyshell.plain import plain
from pyshell.protocol import Outlines, ReportBody, to_wire
from pyshell.worker.introspection.summing import MAX_NAMES, MAX_PART, Summing
from pyshell.worker.namespace import Namespace
from tests.worker.zoo import calls, traces, zoo

SECONDS = 30.0


class Told:
    """A sender that keeps what it is given."""

    def __init__(self) -> None:
        self.reports: queue.Queue[Outlines] = queue.Queue()

    def report(self, body: ReportBody, cell: int | None = None, fence: int = 0) -> None:
        assert isinstance(body, Outlines) and plain(to_wire(body)) == to_wire(body)
        self.reports.put(body)

    def next(self) -> Outlines:
        return self.reports.get(timeout=SECONDS)


def made(variables: dict[str, Any]) -> tuple[Namespace, Told, Summing]:
    namespace, told = Namespace({}), Told()
    namespace.variables.update(variables)  # what is there before belongs to the interpreter
    return namespace, told, Summing(namespace, told)  # type: ignore[arg-type]


def test_only_what_has_changed_is_told() -> None:
    namespace, told, summing = made({})
    namespace.variables.update(a=[1], b="x", _hidden=1)
    summing.wake()
    first = told.next()
    assert first.anew and {outline.name for outline in first.outlines} == {"a", "b"}
    assert {family.type for family in first.families} == {"list", "str"}
    namespace.variables.update(c=[2])
    del namespace.variables["b"]
    summing.wake()
    second = told.next()
    assert not second.anew and [outline.name for outline in second.outlines] == ["c"]
    assert second.removed == ("b",) and second.families == ()
    namespace.variables["a"].append(2)
    summing.wake({"a"})
    assert [outline.preview for outline in told.next().outlines] == ["[1, 2]"]
    summing.wake(None)
    assert [outline.name for outline in told.next().outlines] == ["a", "c"]


def test_nothing_of_the_zoo_runs() -> None:
    animals = zoo("quiet")
    names = set(animals)
    _, told, summing = made(animals)
    summing.wake()
    found: set[str] = set()
    while not names <= found:
        found |= {outline.name for outline in told.next().outlines}
    assert calls == [] and traces(animals) == []


def test_there_is_an_end_to_what_is_told() -> None:
    long = "n" * 5000
    variables: dict[str, Any] = {f"n{i}": {f"{j}{'ü' * 80}": 1 for j in range(300)} for i in range(MAX_PART)}
    variables.update({f"m{i}": i for i in range(MAX_NAMES)}, **{long: 1})
    variables["deep"] = type(long, (), {long: 1})()
    _, told, summing = made(variables)
    summing.wake()
    found: list[str] = []
    while len(found) < MAX_NAMES:
        found += [outline.name for outline in told.next().outlines]
    assert len(found) == MAX_NAMES and found[-1] == "deep" and long not in found
    with pytest.raises(queue.Empty):
        told.reports.get_nowait()
