"""A session whose state is large: cells run before all of it is back, and whatever dies meanwhile, nothing is lost.

Runs in: tests, against real hosts and workers.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyshell import Session
from pyshell.host.workers.recovery import MAX_HITS
from pyshell.protocol import Event, Restored
from tests.kills import start_again
from tests.live import wait_until_saved
from tests.sessions import SECONDS, another, becomes_true, host_of, kill, started, until

MODULE = """
import os, signal
class Slow:
    def __init__(self): self.text = 'x' * 5_000_000
    def __reduce__(self): return make, (self.text,)
def make(text):
    if os.path.exists({shut!r}):
        with open({at!r} + '.new', 'w') as file:
            file.write(str(os.getpid()))
        os.rename({at!r} + '.new', {at!r})
        while os.path.exists({shut!r}): signal.sigtimedwait([], 0.01)
    return Slow()
"""
"""A library's value that waits while it comes back, while the gate is shut."""


class Gate:
    """A saved state of a large value, which says when it is being loaded and waits, and of a small one."""

    def __init__(self, session: Session, where: Path) -> None:
        self.session = session
        self._shut, self._at = where / "shut", where / "at"
        (where / "gate_of_test.py").write_text(MODULE.format(shut=str(self._shut), at=str(self._at)))
        assert session.run("from gate_of_test import Slow\nn = 0", SECONDS).status == "ok"
        wait_until_saved(session)
        assert session.run("slow, n, last = Slow(), 1, [2]", SECONDS).status == "ok"
        wait_until_saved(session)
        self.seen = session.status().last_event

    def shut(self) -> None:
        self._shut.touch()

    def open(self) -> None:
        self._shut.unlink()

    def loader(self) -> int:
        """The worker that is loading the value now."""
        assert becomes_true(self._at.exists)
        pid = int(self._at.read_text())
        self._at.unlink()
        return pid

    def restored(self) -> Restored:
        """The next one that is told."""
        with another(self.session) as watching:
            found: list[Event] = until(watching, lambda event: event.kind == "restored", self.seen)
        self.seen = found[-1].seq
        assert isinstance(found[-1].body, Restored)
        return found[-1].body


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    with started(cwd=str(tmp_path)) as session:
        yield Gate(session, tmp_path)


def lost(restored: Restored) -> dict[str, str]:
    return {name.name: name.reason for name in restored.not_restored}


SET_ASIDE = {"slow": "bringing it back crashed or hung a worker before"}


def begin(gate: Gate) -> int:
    """The worker is killed; the next one, which is loading the rest of the state."""
    gate.shut()
    assert gate.session.pid is not None
    os.kill(gate.session.pid, signal.SIGKILL)
    restored = gate.restored()
    assert lost(restored) == {}
    assert restored.names == ("Slow", "n", "slow", "last")
    return gate.loader()


def test_what_is_still_being_loaded_is_listed_and_completed(gate: Gate) -> None:
    begin(gate)
    session = gate.session
    assert session.state == "idle"
    rows = {row.name: row for row in session.variables()}
    assert list(rows) == ["Slow", "n", "slow", "last"]
    assert (rows["slow"].type, rows["slow"].preview, rows["slow"].size > 5_000_000) == ("Slow", "being loaded", True)
    assert "slow" in [match.text for match in session.complete("slo", 3).matches]
    cell = session.execute("n + 1, len(slow.text), [name for name in globals() if name in ('n', 'slow', 'last')]")
    gate.open()
    assert session.wait(cell, SECONDS).result == "(2, 5000000, ['n', 'slow', 'last'])"


def test_what_kills_the_worker_then_is_set_aside(gate: Gate) -> None:
    """At the second time, when nothing else went on."""
    os.kill(begin(gate), signal.SIGSEGV)
    os.kill(gate.loader(), signal.SIGSEGV)
    assert lost(gate.restored()) == SET_ASIDE
    assert gate.session.run("n, last", SECONDS).result == "(1, [2])"


def test_somebody_killed_it_once_while_it_loaded(gate: Gate) -> None:
    os.kill(begin(gate), signal.SIGKILL)
    loader = gate.loader()
    gate.open()
    restored = gate.restored()
    assert gate.session.pid == loader
    assert lost(restored) == {}
    assert gate.session.run("n, len(slow.text)", SECONDS).result == "(1, 5000000)"


def test_killed_again_and_again_at_the_same_place_it_loads_the_rest(gate: Gate) -> None:
    os.kill(begin(gate), signal.SIGKILL)
    for _ in range(MAX_HITS):
        os.kill(gate.loader(), signal.SIGKILL)
    assert lost(gate.restored()) == SET_ASIDE
    assert gate.session.run("n, last", SECONDS).result == "(1, [2])"


def test_an_interrupt_reaches_the_cell_that_waits(gate: Gate) -> None:
    begin(gate)
    cell = gate.session.execute("slow\nwhile True: n += 1")
    gate.session.interrupt()
    gate.open()
    assert gate.session.wait(cell, SECONDS).status == "interrupted"
    assert gate.session.run("len(slow.text), last", SECONDS).result == "(5000000, [2])"


def test_undo_waits_for_all_of_it(gate: Gate) -> None:
    begin(gate)
    undone = threading.Thread(target=gate.session.undo)
    undone.start()
    gate.open()
    undone.join(SECONDS)
    assert gate.session.run("n, 'slow' in globals()", SECONDS).result == "(0, False)"
    redone = gate.session.redo()
    assert set(redone.names) == {"n", "slow", "last"}
    assert gate.session.run("n, len(slow.text), last", SECONDS).result == "(1, 5000000, [2])"


@pytest.mark.parametrize("victims", ["host", "both"])
def test_a_host_that_is_killed_meanwhile_loses_nothing(gate: Gate, victims: str) -> None:
    loader = begin(gate)
    kill(host_of(gate.session), *([loader] if victims == "both" else []))
    gate.open()
    session = start_again(gate.session.name)
    try:
        assert session.run("n, len(slow.text), last", SECONDS).result == "(1, 5000000, [2])"
    finally:
        session.kill()
        session.close()


def test_a_labelled_checkpoint_holds_all_of_it(gate: Gate) -> None:
    begin(gate)
    gate.session.save("mine")
    gate.open()
    labelled = []
    assert becomes_true(lambda: labelled.extend(c for c in gate.session.checkpoints() if c.label == "mine") or labelled)
    assert {row.name for row in gate.session.peek(labelled[0].checkpoint).names} == {"Slow", "n", "slow", "last"}
