"""What counts as the same although somebody has looked at it.

Runs in: tests.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyshell.store import Binding, Group, Manifest, Proposal, Store, changes
from pyshell.store.likeness import differing, is_output
from tests.store.build import ENVIRONMENT, open_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "store") as store:
        yield store
        assert store.check() == []


def keep(store: Store, *groups: dict[str, Any]) -> Manifest:
    """A checkpoint in which each of these dicts is one pickle."""
    head = store.head
    name = f"p{head.sequence if head else 0}"
    writer = store.pack_writer(name)
    after = {}
    for names in groups:
        stream = pickle.dumps(names, 5)
        bindings = tuple(Binding(name, 1, type(value).__name__) for name, value in names.items())
        group = Group(bindings, "data", "pickle", (), writer.put(stream), (), "", len(after), len(stream))
        after[writer.put_group(group)] = 1
    environment = writer.put_environment(ENVIRONMENT)
    writer.close()
    added, dropped = changes(store.members(head) if head else {}, after)
    parent = head.sequence if head else 0
    store.propose(name, Proposal(parent, 1, 1.0, 0.5, None, environment, added, dropped, (), writer.written))
    return store.commit(name)


def differ(store: Store, one: Manifest, other: Manifest) -> set[str]:
    found = differing(store, store.members(one), store.members(other))
    assert found == differing(store, store.members(other), store.members(one))
    return found


VALUES: list[Any] = [
    [1], [1, 2, 3], {"a": 1}, {"a": 1, "b": [2]}, {"_5": 1, "_6": [2]}, [{"_": 1}], bytearray(b"\x8c\x02_5\x94h\x05"),
    {1, 2}, [(1, 2)], ["text", "text"], [[]], {}, [], [b"x" * 300], {"_1": [1], "k": {"_2": 3, "_3": 4}},
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_looking_is_no_change(store: Store, value: Any) -> None:
    plain = keep(store, {"x": value})
    seen = keep(store, {"x": value, "_": value, "_5": value})
    part = keep(store, {"x": value, "_6": [value, 7], "_7": (value,)})
    twice = keep(store, {"x": value, "y": value, "_8": value})
    assert differ(store, plain, seen) == differ(store, plain, part) == differ(store, seen, part) == set()
    assert differ(store, seen, twice) == {"x", "y"}


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_a_change_is_one_also_where_somebody_looked(store: Store, value: Any) -> None:
    plain = keep(store, {"x": value})
    seen = keep(store, {"x": value, "_5": value})
    other = [value, 1]
    for changed in ({"x": other}, {"x": other, "_5": other}, {"x": other, "_5": value}, {"x": [], "_5": other}):
        new = keep(store, changed)
        if changed["x"] != value:
            assert differ(store, plain, new) == differ(store, seen, new) == {"x"}


def test_changed_inside_what_looks_like_an_output(store: Store) -> None:
    one = keep(store, {"x": {"_1": [1], "_2": 2}, "_": 0})
    other = keep(store, {"x": {"_1": [1], "_2": 3}, "_": 0})
    assert differ(store, one, other) == {"x"}


def test_outputs_alone_do_not_count(store: Store) -> None:
    assert differ(store, keep(store, {"x": 1}), keep(store, {"x": 1}, {"_4": [2]}, {"___": [3]})) == set()


def test_long_pickles_that_are_not_equal_differ(store: Store) -> None:
    value = list(range(100_000))
    assert differ(store, keep(store, {"x": value}), keep(store, {"x": value, "_1": value})) == {"x"}


def test_what_is_an_output() -> None:
    assert all(map(is_output, ("_", "__", "___", "_1", "_42")))
    assert not any(map(is_output, ("____", "_a", "x", "_1a", "a_", "")))
