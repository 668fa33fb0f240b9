"""The life of a store: create, propose, commit, branch, label, share between processes, refuse.

Runs in: tests.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pyshell.errors import CheckpointNotFound, StoreCorrupt, StoreError
from pyshell.store import UNSYNCED, Buffer, Missing, Proposal, Store, adopt, layout
from tests.store.build import ENVIRONMENT, KEY, load, make_group, open_store, propose, save
from tests.store.faults import FaultyFiles

A, B, C = {"a": b"1"}, {"a": b"1", "b": b"2" * 500}, {"b": b"3"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "er" / "store"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with open_store(path) as store:
        yield store
        assert store.check() == []


def test_a_new_store_is_empty(store: Store) -> None:
    assert store.head is None
    assert store.manifests() == []
    assert (store.damage, store.repairs, store.notes(), store.parts(), store.waiting()) == ((), (), [], [], [])
    with pytest.raises(CheckpointNotFound, match="no checkpoint 1"):
        store.manifest(1)


def test_only_this_user_may_look(store: Store) -> None:
    save(store, "one", B)
    propose(store, "two", C)
    for entry in [store.path, *store.path.rglob("*")]:
        assert stat.S_IMODE(entry.stat().st_mode) == (0o700 if entry.is_dir() else 0o600)
    assert stat.S_IMODE(store.path.parent.stat().st_mode) == 0o700
    store.discard("two")


def test_checkpoints_come_back(store: Store, path: Path) -> None:
    first = save(store, "one", A)
    second = save(store, "two", B, missing=(Missing("gen", "generator", "is running", 3),))
    third = save(store, "three", C)
    assert [first.sequence, second.sequence, third.sequence] == [1, 2, 3]
    assert (second.parent, second.base, second.name) == (1, 1, "two")
    assert len(second.added) == 1 and second.dropped == ()
    store.close()
    for again in (open_store(path), open_store(path, writer=False), Store.open(path, key=None, writer=False)):
        with again:
            assert again.manifests() == [first, second, third]
            assert again.head == third
            assert [load(again, manifest) for manifest in again.manifests()] == [A, B, C]
            assert again.environment(third) == ENVIRONMENT
            assert again.check() == []


def test_committing_again_is_harmless(store: Store) -> None:
    propose(store, "one", A)
    again = (store.path / "proposals" / "one").read_bytes()
    manifest = store.commit("one")
    assert store.commit("one") == manifest
    (store.path / "proposals" / "one").write_bytes(again)
    assert store.waiting() == ["one"]
    assert store.commit("one") == manifest
    assert store.waiting() == []
    (store.path / "proposals" / "one").write_bytes(again)
    store.close()
    with open_store(store.path) as reopened:
        assert reopened.repairs == ("proposal one was committed already",)
        assert reopened.waiting() == []
        assert reopened.manifests() == [manifest]


def test_only_what_changed_is_written(store: Store) -> None:
    many = {f"name{number}": b"value %d" % number * 20 for number in range(2000)}
    full = save(store, "one", many)
    small = save(store, "two", {**many, "name7": b"changed"})
    assert small.written < 1000 < full.written
    assert len(small.added) == len(small.dropped) == 1
    record = (store.path / "log").read_bytes().rstrip(b"\0").rsplit(b"REC1", 1)[1]
    assert len(record) < 600
    assert load(store) == {**many, "name7": b"changed"}


def test_a_chain_of_changes_is_broken_now_and_then(store: Store) -> None:
    for number in range(70):
        save(store, f"p{number}", {"a": b"%d" % number, "b": b"same"})
    bases = [manifest.base for manifest in store.manifests()]
    full = [number for number, base in enumerate(bases) if base == 0]
    assert full == [0, layout.FULL_EVERY, 2 * layout.FULL_EVERY]
    assert [load(store, manifest)["a"] for manifest in store.manifests()] == [b"%d" % number for number in range(70)]
    assert len(store.manifest(33).added) == 2


def test_unsaved_names_are_written_when_they_change(store: Store) -> None:
    lost = tuple(Missing(f"lost{number}", "socket", "cannot be pickled: " + "x" * 50, 1) for number in range(100))
    save(store, "one", A, missing=lost)
    before = store.log.end
    save(store, "two", B, missing=lost)
    assert store.log.end - before < 1000
    save(store, "three", B, missing=lost[1:])
    with open_store(store.path, writer=False) as reader:
        assert [manifest.missing for manifest in reader.manifests()] == [lost, lost, lost[1:]]


def test_branches(store: Store) -> None:
    save(store, "one", A)
    save(store, "two", B)
    assert store.checkout(1).sequence == 1
    assert load(store) == A
    with pytest.raises(StoreError, match="changes checkpoint 2, which is not HEAD"):
        save(store, "late", C, parent=2)
    store.discard("late")
    third = save(store, "three", C)
    assert (third.sequence, third.parent) == (3, 1)
    assert load(store, store.manifest(2)) == B
    store.checkout(2)
    with open_store(store.path, writer=False) as reader:
        assert load(reader) == B
    with pytest.raises(CheckpointNotFound):
        store.checkout(9)


def test_a_fresh_start_has_no_parent(store: Store) -> None:
    save(store, "one", B)
    fresh = save(store, "two", A, parent=0)
    assert (fresh.parent, fresh.base, fresh.dropped) == (0, 0, ())
    assert load(store) == A


def test_labels(store: Store) -> None:
    save(store, "one", A)
    save(store, "two", B)
    store.label(1, "before the mess")
    assert store.manifest(1).label == "before the mess"
    with open_store(store.path, writer=False) as reader:
        assert [manifest.label for manifest in reader.manifests()] == ["before the mess", None]
        store.label(1, None)
        reader.refresh()
        assert reader.manifest(1).label is None
    with pytest.raises(CheckpointNotFound):
        store.label(3, "x")


def test_notes(store: Store) -> None:
    store.note("the disk was full", 5)
    with open_store(store.path, writer=False) as reader:
        assert [(note.text, note.time) for note in reader.notes()] == [("the disk was full", 5.0)]


def test_a_reader_follows(store: Store) -> None:
    reader = open_store(store.path, writer=False)
    assert reader.head is None
    for number, values in enumerate([A, B, C]):
        save(store, f"p{number}", values)
        reader.refresh()
        assert load(reader) == values
    store.prune()
    reader.refresh()
    assert load(reader) == C


@pytest.mark.parametrize("operation", ["commit", "discard"])
def test_a_reader_does_not_write(store: Store, operation: str) -> None:
    reader = open_store(store.path, writer=False)
    propose(reader, "one", A)
    with pytest.raises(StoreError, match="not open for writing"):
        getattr(reader, operation)("one")
    store.commit("one")
    for job in (lambda: reader.label(1, "x"), lambda: reader.checkout(1), lambda: reader.note("x", 1.0), reader.prune):
        with pytest.raises(StoreError, match="not open for writing"):
            job()


def test_no_store_to_read(tmp_path: Path) -> None:
    with pytest.raises(CheckpointNotFound, match="no store"):
        open_store(tmp_path / "nothing", writer=False)
    assert list(tmp_path.iterdir()) == []


# --- what is refused ---------------------------------------------------------------------------------------------


def proposal_of(store: Store, name: str) -> Proposal:
    found = store.proposals.read(name)
    store.discard(name)
    return found


def refused(store: Store, name: str, proposal: Proposal, match: str) -> None:
    store.propose(name, proposal)
    with pytest.raises(StoreError, match=match):
        store.commit(name)
    store.discard(name)
    assert load(store) == A


def test_what_could_not_be_read_back_is_not_committed(store: Store) -> None:
    save(store, "one", A)
    propose(store, "good", B)
    good = proposal_of(store, "good")
    unknown = b"u" * 32
    refused(store, "p1", replace(good, environment=unknown), "needs 1 chunks that are in no pack")
    refused(store, "p2", replace(good, added=((unknown.hex(), 1),)), "is in no pack")
    refused(store, "p3", replace(good, added=((good.environment.hex(), 1),)), "document of the store")
    refused(store, "p4", replace(good, dropped=(unknown.hex(),)), "drops a group")
    writer = store.pack_writer("lacking")
    group = make_group("x", (unknown,), 1, (Buffer((unknown, b"v" * 32), 2, True),))
    added = ((writer.put_group(group), 1),)
    writer.close()
    refused(store, "lacking", replace(good, added=added), "needs 2 chunks")
    with pytest.raises(StoreError, match="no proposal nothing"):
        store.commit("nothing")


def test_two_groups_with_one_name_are_not_committed(store: Store) -> None:
    save(store, "one", A)
    writer = store.pack_writer("two")
    added = ((writer.put_group(make_group("a", writer.put(b"other"), 5)), 2),)
    environment = writer.put_environment(ENVIRONMENT)
    writer.close()
    refused(store, "two", Proposal(1, 2, 1.0, 0.0, None, environment, added, (), (), 0), "two groups that bind a")


def test_a_group_that_was_written_and_not_proposed(store: Store) -> None:
    writer = store.pack_writer("one")
    group = make_group("a", writer.put(b"other"), 5)
    writer.put_group(group)
    environment = writer.put_environment(ENVIRONMENT)
    writer.close()
    proposal = Proposal(0, 2, 1.0, 0.0, None, environment, (), (), (), 0)
    with pytest.raises(StoreError, match="the group of a was written and is not in the proposal"):
        store.propose("one", proposal, [group])
    store.propose("one", replace(proposal, added=((group.id, 2),)), [group])
    assert load(store, store.commit("one")) == {"a": b"other"}


# --- whose store it is -----------------------------------------------------------------------------------------------


def test_another_key_is_refused_until_adopted(store: Store) -> None:
    save(store, "one", A)
    store.label(1, "kept")
    propose(store, "planted", B)
    store.close()
    other = b"another user's key"
    for writer in (True, False):
        with pytest.raises(StoreCorrupt, match="was not written with this user's key"):
            open_store(store.path, key=other, writer=writer)
    with pytest.raises(StoreCorrupt):
        open_store(store.path, key=None)
    assert load(open_store(store.path, key=None, writer=False)) == A
    adopt(store.path, key=other)
    with open_store(store.path, key=other) as adopted:
        assert load(adopted) == A
        assert adopted.manifest(1).label == "kept"
        assert adopted.waiting() == []
        assert adopted.check() == []
    adopt(store.path, key=KEY)


def test_a_record_of_another_key_is_not_believed(store: Store) -> None:
    """Somebody appends a well-formed checkpoint to a store that is ours."""
    save(store, "one", A)
    end = store.log.end
    save(store, "two", B)
    store.close()
    log = store.path / "log"
    data = bytearray(log.read_bytes())
    record = layout.read_record(bytes(data), end, None)
    assert record is not None
    forged = layout.make_record(record.entry, record.previous, b"a guess")
    data[end : end + len(forged)] = forged
    log.write_bytes(bytes(data))
    reader = open_store(store.path, writer=False)
    assert load(reader) == A
    assert reader.damage == ("a record about checkpoint 2 was not written with this user's key",)
    assert reader.check() == list(reader.damage)
    assert load(open_store(store.path, key=None, writer=False)) == B
    with open_store(store.path) as writer:
        assert save(writer, "three", B).sequence == 2
        writer.prune()
        assert writer.check() == []


def test_a_record_taken_out_is_told(store: Store) -> None:
    ends = []
    for number in range(3):
        save(store, f"p{number}", {"a": b"%d" % number}, parent=0)
        ends.append(store.log.end)
    store.close()
    log = store.path / "log"
    data = log.read_bytes()
    log.write_bytes(data[: ends[0]] + data[ends[1] :])
    reader = open_store(store.path, writer=False)
    assert reader.damage == ("a record about checkpoint 3 does not follow the record before it",)
    assert load(reader) == {"a": b"0"}
    log.write_bytes(data)


def test_a_newer_version_is_refused(store: Store) -> None:
    store.close()
    log = store.path / "log"
    before = log.read_bytes()
    header = layout.seal(layout.LOG_HEADER.struct.pack(layout.LOG_MAGIC, 2, bytes(16), b"", 0), KEY)
    log.write_bytes(header + before[len(header) :])
    with pytest.raises(StoreCorrupt, match="is of version 2; this pyshell reads version 1"):
        open_store(store.path)
    log.write_bytes(before)


# --- what it costs, counted ---------------------------------------------------------------------------------------


def test_syncs_of_a_commit(store: Store, path: Path) -> None:
    """Four in the process that saves, where nobody waits for it, and three in the host."""
    save(store, "one", B)
    store.close()
    files = FaultyFiles()
    with open_store(path, files=files) as counted:
        counted.index.sync()
        begin = len(files.operations)
        propose(counted, "two", C)
        proposing = [name for name in files.operations[begin:] if "sync" in name]
        counted.commit("two")
    syncs = [name for name in files.operations[begin:] if "sync" in name]
    assert proposing == ["sync", "sync_directory packs", "sync", "sync_directory proposals"]
    assert syncs[len(proposing) :] == ["sync", "sync_directory packs", "sync"]


def test_a_writer_that_does_not_sync_leaves_it_to_the_commit(store: Store, path: Path) -> None:
    hasty = Store.open(path, key=None, writer=False, files=UNSYNCED)
    propose(hasty, "one", B)
    store.close()
    files = FaultyFiles()
    with open_store(path, files=files) as counted:
        counted.commit("one")
        assert [name for name in files.operations if "sync" in name][-3:] == ["sync", "sync_directory packs", "sync"]
        assert counted.check() == []


def test_a_writer_that_does_not_sync_does_not_wait_for_the_pruner(store: Store, path: Path) -> None:
    hasty = Store.open(path, key=None, writer=False, files=UNSYNCED)
    gate = store.proposals.gate.close_to_others()
    assert gate is not None
    with pytest.raises(StoreError):
        propose(hasty, "one", B)
    os.close(gate)
    propose(hasty, "one", B)
    store.commit("one")
