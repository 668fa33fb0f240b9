"""Proposals become checkpoints: each once, the newest last, and a child that hangs is not waited for.

Runs in: tests.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue

import pytest

from pyshell.errors import StoreError, StoreFull, StoreLocked
from pyshell.host.saved import checkpoints as checkpoints_module
from pyshell.host.saved.checkpoints import Checkpoints, Verdict, unsaved_of, wait_for_exit
from pyshell.protocol import Saved, SaveFailed, Unsaved
from pyshell.store import Missing, Store
from tests.sessions import SECONDS
from tests.store.build import KEY, load, open_store, propose


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """A store's directory; nothing may be wrong with it afterwards."""
    yield tmp_path / "store"
    with open_store(tmp_path / "store") as store:
        assert store.check() == []


@pytest.fixture
def checkpoints(path: Path) -> Iterator[Checkpoints]:
    checkpoints = Checkpoints(path, KEY)
    yield checkpoints
    checkpoints.close()


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """Stands for a child that saves: runs until it is told to end."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def suggest(path: Path, name: str, cell: int = 1, **values: bytes) -> None:
    """What a child does, with a parent of nothing."""
    with open_store(path, writer=False, key=None) as store:
        proposal = propose(store, f"made-{name}", values, parent=0)
        store.propose(name, replace(proposal, cell=cell, time=float(cell)))
        (path / "proposals" / f"made-{name}").unlink()


def settle(checkpoints: Checkpoints) -> list[Verdict]:
    answers: SimpleQueue[list[Verdict]] = SimpleQueue()
    checkpoints.settle_leftovers(answers.put)
    return answers.get(timeout=SECONDS)


def test_a_proposal_is_committed_when_its_child_has_ended(
    checkpoints: Checkpoints, path: Path, child: subprocess.Popen[bytes]
) -> None:
    verdicts: SimpleQueue[Verdict] = SimpleQueue()
    suggest(path, "one", x=b"1")
    checkpoints.watch(child.pid, "one", verdicts.put)
    assert verdicts.empty()
    child.communicate(b"\n")
    verdict = verdicts.get(timeout=SECONDS)
    assert isinstance(verdict.body, Saved) and verdict.manifest is not None
    assert (verdict.proposal, verdict.cell, verdict.body.checkpoint) == ("one", 1, 1)
    assert checkpoints.head() == verdict.manifest
    assert checkpoints.candidates() == [1]
    with open_store(path, writer=False) as store:
        assert load(store) == {"x": b"1"}


def test_a_child_that_proposed_nothing_is_told_as_such(checkpoints: Checkpoints, path: Path) -> None:
    verdicts: SimpleQueue[Verdict] = SimpleQueue()
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    checkpoints.watch(ended.pid, "one", verdicts.put)
    assert verdicts.get(timeout=SECONDS) == Verdict("one", None, None, None)


def test_leftovers_are_committed_in_the_order_of_their_cells(checkpoints: Checkpoints, path: Path) -> None:
    for name, cell in (("a", 10), ("b", 2), ("c", 9)):
        suggest(path, name, cell, x=str(cell).encode())
    verdicts = settle(checkpoints)
    assert [verdict.proposal for verdict in verdicts] == ["b", "c", "a"]
    with open_store(path, writer=False) as store:
        assert load(store) == {"x": b"10"}


def test_an_earlier_state_never_follows_a_later_one(checkpoints: Checkpoints, path: Path) -> None:
    suggest(path, "late", 7, x=b"7")
    settle(checkpoints)
    suggest(path, "early", 6, x=b"6")
    assert settle(checkpoints) == [Verdict("early", None, None, None)]
    with open_store(path, writer=False) as store:
        assert load(store) == {"x": b"7"}
        assert store.waiting() == []


def test_a_damaged_proposal_is_told_and_taken_away(checkpoints: Checkpoints, path: Path) -> None:
    suggest(path, "good", 2, x=b"2")
    settle(checkpoints)
    suggest(path, "bad", 3, x=b"3")
    (path / "proposals" / "bad").write_bytes(b"damage")
    (verdict,) = settle(checkpoints)
    assert isinstance(verdict.body, SaveFailed) and "damaged" in verdict.body.reason
    assert settle(checkpoints) == []


def test_what_cannot_be_pruned_does_not_unsay_a_commit(
    checkpoints: Checkpoints, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StoreFull("no room")

    monkeypatch.setattr(checkpoints_module, "PRUNE_EVERY", 1)
    monkeypatch.setattr(Store, "prune", fail)
    suggest(path, "one", x=b"1")
    (verdict,) = settle(checkpoints)
    assert isinstance(verdict.body, Saved)


def test_a_commit_that_fails_is_told(
    checkpoints: Checkpoints, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StoreFull("no room for it")

    suggest(path, "one", x=b"1")
    with monkeypatch.context() as patch:
        patch.setattr(Store, "commit", fail)
        patch.setattr(Store, "discard", fail)
        (verdict,) = settle(checkpoints)
    assert verdict.body == SaveFailed("no room for it")
    assert isinstance(settle(checkpoints)[0].body, Saved)


def test_the_states_can_be_listed_while_a_child_saves(
    checkpoints: Checkpoints, path: Path, child: subprocess.Popen[bytes]
) -> None:
    suggest(path, "one", x=b"1", y=b"2")
    settle(checkpoints)
    verdicts: SimpleQueue[Verdict] = SimpleQueue()
    checkpoints.watch(child.pid, "two", verdicts.put)
    (listed,) = checkpoints.listing()
    assert (listed.checkpoint, listed.parent, listed.cell, listed.names, listed.unsaved) == (1, None, 1, 2, 0)
    assert verdicts.empty()
    child.communicate(b"\n")
    verdicts.get(timeout=SECONDS)


def test_only_one_host_has_a_store(checkpoints: Checkpoints, path: Path) -> None:
    with pytest.raises(StoreLocked):
        Checkpoints(path, KEY)


def test_a_store_of_another_key_is_refused(path: Path) -> None:
    Checkpoints(path, KEY).close()
    with pytest.raises(StoreError):
        Checkpoints(path, b"another" * 5)


def test_a_child_is_not_waited_for_after_its_time() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert not wait_for_exit(child.pid, 0.05, threading.Event())
        child.kill()
    assert wait_for_exit(child.pid, SECONDS, threading.Event())


def test_a_hurry_shortens_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints_module, "LEFTOVER_SECONDS", 0.05)
    hurry = threading.Event()
    hurry.set()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert not wait_for_exit(child.pid, 3600.0, hurry)
        child.kill()


def test_a_child_that_hangs_is_killed(
    checkpoints: Checkpoints, child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints_module, "SAVE_SECONDS", 0.05)
    verdicts: SimpleQueue[Verdict] = SimpleQueue()
    checkpoints.watch(child.pid, "one", verdicts.put)
    assert verdicts.get(timeout=SECONDS).body is None
    assert child.wait(SECONDS) == -signal.SIGKILL


def test_exits_are_seen_without_pidfd_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert not wait_for_exit(child.pid, 0.05, threading.Event())
        child.communicate(b"\n")
    assert wait_for_exit(child.pid, SECONDS, threading.Event())


def test_unsaved_names_are_told_up_to_a_bound(checkpoints: Checkpoints, path: Path) -> None:
    suggest(path, "one", x=b"1")
    (verdict,) = settle(checkpoints)
    assert verdict.manifest is not None
    many = tuple([Missing(f"n{number}", "generator", "why", 1) for number in range(3000)])
    told = unsaved_of(replace(verdict.manifest, missing=many))
    assert len(told) == checkpoints_module.MAX_UNSAVED
    assert told[0] == Unsaved("n0", "generator", "why", 1)
