"""Restore, undo, redo and load in a live session: what comes back, what stays, and what is refused.

Runs in: tests, against real hosts and workers.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyshell import Session
from pyshell.errors import (
    CallTimeout,
    CheckpointNotFound,
    PyshellError,
    StoreError,
    UsageError,
    WorkerBusy,
    WorkerError,
)
from pyshell.paths import Roots
from pyshell.protocol import CheckedOut, Checkout, CheckoutFailed, Notice, Restored
from pyshell.store import Retention, Store
from tests.sessions import SECONDS, started, until, until_output, until_state


def saved(session: Session, code: str) -> int:
    """Run a cell, which may raise; the checkpoint after it."""
    return session.wait_saved(session.run(code, SECONDS).cell, SECONDS)


def ask(session: Session, code: str) -> str | None:
    reply = session.run(code, SECONDS)
    assert reply.status == "ok", reply
    return reply.result


def names(session: Session) -> list[str]:
    return [variable.name for variable in session.variables()]


def store_of(name: str, writer: bool = True) -> Store:
    roots = Roots.from_environment(os.environ, str(Path.home()), os.getuid())
    return Store.open(roots.session(name).store, key=roots.key.read_bytes(), writer=writer)


@pytest.fixture
def session() -> Iterator[Session]:
    """A session; the store that it leaves must be sound."""
    with started("travel") as session:
        yield session
        session.kill()
        with store_of("travel") as store:
            assert store.check() == []


def test_undo_brings_back_what_a_cell_changed_and_keeps_what_it_did_not(session: Session) -> None:
    first = saved(session, "a = b = [1]; other = {'k': [2]}; text = 'old'; import math\nkeep = id(other), id(a)")
    second = saved(session, "text = 'new'; fresh = 3; del math")
    done = session.undo()
    assert (done.checkpoint, done.left, done.cell) == (first, second, 1)
    assert [(c.checkpoint, c.parent, c.head) for c in session.checkpoints()] == [
        (first, None, True), (second, first, False),
    ]  # fmt: skip
    assert (done.names, done.removed, done.not_restored) == (("text", "math"), ("fresh",), ())
    assert names(session) == ["a", "b", "other", "text", "math", "keep"]
    assert ask(session, "(id(other), id(a)) == keep, a is b, text, math.pi > 3") == "(True, True, 'old', True)"


def test_names_that_share_a_value_still_share_it_when_it_comes_back(session: Session) -> None:
    saved(session, "a = b = [1]; c = {'a': a}")
    saved(session, "a.append(2)")
    done = session.undo()
    assert set(done.names) == {"a", "b", "c"}
    assert ask(session, "a, a is b is c['a']") == "([1], True)"


def test_definitions_come_back_and_with_them_what_refers_to_them(session: Session) -> None:
    saved(
        session,
        "class C:\n    n = 1\n    def m(self): return self.n\nx = C(); y = [1]; keep = id(y)\ndef f(): return C.n",
    )
    saved(session, "C.n = 2\ndef f(): return 'other'")
    done = session.undo()
    assert set(done.names) == {"C", "x", "f"}
    assert ask(session, "x.m(), f(), type(x) is C, id(y) == keep, isinstance(x, C)") == "(1, 1, True, True, True)"


def test_a_function_sees_what_is_bound_after_the_undo(session: Session) -> None:
    saved(session, "n = 1\ndef f(): return n")
    saved(session, "n = 2; held = f")
    session.undo()
    assert ask(session, "f()") == "1"
    assert ask(session, "n = 5; f()") == "5"


def test_a_deleted_name_comes_back_in_its_place(session: Session) -> None:
    saved(session, "one, two, three = 1, [2], 3")
    saved(session, "del two")
    assert session.undo().names == ("two",)
    assert names(session) == ["one", "two", "three"]


def test_a_fresh_start_can_be_undone(session: Session) -> None:
    numbers = [saved(session, f"x = {n}") for n in range(2)]
    session.restart(fresh=True)
    session.wait_up()
    assert session.run("x", SECONDS).status == "error"
    assert session.undo().checkpoint == numbers[1]
    assert ask(session, "x") == "1"
    assert session.undo().checkpoint == numbers[0]
    session.redo()
    session.redo()
    assert session.run("x", SECONDS).status == "error"


def test_undo_twice_redo_twice_and_no_further(session: Session) -> None:
    numbers = [saved(session, f"x = {n}") for n in range(3)]
    assert [session.undo().checkpoint, session.undo().checkpoint] == numbers[1::-1]
    with pytest.raises(CheckpointNotFound, match="nothing to undo"):
        session.undo()
    assert session.status().checkpoint == numbers[0]
    assert [session.redo().checkpoint, session.redo().checkpoint] == numbers[1:]
    with pytest.raises(CheckpointNotFound, match="nothing to redo"):
        session.redo()
    assert ask(session, "x") == "2"


def test_a_cell_that_only_looked_is_not_what_undo_takes_back(session: Session) -> None:
    first = saved(session, "x = 1")
    saved(session, "x = 2")
    saved(session, "x + 40")
    saved(session, "print(x)")
    done = session.undo()
    assert done.checkpoint == first
    assert ask(session, "x, 3 in Out") == "(1, False)"


def test_looking_at_a_value_that_can_change_is_no_change_either(session: Session) -> None:
    first = saved(session, "x = [1]; y = x")
    second = saved(session, "x.append(2)")
    looked = saved(session, "x")
    assert [change.name for change in session.diff(second, looked).changed] == []
    assert {change.name for change in session.diff(first, looked).changed} == {"x", "y"}
    assert session.undo().checkpoint == first
    assert ask(session, "x") == "[1]"
    assert ask(session, "y is x and y") == "[1]"
    assert session.redo().checkpoint in (second, looked)
    assert ask(session, "x is y, x") == "(True, [1, 2])"


def test_undo_right_after_a_cell_takes_that_cell_back(session: Session) -> None:
    """Its own checkpoint may still be under way then."""
    session.run("big = [str(n) for n in range(100_000)]; x = 1")
    session.run("x = 2")
    session.undo()
    assert ask(session, "x, len(big)") == "(1, 100000)"
    session.redo()
    assert ask(session, "x") == "2"


def test_a_branch_and_back(session: Session) -> None:
    base = saved(session, "x = ['base']")
    left = saved(session, "x.append('left')")
    assert session.restore(base).left == left
    right = saved(session, "x.append('right')")
    parents = {c.checkpoint: c.parent for c in session.checkpoints()}
    assert parents[left] == parents[right] == base
    assert session.restore(left).left == right
    assert ask(session, "x") == "['base', 'left']"
    session.restore(right)
    assert ask(session, "x") == "['base', 'right']"
    session.restore(base)
    assert session.redo().checkpoint == right


def test_the_timeline_survives_the_session(session: Session) -> None:
    base = saved(session, "x = 1")
    saved(session, "x = 2")
    session.restore(base)
    session.kill()
    with started("travel") as again:
        assert again.run("x", SECONDS).result == "1"
        told = [e.body for e in until_state(again, "idle") if isinstance(e.body, Notice)]
        assert told == []
        again.redo()
        assert again.run("x", SECONDS).result == "2"
        again.kill()


def test_a_worker_that_dies_after_an_undo_comes_back_there(session: Session) -> None:
    saved(session, "x = 1")
    saved(session, "x = 2")
    session.undo()
    reply = session.run("import os; os.kill(os.getpid(), 9)", SECONDS)
    assert reply.status == "died"
    assert ask(session, "x") == "1"
    losses = [e.body.text for e in until_state(session, "idle") if isinstance(e.body, Notice)]
    assert losses == []


def test_waiting_for_a_checkpoint(session: Session) -> None:
    first = saved(session, "x = 1")
    assert session.wait_saved(1) == first
    second = saved(session, "x = 2")
    session.restore(first)
    assert session.wait_saved(2) == second
    with pytest.raises(CallTimeout, match=r"In\[9\] is not saved within 0.0"):
        session.wait_saved(9, 0.05)


def test_a_present_that_cannot_be_saved_is_not_left(session: Session) -> None:
    first = saved(session, "x = 1; import resource; soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)")
    full = session.run("x = 'only here'; resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))", SECONDS)
    with pytest.raises(StoreError, match="not saved"):
        session.wait_saved(full.cell, SECONDS)
    with pytest.raises(StoreError, match="could not be saved, and would be lost"):
        session.restore(first)
    assert ask(session, "resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard)); x") == "'only here'"
    assert session.restore(first).checkpoint == first
    session.redo()
    assert ask(session, "x") == "'only here'"


def test_it_is_refused_while_a_cell_runs(session: Session) -> None:
    number = saved(session, "x = 1")
    cell = session.execute("import os; x = 2; print('waits', flush=True); os.read(0, 1)")
    until_output(session, "waits", cell)
    for travel in (lambda: session.restore(number), session.undo, session.redo, lambda: session.load(number, ["x"])):
        with pytest.raises(WorkerBusy, match=rf"In\[{cell}\] runs"):
            travel()
    session.keys(b"\n")
    assert session.wait(cell).status == "ok"
    session.restore(number)
    assert ask(session, "x") == "1"


def test_a_checkpoint_that_is_not_there_changes_nothing(session: Session) -> None:
    saved(session, "x = 1")
    for number in (0, -3, 77):
        with pytest.raises(CheckpointNotFound):
            session.restore(number)
    assert session.state == "idle" and ask(session, "x") == "1"


def test_what_no_checkpoint_holds_stays_if_nobody_touched_it(session: Session) -> None:
    first = saved(session, "gen = (n for n in range(9)); x = 1")
    saved(session, "x = 2; late = (n for n in 'ab')")
    done = session.restore(first)
    assert done.removed == ("late",)
    (told,) = done.not_restored
    assert (told.name, told.cell) == ("gen", 1) and "left as it is" in told.reason
    assert ask(session, "next(gen), x") == "(0, 1)"
    saved(session, "gen = 'rebound'")
    (told,) = session.restore(first).not_restored
    assert told.name == "gen" and "left as it is" not in told.reason
    assert "gen" not in names(session)


def test_a_group_that_does_not_load_costs_itself(session: Session, tmp_path: Path) -> None:
    flag = tmp_path / "fail"
    first = saved(
        session,
        "import os\ndef make(): \n"
        f"    if os.path.exists({str(flag)!r}): raise OSError('not today')\n    return Odd()\n"
        "class Odd:\n    def __reduce__(self): return make, ()\n"
        "odd, fine = Odd(), [1]",
    )
    second = saved(session, "odd = 1; fine = 2")
    flag.touch()
    done = session.restore(first)
    (told,) = done.not_restored
    assert (told.name, told.cell) == ("odd", 1) and "not today" in told.reason
    assert ask(session, "fine, 'odd' in globals()") == "([1], False)"
    session.restore(second)
    assert ask(session, "fine, odd") == "(2, 1)"


def test_a_group_that_ends_the_worker_leaves_the_old_state_and_is_then_left_out(
    session: Session, tmp_path: Path
) -> None:
    flag = tmp_path / "die"
    first = saved(
        session,
        "import os\ndef make(): \n"
        f"    if os.path.exists({str(flag)!r}): os._exit(7)\n    return Odd()\n"
        "class Odd:\n    def __reduce__(self): return make, ()\n"
        "odd, fine = Odd(), [1]",
    )
    saved(session, "odd = 1; fine = 2")
    flag.touch()
    for _ in range(2):
        with pytest.raises(WorkerError, match="the one from before"):
            session.restore(first)
        until_state(session, "idle")
        assert ask(session, "fine, odd") == "(2, 1)"
    (told,) = session.restore(first).not_restored
    assert told.name == "odd" and "crashed" in told.reason
    assert ask(session, "fine, 'odd' in globals()") == "([1], False)"


def test_going_back_can_be_given_up(session: Session, tmp_path: Path) -> None:
    flag = tmp_path / "hang"
    first = saved(
        session,
        "import os, time\ndef make(): \n"
        f"    while os.path.exists({str(flag)!r}):\n"
        f"        os.path.exists({str(flag)!r}) and print('hangs', flush=True)\n        time.sleep(600)\n"
        "    return Odd()\n"
        "class Odd:\n    def __reduce__(self): return make, ()\n"
        "odd = Odd()",
    )
    saved(session, "odd = 1")
    flag.touch()
    failures: list[PyshellError] = []

    def go() -> None:
        try:
            session.restore(first)
        except PyshellError as exc:
            failures.append(exc)

    thread = threading.Thread(target=go)
    thread.start()
    until_output(session, "hangs")
    assert session.state == "busy"
    assert session.interrupt() == "kill"
    thread.join(SECONDS)
    (failure,) = failures
    assert isinstance(failure, WorkerError)
    assert ask(session, "odd") == "1"


def test_cells_sent_meanwhile_run_afterwards(session: Session) -> None:
    saved(session, "x = 1; big = [str(n) for n in range(200_000)]")
    saved(session, "x = 2; big.append('more')")
    session.run("x = 3")
    after = session._control.call("checkout", Checkout("undo", None, "me")).after
    cell = session.execute("x")
    kinds = [e.kind for e in until(session, lambda e: e.kind == "finished" and e.cell == cell, after)]
    assert kinds.index("checked_out") < kinds.index("started")
    assert session.wait(cell).result == "2"


def test_the_event_says_who_did_what(session: Session) -> None:
    saved(session, "x = 1")
    saved(session, "x = 2")
    last = session.status().last_event
    done = session.undo()
    events = until(session, lambda event: event.kind == "checked_out", last)
    assert events[-1].body == done and events[-1].client == session.client
    with pytest.raises(CheckpointNotFound):
        session.undo()
    events = until(session, lambda event: isinstance(event.body, CheckoutFailed), last)
    assert events[-1].body.kind == "CheckpointNotFound"  # type: ignore[union-attr]
    assert session.state == "idle"


def test_a_fresh_start_does_not_bar_the_way_back(session: Session) -> None:
    first = saved(session, "x = 'before'")
    epoch = session.epoch
    session.restart(fresh=True)
    until(session, lambda event: isinstance(event.body, Restored) and event.epoch > epoch)
    saved(session, "y = 2")
    session.restore(first)
    session.run("import os; os._exit(1)", SECONDS)
    assert ask(session, "x, 'y' in globals()") == "('before', False)"


def test_a_pruned_checkpoint_is_refused_by_its_number(session: Session) -> None:
    for n in range(3):
        saved(session, f"x = {n}")
    last = session.status().last_event
    session.kill()
    with store_of("travel") as store:
        store.prune(Retention(recent=1, every=0))
    with started("travel") as again:
        until_state(again, "idle", last)
        with pytest.raises(CheckpointNotFound, match="2"):
            again.restore(2)
        with pytest.raises(CheckpointNotFound, match="nothing to undo"):
            again.undo()
        assert again.run("x", SECONDS).result == "2"
        again.kill()


def test_single_names_are_loaded(session: Session) -> None:
    first = saved(session, "a = b = [1]; other = 2\nclass C: pass\nx = C(); gen = (n for n in a)")
    second = saved(session, "a = 'new'; b.append(2); other = 3; del C, x")
    done = session.load(first, ["x", "other"])
    assert (set(done.names), done.not_restored) == ({"C", "x", "other"}, ())
    assert ask(session, "type(x) is C, other, a, b") == "(True, 2, 'new', [1, 2])"
    session.load(first, "a")
    assert ask(session, "a, b, a is b") == "([1], [1, 2], False)"
    for absent, why in (("nothing", "no nothing"), ("gen", "generator")):
        with pytest.raises(UsageError, match=why):
            session.load(first, ["other", absent])
    with pytest.raises(CheckpointNotFound):
        session.load(99, ["a"])
    session.restore(second)
    assert ask(session, "a, other") == "('new', 3)"


def test_what_was_loaded_is_saved_and_can_be_undone(session: Session) -> None:
    first = saved(session, "x = 'old'")
    saved(session, "x = 'new'")
    session.load(first, ["x"])
    session.run("import os; os._exit(1)", SECONDS)
    assert ask(session, "x") == "'old'"


def test_undo_after_a_load(session: Session) -> None:
    first = saved(session, "x = 'old'")
    saved(session, "x = 'new'")
    session.load(first, ["x"])
    session.undo()
    assert ask(session, "x") == "'new'"


def test_in_the_oldest_python(pythons: dict[str, str]) -> None:
    if "3.10" not in pythons:
        pytest.skip("no Python 3.10 here")
    with started("old", python=pythons["3.10"]) as session:
        first = saved(session, "a = b = [1]\nclass C:\n    n = 1\nx = C()")
        saved(session, "a.append(2); C.n = 2; y = 3")
        done = session.undo()
        assert isinstance(done, CheckedOut) and done.removed == ("y",)
        assert ask(session, "a, a is b, x.n, type(x) is C") == "([1], True, 1, True)"
        session.redo()
        assert ask(session, "a, x.n, y") == "([1, 2], 2, 3)"
        session.load(first, ["x"])
        assert ask(session, "x.n") == "2"


def test_after_a_recovery_from_an_older_state_what_follows_is_saved(session: Session, tmp_path: Path) -> None:
    """More groups kill workers than are set aside, so the checkpoint before is taken; HEAD must follow it."""
    flag = tmp_path / "die"
    first = saved(
        session,
        "import os\ndef make(): \n"
        f"    if os.path.exists({str(flag)!r}): os._exit(7)\n    return Odd()\n"
        "class Odd:\n    def __reduce__(self): return make, ()\n"
        "x = 'first'",
    )
    saved(session, "a, b, c, d, e, f, g, h, i = [Odd() for _ in range(9)]; x = 'second'")
    flag.touch()
    assert session.run("os._exit(1)", 120.0).status == "died"
    assert ask(session, "x") == "'first'"
    number = saved(session, "x = 'third'")
    parents = {c.checkpoint: c.parent for c in session.checkpoints()}
    assert parents[number] == first or parents[parents[number]] == first  # type: ignore[index]
    assert session.run("os._exit(1)", SECONDS).status == "died"
    assert ask(session, "x") == "'third'"
