"""Values in the width of the terminal: the same value, in more lines.

Runs in: tests.
"""

from __future__ import annotations

import ast
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyshell.console.pretty import MAX_TEXT, lay_out

leaves = st.one_of(st.integers(), st.text(max_size=12), st.binary(max_size=6), st.booleans(), st.none())
keys = st.one_of(st.integers(), st.text(max_size=8))
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=8), st.dictionaries(keys, inner, max_size=6), st.tuples(inner), st.tuples(inner, inner)
    ),
    max_leaves=40,
)


@given(values, st.integers(10, 100))
def test_it_stays_the_same_value(value: Any, width: int) -> None:
    lines = lay_out(repr(value), width)
    assert ast.literal_eval("\n".join(lines)) == value
    assert all(line == line.rstrip() for line in lines)


@given(st.text(alphabet="ab'\"[](){}<>,=: \\\n", max_size=60))
def test_no_text_is_lost_whatever_it_is(text: str) -> None:
    def squeezed(text: str) -> str:
        return text.replace(" ", "").replace("\n", "")

    assert squeezed("".join(lay_out(text, 10))) == squeezed(text)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("[1, 2, 3]", ["[1, 2, 3]"]),
        ("{'name': 'Bob', 'sizes': [1, 2]}", ["{", "    'name': 'Bob',", "    'sizes': [1, 2]", "}"]),
        ("Point(x=1, label='a, b', y=(2,))", ["Point(", "    x=1,", "    label='a, b',", "    y=(2,)", ")"]),
        ("[1, 200, 3, 4, 5, 6, 7]", ["[", "      1, 200,   3,", "      4,   5,   6,", "      7", "]"]),
        ("[<object object at 0x7f>, <Foo, [bar>]", ["[", "    <object object at 0x7f>,", "    <Foo, [bar>", "]"]),
        ("[<it's broken>, 1, 2, 3, 4, 5, 6]", ["[<it's broken>, 1, 2, 3, 4, 5, 6]"]),
        ("array([1, 2, 3]) and some more text", ["array([1, 2, 3]) and some more text"]),
        ("frozenset({'aaaaaaaa', 'bbbbbbb'})", ["frozenset(", "    {'aaaaaaaa', 'bbbbbbb'}", ")"]),
    ],
)  # fmt: skip
def test_how_it_looks(text: str, lines: list[str]) -> None:
    assert lay_out(text, 27 if text.startswith("frozenset") else 20) == lines


def test_what_is_long_stays() -> None:
    text = repr(list(range(MAX_TEXT)))
    assert lay_out(text, 80) == [text]
