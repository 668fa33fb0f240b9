"""Kill, cut the power, and fail the disk at every single file operation: only the old or the new state is accepted.

Runs in: tests.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pyshell.errors import StoreError, StoreFull
from pyshell.store import Files, Retention, Store
from tests.store.build import load, open_store, propose, save
from tests.store.faults import (
    LOSSES,
    FaultyFiles,
    Killed,
    PowerLossFiles,
    always,
    at,
    broken_disk,
    full_disk,
)

BIG = b"[" + bytes(range(256)) * 600
"""Three aligned chunks, the last one short."""

FIRST = {"a": b"one", "b": b"kept"}
OLD = {"a": b"two" * 100, "b": b"kept"}
NEW = {"a": b"three", "b": b"kept", "c": BIG}
STATES = [{}, FIRST, OLD, NEW]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with two checkpoints and a discarded proposal, so that prune has something to do."""
    path = tmp_path_factory.mktemp("base") / "store"
    with open_store(path) as store:
        save(store, "first", {"a": b"one", "b": b"kept"})
        propose(store, "unused", {"z": b"discarded" * 50})
        store.discard("unused")
        save(store, "old", OLD)
        assert store.check() == []
    return path


class Progress:
    """How far a scenario came before it was stopped."""

    def __init__(self) -> None:
        self.acknowledged = OLD


def commit_one(path: Path, files: Files, progress: Progress) -> None:
    with open_store(path, files=files) as store:
        save(store, "new", NEW)
        progress.acknowledged = NEW
        store.label(store.head.sequence, "kept for ever")


def commit_and_prune(path: Path, files: Files, progress: Progress) -> None:
    with open_store(path, files=files) as store:
        save(store, "new", NEW)
        progress.acknowledged = NEW
        report = store.prune(Retention(recent=1, every=0))
        assert report.reason == "" and report.checkpoints == (1, 2) and report.packs_removed


def create(path: Path, files: Files, progress: Progress) -> None:
    """Runs in an empty directory."""
    progress.acknowledged = {}
    with open_store(path, files=files) as store:
        save(store, "new", NEW)
        progress.acknowledged = NEW


SCENARIOS: list[Callable[[Path, Files, Progress], None]] = [commit_one, commit_and_prune, create]


def prepare(scenario: object, base: Path, target: Path) -> Path:
    """The directory that holds the store, which is at `store` in it."""
    target.mkdir()
    if scenario is not create:
        shutil.copytree(base, target / "store")
    return target


def require_old_or_new(path: Path, progress: Progress, allowed: list[dict[str, bytes]]) -> None:
    """What every crash must leave: a state that was, all of it, and a store that goes on.

    Through a layer that does not sync, which makes hundreds of rounds take seconds.
    """
    if path.exists() and (path / "log").exists():
        with open_store(path, writer=False, files=FaultyFiles()) as reader:
            assert load(reader) in allowed
            assert reader.damage == ()
    with open_store(path, files=FaultyFiles()) as store:
        assert load(store) in allowed
        for manifest in store.manifests():
            assert load(store, manifest) in STATES
        for name in store.waiting():
            assert load(store, store.commit(name)) == NEW
        assert store.check() == []
        saved = save(store, "after", {"d": b"later", "c": BIG})
        assert load(store) == {"d": b"later", "c": BIG}
        assert store.check() == []
        assert store.prune(Retention(recent=1, every=0)).reason == ""
        assert store.head == saved or store.head.sequence == saved.sequence
        assert store.check() == []


def allowed_after(progress: Progress) -> list[dict[str, bytes]]:
    return [NEW] if progress.acknowledged is NEW else [progress.acknowledged, NEW]


def count_operations(scenario: Callable[..., None], base: Path, target: Path) -> list[str]:
    files = FaultyFiles()
    scenario(prepare(scenario, base, target) / "store", files, Progress())
    return files.operations


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_kill_and_power_loss_at_every_step(scenario: Callable[..., None], base: Path, tmp_path: Path) -> None:
    steps = len(count_operations(scenario, base, tmp_path / "count"))
    assert steps > 20
    for step in range(steps + 1):
        place = prepare(scenario, base, tmp_path / f"run{step}")
        files, progress = PowerLossFiles(place, at(step, Killed())), Progress()
        try:
            scenario(place / "store", files, progress)
            assert step == steps
        except Killed:
            files.end()
        for loss in LOSSES:
            after = tmp_path / f"after{step}-{loss}"
            files.lay_out(after, loss)
            require_old_or_new(after / "store", progress, allowed_after(progress))
            shutil.rmtree(after)
        shutil.rmtree(place)


@pytest.mark.parametrize("fault", [full_disk, broken_disk])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_error_at_every_step(
    scenario: Callable[..., None], fault: Callable[[], OSError], base: Path, tmp_path: Path
) -> None:
    steps = len(count_operations(scenario, base, tmp_path / "count"))
    for step in range(steps):
        place = prepare(scenario, base, tmp_path / f"run{step}")
        files, progress = FaultyFiles(at(step, fault())), Progress()
        try:
            scenario(place / "store", files, progress)
        except StoreError:
            pass
        require_old_or_new(place / "store", progress, allowed_after(progress))
        shutil.rmtree(place)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_short_writes(scenario: Callable[..., None], base: Path, tmp_path: Path) -> None:
    files, progress = FaultyFiles(), Progress()
    files.largest_write = 1000
    scenario(prepare(scenario, base, tmp_path / "run") / "store", files, progress)
    require_old_or_new(tmp_path / "run" / "store", progress, [NEW])


