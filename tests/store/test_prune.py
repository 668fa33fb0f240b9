"""Retention, and that nothing goes which a kept checkpoint, a reader or a child still needs.

Runs in: tests.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyshell.errors import CheckpointNotFound, StoreError
from pyshell.store import Pruned, Retention, Store, format
from tests.store.build import load, open_store, propose, save

BUFFER = b"[" + bytes(range(256)) * 300


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "store") as store:
        yield store
        assert store.check() == []


def fill(store: Store, count: int) -> dict[int, dict[str, bytes]]:
    states = {}
    for number in range(1, count + 1):
        states[number] = {"a": b"%d" % number * 100, "b": b"same", "c": BUFFER[: 5000 + number // 20]}
        assert save(store, f"p{number}", states[number]).sequence == number
    return states


def kept(store: Store) -> list[int]:
    return [manifest.sequence for manifest in store.manifests()]


def test_recent_every_tenth_and_labelled_stay(store: Store) -> None:
    states = fill(store, 90)
    store.label(7, "kept for ever")
    report = store.prune()
    expected = [7, 10, 20, 30, 40, *range(41, 91)]
    assert kept(store) == expected
    assert report.checkpoints == tuple(number for number in range(1, 91) if number not in expected)
    assert report.packs_removed > 0 and report.freed > 0
    with open_store(store.path, writer=False) as reader:
        assert kept(reader) == expected
        assert {number: load(reader, reader.manifest(number)) for number in expected} == {
            number: states[number] for number in expected
        }
        assert reader.manifest(7).label == "kept for ever"
        assert reader.manifest(41).parent == 40
        with pytest.raises(CheckpointNotFound):
            reader.manifest(8)
    assert save(store, "next", {"a": b"next"}).sequence == 91
    assert store.prune().checkpoints == (41,)


def test_states_thin_out_with_their_age(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last of each hour of a day, of each day of a month, and of each week; whatever was pruned before."""
    now, hour, day = 2_000_000_000.0, 3600.0, 86_400.0
    ages = (60 * day, 59.9 * day, 40 * day, 5.4 * day, 5.3 * day, 5 * day, 3.6 * hour, 3.5 * hour, 60)
    whens = [now - age for age in ages]
    for number, when in enumerate(whens, 1):
        save(store, f"p{number}", {"a": b"%d" % number}, time=when)
    monkeypatch.setattr("time.time", lambda: now)
    spans = [7 * day] * 3 + [day] * 3 + [hour] * 3
    buckets = [(span, when // span) for when, span in zip(whens, spans, strict=True)]
    expected = [number for number, bucket in enumerate(buckets, 1) if bucket not in buckets[number:]]
    assert 0 < len(expected) < len(whens)
    for _ in range(2):
        store.prune(Retention(recent=1, every=0, by_age=True))
        assert kept(store) == expected


def test_head_stays_wherever_it_is(store: Store) -> None:
    fill(store, 9)
    store.checkout(3)
    store.prune(Retention(recent=1, every=0))
    assert kept(store) == [3, 9]
    assert store.head is not None and store.head.sequence == 3
    with open_store(store.path, writer=False) as reader:
        assert reader.head == store.head
    assert save(store, "next", {"a": b"x"}).sequence == 10


def test_the_nearest_ancestor_stands_in_for_a_pruned_parent(store: Store) -> None:
    fill(store, 4)
    store.checkout(2)
    for number in range(5, 9):
        save(store, f"branch{number}", {"a": str(number).encode()})
    store.label(2, "fork")
    store.prune(Retention(recent=1, every=0))
    assert kept(store) == [2, 8]
    assert store.parent(8) == 2 and store.parent(2) == 0
    with open_store(store.path, writer=False) as reader:
        assert reader.manifest(8).parent == 2


def test_parents_are_known_also_where_the_log_could_not_be_written_anew(store: Store) -> None:
    fill(store, 4)
    store._append(format.encode_forget([2, 3]))
    assert (store.parent(4), store.parent(1)) == (1, 0)
    with pytest.raises(CheckpointNotFound):
        store.parent(3)


def test_a_budget_takes_the_oldest(store: Store) -> None:
    for number in range(1, 9):
        save(store, f"p{number}", {"a": b"[" + os.urandom(10_000)})
    store.label(2, "kept")
    store.prune(Retention(budget=35_000))
    assert kept(store) == [2, 7, 8]
    store.prune(Retention(budget=1))
    assert kept(store) == [2, 8]


def test_nothing_to_do(store: Store) -> None:
    fill(store, 3)
    before = (store.path / "log").read_bytes()
    assert store.prune() == Pruned()
    assert (store.path / "log").read_bytes() == before


def test_packs_mostly_dead_are_rewritten(store: Store) -> None:
    big, small = os.urandom(50_000), b"[" + bytes(5000)
    save(store, "one", {"big": big, "small": small})
    save(store, "two", {"small": small})
    report = store.prune(Retention(recent=1, every=0))
    assert (report.packs_rewritten, report.checkpoints) == (1, (1,))
    assert report.freed > 40_000
    assert not (store.path / "packs" / "one.pack").exists()
    assert load(store) == {"small": small}
    assert store.prune(Retention(recent=1, every=0)) == Pruned()


def test_whoever_maps_a_pack_keeps_it(store: Store) -> None:
    save(store, "one", {"a": BUFFER})
    with open(store.path / "packs" / "one.pack", "rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    save(store, "two", {"a": b"other"})
    store.prune(Retention(recent=1, every=0))
    assert not (store.path / "packs" / "one.pack").exists()
    assert mapped[4096 : 4096 + 1000] == BUFFER[:1000]
    mapped.close()


def test_a_reader_finds_what_moved(store: Store) -> None:
    small = b"[" + bytes(5000)
    save(store, "one", {"big": os.urandom(50_000), "small": small})
    save(store, "two", {"small": small})
    reader = open_store(store.path, writer=False)
    assert store.prune(Retention(recent=1, every=0)).packs_rewritten == 1
    assert load(reader) == {"small": small}


def test_discarded_proposals_leave_garbage_that_goes(store: Store) -> None:
    save(store, "one", {"a": b"1"})
    propose(store, "two", {"a": BUFFER})
    assert store.prune() == Pruned(reason="a proposal waits to be committed")
    store.discard("two")
    assert store.prune().packs_removed == 1
    assert sorted(os.listdir(store.path / "packs")) == ["one.pack"]


def test_not_while_somebody_writes(store: Store) -> None:
    save(store, "one", {"a": b"1"})
    save(store, "two", {"b": b"2"})
    reader = open_store(store.path, writer=False)
    writer = reader.pack_writer("three")
    assert store.prune(Retention(recent=1, every=0)) == Pruned(reason="a checkpoint is being written")
    writer.abandon()
    assert store.prune(Retention(recent=1, every=0)).checkpoints == (1,)


def test_a_chunk_pruned_since_is_written_again(store: Store) -> None:
    """The child's store was opened before the prune: what it thinks it knows is looked up again."""
    save(store, "one", {"a": BUFFER})
    child = open_store(store.path, writer=False)
    save(store, "two", {"a": b"other"})
    store.prune(Retention(recent=1, every=0))
    propose(child, "three", {"a": BUFFER}, parent=0)
    assert load(store, store.commit("three")) == {"a": BUFFER}


def test_notes_and_a_pruned_parent(store: Store) -> None:
    fill(store, 4)
    store.note("remember", 1.0)
    store.prune(Retention(recent=2, every=0))
    assert [note.text for note in store.notes()] == ["remember"]
    assert [(manifest.parent, manifest.base) for manifest in store.manifests()] == [(0, 0), (3, 3)]
    store.close()
    with pytest.raises(StoreError, match="not open for writing"):
        store.prune()
