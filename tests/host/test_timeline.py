"""What is told of checkpoints without loading them.

Runs in: tests.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyshell import Session
from pyshell.errors import CheckpointNotFound
from pyshell.host.saved import timeline
from pyshell.protocol import CheckpointPair, Checkpoints, History, NameChange, Unsaved, from_json
from pyshell.store import Missing, Store
from tests.sessions import started, until
from tests.store.build import open_store, save


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "store") as store:
        yield store
        assert store.check() == []


def saved(session: Session, code: str) -> int:
    """Run a cell; the checkpoint after it."""
    cell = session.run(code).cell
    event = until(session, lambda event: event.kind == "saved" and event.cell is not None and event.cell >= cell)[-1]
    return event.body.checkpoint  # type: ignore[union-attr]


def test_a_branch_is_seen_by_its_parents_and_head_is_marked(store: Store) -> None:
    for name in ("one", "two"):
        save(store, name, {"a": name.encode()})
    store.checkout(1)
    save(store, "three", {"a": b"3", "b": b"4"})
    store.checkout(2)
    found = timeline.listing(store).checkpoints
    assert [(c.checkpoint, c.parent, c.names, c.head) for c in found] == [
        (1, None, 1, False), (2, 1, 1, True), (3, 1, 2, False),
    ]  # fmt: skip


def test_a_difference_is_told_by_names(store: Store) -> None:
    lost = Missing("gone", "generator", "why", 3)
    save(store, "one", {"same": b"1", "other": b"2", "old": b"3"}, missing=(lost,))
    outputs = {"_": b"6", "_4": b"7"}
    unsaved = (lost, Missing("g", "frame", "why", 4))
    save(store, "two", {"same": b"1", "other": b"4", "new": b"5", **outputs}, missing=unsaved)
    found = timeline.diff(store, CheckpointPair(1, 2))
    assert found.added == (NameChange("g", None, "frame", 4), NameChange("new", None, "bytes", 1))
    assert found.changed == (NameChange("other", "bytes", "bytes", 1),)
    assert found.removed == (NameChange("old", "bytes", None, 1),)
    back = timeline.diff(store, CheckpointPair(2, 1))
    assert ({c.name for c in back.added}, {c.name for c in back.removed}) == ({"old"}, {"g", "new"})
    nothing = timeline.diff(store, CheckpointPair(2, 2))
    assert nothing.added == nothing.changed == nothing.removed == ()


def test_a_name_that_another_cell_bound_differs_although_it_is_in_neither(store: Store) -> None:
    save(store, "one", {}, missing=(Missing("g", "generator", "why", 3),))
    save(store, "two", {}, missing=(Missing("g", "generator", "why", 5),))
    assert timeline.diff(store, CheckpointPair(1, 2)).changed == (NameChange("g", "generator", "generator", 5),)


def test_a_damaged_group_costs_the_listing_only_itself(store: Store, tmp_path: Path) -> None:
    save(store, "one", {"a": b"1" * 100})
    save(store, "two", {"a": b"1" * 100, "b": b"2" * 100})
    pack = tmp_path / "store" / "packs" / "two.pack"
    whole = pack.read_bytes()
    at = whole.index(b'"bindings"')
    pack.write_bytes(whole[:at] + b"X" + whole[at + 1 :])
    with open_store(tmp_path / "store", writer=False) as reader:
        assert [checkpoint.names for checkpoint in timeline.listing(reader).checkpoints] == [1, 1]
        contents = timeline.peek(reader, 2)
    assert [name.name for name in contents.names] == ["a"]
    (lost,) = contents.missing
    assert "damaged" in lost.reason
    pack.write_bytes(whole)


def test_a_session_is_looked_into() -> None:
    with started() as session:
        first = saved(session, "a = b = [1]; import math\ndef f(): return 1\nclass C: pass\ngen = (n for n in a)")
        second = saved(session, "a.append(2); text = 'x' * 1000; del f")
        contents = session.peek(first)
        kinds = {name.name: (name.type, name.kind, name.cell) for name in contents.names}
        assert kinds == {
            "a": ("list", "data", 1), "b": ("list", "data", 1), "math": ("module", "module", 1),
            "f": ("function", "definition", 1), "C": ("type", "definition", 1),
        }  # fmt: skip
        groups = {name.name: name.group for name in contents.names}
        assert groups["a"] == groups["b"] != groups["f"]
        assert all(name.size > 0 for name in contents.names if name.kind != "module")
        assert [(lost.name, lost.type, lost.cell) for lost in contents.missing] == [("gen", "generator", 1)]
        assert contents.missing[0].reason and isinstance(contents.missing[0], Unsaved)
        assert contents.python == ".".join(map(str, sys.version_info[:3])) == session.status().python
        assert contents.checkpoint == next(c for c in session.checkpoints() if c.checkpoint == first)
        found = session.diff(first, second)
        assert [change.name for change in found.added] == ["text"]
        assert sorted(change.name for change in found.changed) == ["a", "b"]
        assert found.removed == (NameChange("f", "function", None, 1),)
        for ask in (lambda: session.peek(99), lambda: session.diff(first, 99), lambda: session.diff(99, first)):
            with pytest.raises(CheckpointNotFound, match="99"):
                ask()
        assert [(c.checkpoint, c.head) for c in session.checkpoints()] == [(first, False), (second, True)]


def test_a_process_of_its_own_tells_of_a_session_that_does_not_run() -> None:
    with started("ended") as session:
        number = saved(session, "x = 1")
        session.kill()
        roots = session._paths.roots
        given = json.dumps({"name": "ended", "state": str(roots.state), "runtime": str(roots.runtime), "check": False})
        command = [sys.executable, "-m", "pyshell.host.saved.timeline"]
        answer = subprocess.run(command, input=given, capture_output=True, text=True, check=True)
    listing, history = answer.stdout.splitlines()
    (found,) = from_json(listing, Checkpoints).checkpoints
    assert [entry.code for entry in from_json(history, History).entries] == ["x = 1"]
    assert (found.checkpoint, found.cell, found.names, found.head) == (number, 1, 1, True)