def test_the_same_process_goes_on_after_every_error(base: Path, tmp_path: Path) -> None:
    """Not only a new process: the one that saw the error commits again, or says that it cannot."""
    steps = len(count_operations(commit_one, base, tmp_path / "count"))
    for step in range(steps):
        place = prepare(commit_one, base, tmp_path / f"run{step}")
        files = FaultyFiles()
        with open_store(place / "store", files=files) as store:
            files.decide = at(step, full_disk())
            go_on(store, files)
            assert store.check() == []
        shutil.rmtree(place)


def go_on(store: Store, files: FaultyFiles) -> None:
    try:
        save(store, "new", NEW)
    except StoreError:
        files.decide = lambda number, operation: None
        assert load(store) == OLD
        if store.waiting():
            store.commit("new")
        else:
            save(store, "again", NEW)
    files.decide = lambda number, operation: None
    assert load(store) == NEW


@pytest.mark.parametrize("fault", [full_disk, broken_disk])
def test_syncs_that_always_fail_never_acknowledge(fault: Callable[[], OSError], base: Path, tmp_path: Path) -> None:
    place = prepare(commit_one, base, tmp_path / "run")
    with open_store(place / "store") as store:
        propose(store, "new", NEW)
    files = FaultyFiles()
    with open_store(place / "store", files=files) as store:
        files.decide = always("sync", fault())
        with pytest.raises(StoreError):
            store.commit("new")
        with pytest.raises(StoreError):
            store.commit("new")
        assert load(store) == OLD
        files.decide = lambda number, operation: None
    require_old_or_new(place / "store", Progress(), [OLD, NEW])


def test_a_log_whose_state_is_unknown_is_not_written(base: Path, tmp_path: Path) -> None:
    """A failed record that could not be erased might come back: nothing may follow it in this process."""
    place = prepare(commit_one, base, tmp_path / "run")
    with open_store(place / "store") as store:
        propose(store, "new", NEW)
    files = FaultyFiles()
    with open_store(place / "store", files=files) as store:
        store.index.sync()
        files.decide = lambda number, name: broken_disk() if name == "sync" else None
        with pytest.raises(StoreError):
            store.commit("new")
        files.decide = lambda number, name: None
        with pytest.raises(StoreError, match="open it again"):
            store.commit("new")
    with open_store(place / "store") as store:
        assert load(store) == OLD
        store.commit("new")
        assert load(store) == NEW
        assert store.check() == []


def test_a_full_disk_is_told_in_the_reserve(base: Path, tmp_path: Path) -> None:
    """Records of up to 64 KB need no room; what is larger fails, says so in the log, and leaves the last checkpoint."""
    place = prepare(commit_one, base, tmp_path / "run")
    files = FullDisk()
    with open_store(place / "store", files=files) as store:
        propose(store, "small", NEW)
        files.is_full = True
        store.commit("small")
        assert load(store) == NEW and not store.is_full
        files.is_full = False
        many = {f"name{number}": b"v%d" % number for number in range(4000)}
        propose(store, "large", many)
        files.is_full = True
        with pytest.raises(StoreFull, match="no room left to commit checkpoint 4"):
            store.commit("large")
        assert load(store) == NEW
        assert [note.text for note in store.notes()] == [
            "no room left to commit checkpoint 4: free some space on the disk, or prune the store"
        ]
        assert store.check() == []
        store.discard("large")
        assert store.prune(Retention(recent=1, every=0)).checkpoints == (1, 2)
        assert [manifest.sequence for manifest in store.manifests()] == [3]
        assert load(store) == NEW
        while not store.is_full:
            store.note("x" * 10_000, 1.0)
        assert store.check() == ["the log has no reserve: the disk is full, or the end of the log was lost"]
        files.is_full = False
    with open_store(place / "store") as store:
        assert store.repairs == ("the log had no reserve: the disk was full, or the end of the log was lost",)
        assert [manifest.sequence for manifest in store.manifests()] == [3]
        assert store.check() == []


class FullDisk(FaultyFiles):
    """Writing over what is allocated works; nothing new can be allocated."""

    is_full = False

    def write(self, fd: int, data: bytes | memoryview, offset: int) -> int:
        room = self.size(fd) - offset
        if self.is_full and room <= 0:
            raise full_disk()
        return super().write(fd, data[:room] if self.is_full else data, offset)


def test_a_pack_whose_writer_died_is_made_durable_by_the_commit(base: Path, tmp_path: Path) -> None:
    """Killed between giving the pack its name and syncing the directory; the next child finds its chunks known."""
    place = prepare(commit_one, base, tmp_path / "run")
    with open_store(place / "store"):
        files = PowerLossFiles(place)
    child = open_store(place / "store", writer=False, files=files)
    files.decide = lambda number, name: Killed() if name == "sync_directory packs" else None
    with pytest.raises(Killed):
        propose(child, "dies", NEW)
    files.end()
    files.is_dead = False
    files.decide = lambda number, name: None
    with open_store(place / "store", files=files) as store:
        propose(open_store(place / "store", writer=False, files=files), "lives", NEW)
        assert not (place / "store" / "packs" / "lives.pack").exists()
        store.commit("lives")
        files.lay_out(tmp_path / "after", "all")
    require_old_or_new(tmp_path / "after" / "store", Progress(), [NEW])


def test_a_proposal_outlives_the_power(base: Path, tmp_path: Path) -> None:
    """The host may be dead: whoever starts it next finds what the worker saved last."""
    place = prepare(commit_one, base, tmp_path / "run")
    files = PowerLossFiles(place)
    propose(open_store(place / "store", writer=False, files=files), "new", NEW)
    for loss in LOSSES:
        files.lay_out(tmp_path / loss, loss)
        with open_store(tmp_path / loss / "store") as store:
            assert store.waiting() == ["new"]
            assert load(store, store.commit("new")) == NEW
            assert store.check() == []
