"""The names that belong to the console, and those that do not.

Runs in: tests.
"""

from __future__ import annotations

import linecache
from typing import Any

import pytest

from pyshell.protocol import RunCell
from pyshell.worker.namespace import Namespace, filename, source_lines


@pytest.fixture
def variables() -> dict[str, Any]:
    return {}


@pytest.fixture
def namespace(variables: dict[str, Any]) -> Namespace:
    return Namespace(variables)


def restored(variables: dict[str, Any]) -> Namespace:
    """What a new worker has after loading these."""
    namespace = Namespace({})
    namespace.variables.update({name: value for name, value in variables.items() if name not in namespace.hidden})
    namespace.adopt()
    return namespace


def test_results_shift(namespace: Namespace, variables: dict[str, Any]) -> None:
    for cell, value in enumerate("abcd", 1):
        namespace.remember_output(cell, value)
    assert (variables["_"], variables["__"], variables["___"]) == ("d", "c", "b")
    assert variables["Out"] == {1: "a", 2: "b", 3: "c", 4: "d"} and variables["_2"] == "b"


@pytest.mark.parametrize("name", ["_", "__", "___"])
def test_a_name_that_the_user_takes_stops_the_shifting_until_it_is_deleted(
    namespace: Namespace, variables: dict[str, Any], name: str
) -> None:
    for cell in range(5):
        namespace.remember_output(cell, [cell])
    variables[name] = "mine"
    namespace.remember_output(5, [5])
    assert variables[name] == "mine" and variables["_5"] == [5]
    del variables[name]
    namespace.remember_output(6, [6])
    assert variables["_"] == [6]


def test_a_name_taken_before_the_first_result(namespace: Namespace, variables: dict[str, Any]) -> None:
    variables["_"] = "mine"
    namespace.remember_output(1, "a")
    assert variables["_"] == "mine"


def test_after_a_restore_results_go_on(namespace: Namespace, variables: dict[str, Any]) -> None:
    for cell in range(1, 4):
        namespace.remember_output(cell, (cell,))
    later = restored({name: (tuple(value) if type(value) is tuple else value) for name, value in variables.items()})
    assert later.outputs == {1: (1,), 2: (2,), 3: (3,)} and later.variables["Out"] is later.outputs
    later.remember_output(9, "new")
    assert (later.variables["_"], later.variables["__"], later.variables["___"]) == ("new", (3,), (2,))


def test_after_a_restore_the_users_own_stays(namespace: Namespace, variables: dict[str, Any]) -> None:
    namespace.remember_output(1, 5)
    variables["_"] = str.upper
    later = restored(variables)
    later.remember_output(2, 6)
    assert later.variables["_"] == str.upper and later.variables["_2"] == 6


def test_restoring_nothing_or_strange_names() -> None:
    later = restored({"_\u00b2": 1, "_x": 2, "_\u0663": 3, "_": None})
    assert later.outputs == {3: 3}
    assert restored({}).outputs == {}


def test_sources_are_known_to_linecache_and_in(namespace: Namespace, variables: dict[str, Any]) -> None:
    namespace.remember_source(RunCell(3, "a\x0cb\n'\u2028'\r\nlast"))
    assert variables["In"] == ["", "", "", "a\x0cb\n'\u2028'\r\nlast"]
    linecache.checkcache()
    assert linecache.getline(filename(3), 2) == "'\u2028'\n" and linecache.getline(filename(3), 3) == "last\n"
    assert source_lines("") == []


def test_what_is_there_at_the_beginning_is_hidden(namespace: Namespace, variables: dict[str, Any]) -> None:
    assert {"__name__", "In", "Out"} <= namespace.hidden and variables["__name__"] == "__main__"
