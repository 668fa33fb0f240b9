"""Who is writing: claims across real processes, the gate, and what the dead leave behind.

Runs in: tests.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pyshell.errors import StoreError, StoreLocked
from pyshell.store import Store
from tests.store.build import KEY, load, open_store, propose, save

ROOT = Path(__file__).parents[2]

PROLOGUE = """
import sys, os, signal
from pathlib import Path
from tests.store.build import *
path = Path(sys.argv[1])
def tell(word):
    print(word, flush=True)
    sys.stdin.readline()
"""


@contextmanager
def process(code: str, path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that runs `code`; it tells a word and goes on when a line comes."""
    child = subprocess.Popen(
        [sys.executable, "-c", PROLOGUE + code, str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def hear(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def answer(child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None
    child.stdin.write("\n")
    child.stdin.flush()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "store") as store:
        save(store, "base", {"a": b"base"})
        yield store
        assert store.check() == []


WRITE = """
store = Store.open(path, key=None, writer=False)
writer = store.pack_writer("child")
tell("claimed")
chunks = writer.put(b"value")
group = make_group("a", chunks, 5)
writer.put_group(group)
environment = writer.put_environment(ENVIRONMENT)
writer.close()
tell("packed")
added, dropped = changes(store.members(store.head), {group.id: 1})
store.propose("child", Proposal(1, 1, 1.0, 0.1, None, environment, added, dropped, (), writer.written), [group])
tell("proposed")
"""


def test_a_child_in_every_state(store: Store) -> None:
    with process(WRITE, store.path) as child:
        assert hear(child) == "claimed"
        assert (store.parts(), store.waiting()) == (["child"], [])
        with pytest.raises(StoreError, match="still being written"):
            store.discard("child")
        assert store.prune().reason == "a checkpoint is being written"
        answer(child)
        assert hear(child) == "packed"
        assert (store.parts(), store.waiting()) == (["child"], [])
        answer(child)
        assert hear(child) == "proposed"
        assert (store.parts(), store.waiting()) == ([], ["child"])
        assert store.prune().reason == "a proposal waits to be committed"
        store.commit("child")
        assert load(store) == {"a": b"value"}
        assert store.prune().reason == ""


@pytest.mark.parametrize("stage", ["claimed", "packed", "proposed"])
def test_a_child_that_is_killed(store: Store, stage: str) -> None:
    with process(WRITE, store.path) as child:
        while hear(child) != stage:
            answer(child)
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert store.parts() == []
    if stage == "proposed":
        assert load(store, store.commit("child")) == {"a": b"value"}
    else:
        assert store.waiting() == []
        store.discard("child")
        assert load(store) == {"a": b"base"}
    assert store.check() == []
    assert not list(store.path.rglob("*.part"))
    assert store.prune().packs_removed == (stage == "packed")


def test_what_a_dead_child_left_goes_when_the_store_is_opened(tmp_path: Path) -> None:
    with open_store(tmp_path / "store") as store:
        save(store, "base", {"a": b"base"})
    with process(WRITE, tmp_path / "store") as child:
        hear(child)
        with open_store(tmp_path / "store") as store:
            assert store.repairs == ()
            assert store.parts() == ["child"]
        child.kill()
        child.wait()
    with open_store(tmp_path / "store") as store:
        assert store.repairs == ("child.part was left by a writer that died",)
        assert store.check() == []


def test_the_claim_ends_with_abandon(store: Store) -> None:
    writer = store.pack_writer("given-up")
    assert store.parts() == ["given-up"]
    writer.put(b"x")
    writer.abandon()
    assert store.parts() == [] and store.waiting() == []
    assert not list(store.path.rglob("*.part"))


def test_a_name_is_used_once(store: Store) -> None:
    propose(store, "twice", {"a": b"1"})
    with pytest.raises(StoreError, match="another name"):
        store.pack_writer("twice")
    store.commit("twice")
    with pytest.raises(StoreError, match="another name"):
        store.pack_writer("twice")
    assert store.parts() == []


def test_propose_without_a_pack(store: Store) -> None:
    head = store.head
    assert head is not None
    from pyshell.store import Proposal

    store.propose("empty", Proposal(1, 2, 2.0, 0.0, "nothing changed", head.environment, (), (), (), 0))
    assert store.waiting() == ["empty"]
    assert load(store, store.commit("empty")) == {"a": b"base"}


def test_two_openers(store: Store) -> None:
    with pytest.raises(StoreLocked, match="another process writes"):
        open_store(store.path)
    with process("store = open_store(path); tell('no')", store.path) as child:
        assert hear(child) == ""
        assert child.wait() == 1
    with process("store = open_store(path, writer=False); tell(str(load(store)))", store.path) as child:
        assert hear(child) == "{'a': b'base'}"
    store.close()
    with process("store = open_store(path); tell('opened')", store.path) as child:
        assert hear(child) == "opened"
        with pytest.raises(StoreLocked):
            open_store(store.path)
        child.kill()
        child.wait()
        open_store(store.path).close()


KILLED_AT = """
from tests.store.faults import FaultyFiles
files = FaultyFiles()
def decide(number, operation):
    if number == int(os.environ["STEP"]):
        os.kill(os.getpid(), signal.SIGKILL)
files.decide = decide
files.sync = lambda fd: files.step("sync") or Files.sync(files, fd)
with open_store(path, files=files) as store:
    save(store, "new", {"a": b"new", "b": b"[" + bytes(9000)})
    print("acknowledged", flush=True)
    store.prune(Retention(recent=1, every=0))
print("done", len(files.operations), flush=True)
"""


def test_sigkill_at_every_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same as the simulation in test_crash.py, with a process that really is killed."""
    new = {"a": b"new", "b": b"[" + bytes(9000)}
    step, said = 0, [""]
    while not said[-1].startswith("done"):
        path = tmp_path / str(step)
        with open_store(path) as store:
            save(store, "base", {"a": b"base"})
        monkeypatch.setenv("STEP", str(step))
        with process("from pyshell.store import Files, Retention\n" + KILLED_AT, path) as child:
            said = (child.communicate()[0] or "\n").splitlines() or [""]
            assert child.returncode in (0, -signal.SIGKILL)
        with open_store(path) as store:
            assert load(store) in ([new] if "acknowledged" in said else [{"a": b"base"}, new])
            assert store.check() == []
            for name in store.waiting():
                assert load(store, store.commit(name)) == new
            assert load(store, save(store, "after", {"a": b"after"})) == {"a": b"after"}
            assert store.check() == []
        step += 1
    assert step == int(said[-1].split()[1]) + 1 > 15


def test_a_fork_inherits_nothing_open(store: Store) -> None:
    """A reader holds no descriptor between calls: what the worker's user code closes or forks cannot matter."""
    before = sorted(os.listdir("/proc/self/fd"))
    reader = Store.open(store.path, key=KEY, writer=False)
    assert load(reader) == {"a": b"base"}
    reader.refresh()
    reader.parts()
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_a_raw_child_writes_with_its_parents_store(store: Store) -> None:
    """As the worker does it: the store is opened, then a fork writes, leaves by _exit, and the host commits."""
    reader = Store.open(store.path, key=None, writer=False)
    fork(lambda: propose(reader, "forked", {"a": b"from a fork"}))
    assert load(store, store.commit("forked")) == {"a": b"from a fork"}
    # The parent knows nothing of it until it refreshes; a child does so by itself.
    fork(lambda: propose(Store.open(store.path, key=None, writer=False), "forked2", {"a": b"from a fork", "b": b"2"}))
    assert store.commit("forked2").sequence == 3
    reader.refresh()
    assert load(reader) == {"a": b"from a fork", "b": b"2"}


def fork(job: Callable[[], object]) -> None:
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            job()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0
