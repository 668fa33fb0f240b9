"""Which names fit, and in which order.

Runs in: tests.
"""

from __future__ import annotations

import pytest

from pyshell.typed.ranking import MAX_NAME, ranked

NAMES = ["value", "Value", "_value", "__value__", "other", "vagueness", "var", "VAR", "rival"]


@pytest.mark.parametrize(
    "prefix, expected",
    [
        ("va", "vagueness value var _ Value VAR"),
        ("VA", "VAR _ vagueness Value value var"),
        ("var", "var VAR"),
        ("_", "_value __value__"),
        ("__", "__value__"),
        ("vlu", "value Value _value __value__"),
        ("rvl", "rival"),
        ("q", ""),
        ("qq", ""),
        ("", "other rival vagueness Value value VAR var"),
    ],
)
def test_the_order(prefix: str, expected: str) -> None:
    found = ranked(NAMES, prefix, 100)
    # Names that differ in case only may come in either order.
    wanted = [name for name in expected.split() if name != "_"]
    assert sorted(found) == sorted(wanted)
    assert [name.lower() for name in found] == [name.lower() for name in wanted]


def test_private_names_come_where_there_are_no_others() -> None:
    assert ranked(["__b", "_a"], "", 9) == ["_a", "__b"]


def test_what_comes_first_keeps_its_order() -> None:
    assert ranked(["a", "b=", "a="], "", 9, {"b=", "a="}) == ["b=", "a=", "a"]
    assert ranked(["ab", "b=", "a="], "a", 9, {"b=", "a="}) == ["a=", "ab"]


def test_there_are_limits() -> None:
    assert ranked([f"n{i}" for i in range(100)], "n", 7) == ["n0", "n1", "n10", "n11", "n12", "n13", "n14"]
    assert ranked(["n" * (MAX_NAME + 1), "nn"], "n", 9) == ["nn"]
