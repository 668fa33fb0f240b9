"""Completion, inspection and the list of variables on objects that count every call of their code: none may happen.

Runs in: tests.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from typing import Any

import numpy
import pytest

from pyshell.plain import plain
from pyshell.protocol import Completions, Inspection, to_wire
from pyshell.worker.introspection.completion import complete
from pyshell.worker.introspection.describing import MAX_PAGE, list_variables
from pyshell.worker.introspection.inspection import inspect
from pyshell.worker.looking import preview, type_name
from tests.worker.zoo import SPECIAL, calls, text, zoo

ODD = "tests.worker.zoo.Odd"


@pytest.fixture
def variables() -> Iterator[dict[str, Any]]:
    """A namespace of hostile objects; no code of theirs may have run when the test ends."""
    namespace: dict[str, Any] = {"__builtins__": __builtins__, **zoo()}
    yield namespace
    assert calls == []


def names(found: Completions) -> set[str]:
    assert plain(to_wire(found)) == to_wire(found)
    return {match.text for match in found.matches}


def test_the_objects_do_count() -> None:
    instance = zoo()["instance"]
    calls.clear()
    for use in (repr, str, hash, bool, len, iter, lambda x: x.anything, lambda x: isinstance(x, int)):
        with pytest.raises(RuntimeError):
            use(instance)
    assert len(calls) == 8 and len(SPECIAL) > 80


def test_what_is_found_of_hostile_objects(variables: dict[str, Any]) -> None:
    everything = names(complete(variables, "", 0))
    assert set(variables) - {"__builtins__"} <= everything
    assert "inside" in names(complete(variables, "odd_class.", 10))
    assert "attr" in names(complete(variables, "instance.", 9))
    assert names(complete(variables, "keys.s", 6)) == set()
    found = inspect(variables, "function", 3)
    assert found.signature == f"(a: <Plain> = <Plain>, *, b: {ODD} = <{ODD}>) -> list[{ODD}]"
    assert found.doc == "What it does."
    rows = {row.name: row for row in list_variables(variables, frozenset()).variables}
    assert (rows["fake_numpy"].shape, rows["fake_numpy"].size < 100) == ("", True)
    assert rows["named"].type == "Q" and rows["a_str"].preview == "<Substr>"


def test_names_that_are_no_plain_text_are_left_out() -> None:
    namespace: dict[Any, Any] = {"good": 1, 5: 2, text("strange"): 3}
    calls.clear()
    assert names(complete(namespace, "go", 2)) == {"good"}
    assert names(complete(namespace, "str", 3)) == {"str"}
    assert [row.name for row in list_variables(namespace, frozenset()).variables] == ["good"]
    assert calls == []


# --- what is found -----------------------------------------------------------------------------------------


class Base:
    """The base."""

    shared = 1

    def method(self, x: int) -> int:
        """It answers."""
        return x

    @staticmethod
    def static(y: int = 3) -> None: ...

    @classmethod
    def made(cls, *args: int, **kwargs: int) -> None: ...

    @property
    def prop(self) -> int:
        """It is not asked."""
        raise AssertionError


class Derived(Base):
    __slots__ = ("slot",)


def everyday() -> dict[str, Any]:
    derived = Derived()
    derived.own = derived.Own = 2  # type: ignore[attr-defined]
    return {
        "__builtins__": __builtins__, "derived": derived, "Derived": Derived, "numbers": [1, 2], "nothing": None,
        "name_one": 1, "name_two": 2, "_private": 3, "array": numpy.zeros((3, 4)), "sys": sys,
        "f": lambda a, b=1, /, c=2, *d, e, g="x", **h: 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    "code, expected",
    [
        ("name", {"name_one", "name_two", "NameError"}),
        ("NAME", {"name_one", "name_two", "NameError"}),
        ("print(name_", {"name_one", "name_two"}),
        ("x = name_t", {"name_two"}),
        ("_pri", {"_private"}),
        ("derived.o", {"own", "Own"}),
        ("derived.O", {"Own", "own"}),
        ("derived.shared", {"shared"}),
        ("derived.sl", {"slot"}),
        ("derived.pr", {"prop"}),
        ("derived.prop.bit_l", {"bit_length"}),
        ("Derived.ma", {"made"}),
        ("Derived.mr", {"mro"}),
        ("numbers.app", {"append"}),
        ("array.resh", {"reshape"}),
        ("sys.version_inf", {"version_info"}),
        ("import json.deco", {"decoder"}),
        ("impo", {"import", "ImportError", "ImportWarning"}),
        ("from colle", {"collections"}),
        ("5.", set()),
        ("'abc'.capi", {"capitalize"}),
        ("unknown.", set()),
        ("derived.unknown.", set()),
        (")", set()),
        ("a.b.c.d.e", set()),
    ],
)
def test_completions(code: str, expected: set[str]) -> None:
    import json.decoder  # noqa: F401 (so that it can be completed)

    found = complete(everyday(), code, len(code))
    assert names(found) == expected
    assert code[found.start : found.end] == code.rpartition(".")[2].rpartition(" ")[2].rpartition("(")[2].strip(")")


def test_kinds_of_completions() -> None:
    found = complete(everyday(), "", 0)
    kinds = {match.text: match.kind for match in found.matches}
    wanted = {"derived": "instance", "Derived": "class", "sys": "module", "f": "function", "and": "keyword"}
    assert {name: kinds[name] for name in wanted} == wanted
    members = {match.text: match.kind for match in complete(everyday(), "derived.", 8).matches}
    assert members == {
        "made": "function", "method": "function", "own": "instance", "Own": "instance", "prop": "property",
        "shared": "instance", "slot": "instance", "static": "function",
    }  # fmt: skip


@pytest.mark.parametrize("cursor", [-(10**9), -1, 0, 1, 10**9, 1 << 63])
def test_a_cursor_outside_the_code_is_brought_in(cursor: int) -> None:
    found = complete(everyday(), "na", cursor)
    assert 0 <= found.start <= found.end <= 2
    assert isinstance(inspect(everyday(), "numbers", cursor), Inspection)


@pytest.mark.parametrize("code", ["a" * 2_000_000 + " .", "a." * 500_000, ("x" * 1000 + "\n") * 1000, "\ud800." * 10])
def test_long_code_takes_no_longer(code: str) -> None:
    complete(everyday(), code, len(code))
    inspect(everyday(), code, len(code))
    inspect(everyday(), code, 0)


@pytest.mark.parametrize(
    "name, signature, doc",
    [
        ("f", "(a, b=1, /, c=2, *d, e, g='x', **h)", ""),
        ("derived.method", "(x: 'int') -> 'int'", "It answers."),
        ("derived.static", "(y: 'int' = 3) -> 'None'", ""),
        ("Derived.made", "(*args: 'int', **kwargs: 'int') -> 'None'", ""),
        ("derived.prop", "", "It is not asked."),
        ("len", "(obj, /)", len.__doc__),
        ("numbers.append", "(object, /)", list.append.__doc__),
        ("Derived", "()", "The base."),
        ("numbers", "", list.__doc__),
    ],
)
def test_inspections(name: str, signature: str, doc: str) -> None:
    found = inspect(everyday(), f"x = {name}(1)", 4 + len(name))
    assert (found.found, found.name, found.signature, found.doc) == (True, name, signature, doc)


def test_where_functions_are_defined() -> None:
    found = inspect(everyday(), "derived.method", 10)
    assert found.file == __file__ and found.line > 1
    assert inspect(everyday(), "nowhere", 3).found is False
    assert inspect(everyday(), "", 0).found is False


PREVIEWS: list[tuple[Any, str]] = [
    (1, "1"), ("a\nb", "'a\\nb'"), (None, "None"), ((), "()"), ((1,), "(1,)"), ((1, 2), "(1, 2)"),
    ([1, [2]], "[1, [2]]"),
    ({}, "{}"), (set(), "set()"), ({1}, "{1}"), (frozenset(), "frozenset()"), (frozenset({1}), "frozenset({1})"),
    ({"a": 1}, "{'a': 1}"), (list(range(100)), "[0, 1, 2, 3, 4, 5, 6, 7, …]"), (1 << 5000, "<int of 5001 bits>"),
    ("x" * 200, "'" + "x" * 78 + "…"), ([[[1]]], "[[<list>]]"), (numpy.zeros(3), "<numpy.ndarray>"), (Base, "<type>"),
    (everyday, "<function everyday>"), (b"x", "b'x'"), (1.5, "1.5"), (1j, "1j"),
    (tuple(range(9)), "(0, 1, 2, 3, 4, 5, 6, 7, …)"),
]  # fmt: skip


@pytest.mark.parametrize("value, expected", PREVIEWS, ids=[str(i) for i in range(len(PREVIEWS))])
def test_previews(value: Any, expected: str) -> None:
    assert preview(value) == expected


def test_variables_are_listed_with_shape_and_size() -> None:
    rows = {row.name: row for row in list_variables(everyday(), frozenset({"sys"})).variables}
    assert "sys" not in rows and "_private" not in rows
    assert (rows["array"].type, rows["array"].shape, rows["array"].size) == ("numpy.ndarray", "(3, 4)", 96)
    assert (rows["numbers"].type, rows["numbers"].shape) == ("list", "2") and rows["numbers"].size > 0
    assert type_name(sys) == "module"


def test_very_many_variables_are_listed_by_page() -> None:
    many = {f"variable_{i}_{'x' * 100}": "y" * 200 for i in range(2 * MAX_PAGE + 5)}
    listed = list_variables(many, frozenset(), range(10**9))
    assert (len(listed.variables), listed.more) == (MAX_PAGE, MAX_PAGE + 5)
    assert plain(to_wire(listed))
    last = list_variables(many, frozenset(), range(2 * MAX_PAGE, 3 * MAX_PAGE))
    assert [row.name for row in last.variables] == list(many)[-5:] and last.more == 0
    assert list_variables(many, frozenset(), range(10**6, 10**7)).variables == ()


def test_attributes_that_others_add_meanwhile_do_no_harm() -> None:
    import threading

    target = types.SimpleNamespace()
    stop = threading.Event()

    def add() -> None:
        number = 0
        while not stop.is_set():
            setattr(target, f"a{number % 500}", number)
            if number % 500 == 499:
                target.__dict__.clear()
            number += 1

    thread = threading.Thread(target=add)
    thread.start()
    try:
        for _ in range(300):
            complete({"target": target}, "target.a", 8)
            list_variables({"d": target.__dict__}, frozenset())
    finally:
        stop.set()
        thread.join()
