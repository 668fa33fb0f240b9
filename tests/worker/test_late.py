"""A state that is loaded in part before the first cell: what waits, what cells find, what a death leaves.

Runs in: tests, against a real worker process.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.worker.conftest import Died, Session

MAKE = """
small = 1
large = [str(n) for n in range(2000)]
class Point:
    def __init__(self, x): self.x = x
points = [Point(n) for n in range(500)]
def first(): return large[0]
last = {'n': 2}
"""


@pytest.fixture
def saved(session: Session) -> Session:
    """A session whose state is saved."""
    session.run(MAKE)
    assert session.save() == {}
    return session


def test_what_is_large_waits(saved: Session) -> None:
    assert saved.restart_lazily() == ["points", "large"]
    assert saved.names == ["small", "large", "Point", "points", "first", "last"]
    assert saved.call("names") == ["small", "Point", "first", "last"]
    assert saved.call("rows") == [["points", "list"], ["large", "list"]]


def test_at_the_end_all_is_there_in_its_order(saved: Session) -> None:
    saved.restart_lazily()
    saved.run_early("new = small + 1")
    assert saved.call("load_late", None) == []
    assert saved.call("names") == ["small", "large", "Point", "points", "first", "last", "new"]
    assert saved.ask("len(large), points[3].x, type(points[0]) is Point") == "(2000, 3, True)"
    assert saved.save() == {}
    saved.restart()
    assert saved.names == ["small", "large", "Point", "points", "first", "last", "new"]


def test_a_small_state_is_loaded_at_once(saved: Session) -> None:
    assert saved.restart_lazily(at_once=1 << 20) == []
    assert saved.call("names") == saved.names


@pytest.mark.parametrize(
    "code, waiting",
    [
        ("1 + 1", ["points", "large"]),
        ("small += 1; last['n'] = small", ["points", "large"]),
        ("[n * small for n in range(3)]", ["points", "large"]),
        ("len(large)", ["points"]),
        ("first()", ["points"]),
        ("del large", ["points"]),
        ("points[0].x", ["large"]),
        ("Point.y = 3", ["large"]),
        ("large.append(points[0])", []),
        ("globals()", []),
        ("import json", []),
        ("assert 'large' in dir()", []),
        ("try: unheard\nexcept NameError: pass", []),
    ],
)
def test_a_cell_finds_what_it_names(saved: Session, code: str, waiting: list[str]) -> None:
    saved.restart_lazily()
    assert saved.run_early(code) == waiting


def test_what_waits_stays_in_the_checkpoints_of_meanwhile(saved: Session) -> None:
    saved.restart_lazily()
    groups = saved.groups()
    saved.run_early("small = 5; del last; new = []")
    assert saved.save() == {}
    assert set(saved.groups()) == {*groups, ("new",)} - {("last",)}
    saved.run_early("new.append(small)")
    assert saved.save() == {}
    saved.restart()
    assert saved.names == ["small", "large", "Point", "points", "first", "new"]
    assert saved.missing == {}
    assert saved.ask("small, len(large), points[7].x, new, first()") == "(5, 2000, 7, [5], '0')"


def test_a_death_at_any_step_leaves_the_old_or_the_new_state(saved: Session) -> None:
    """Between all of: restored, a cell, proposed, committed, a part of the rest loaded, all of it."""
    steps = 7
    for number in range(steps):
        saved.restart_lazily()
        before, after = saved.ask("small"), str(int(saved.ask("small")) + 1)
        expected = before
        if number > 0:
            saved.run_early("small += 1")
        if number > 1:
            name, reason = saved.propose()
            assert reason == ""
        if number > 2:
            manifest = saved.store.commit(name)
            expected = after
        if number > 3:
            saved.call("committed", manifest.sequence)
        if number > 4:
            saved.call("load_late", 3)  # gives way in the middle of a group, or behind one
        if number > 5:
            saved.call("load_late", None)
            assert saved.call("waits") == []
        if number == 2:
            saved.store.discard(name)
        saved.restart()
        assert saved.missing == {}
        assert saved.ask("small, len(large), points[7].x, first(), last") == f"({expected}, 2000, 7, '0', {{'n': 2}})"


def test_it_gives_way_and_begins_again(saved: Session) -> None:
    saved.run("huge = [str(n) for n in range(200_000)]")
    assert saved.save() == {}
    assert saved.restart_lazily()[-1] == "huge"
    while "large" in saved.call("waits"):
        saved.call("load_late", 12)
    for _ in range(3):
        assert saved.call("load_late", 5) == []
        assert saved.call("waits") == ["huge"]
        assert saved.run_early("small += 1") == ["huge"]
    assert saved.call("load_late", None) == []
    assert saved.ask("small, len(huge)") == "(4, 200000)"


def test_an_interrupt_ends_the_wait_and_nothing_else(saved: Session) -> None:
    saved.run("huge = [str(n) for n in range(200_000)]")
    assert saved.save() == {}
    saved.restart_lazily()
    for looks in (0, 1, 5):
        assert saved.call("interrupt_early", 9, "huge.clear()", looks) == "KeyboardInterrupt"
        assert saved.call("waits")[-1] == "huge"
        assert saved.crumb == ""
    assert saved.run_early("small += 1")[-1] == "huge"
    assert saved.save() == {}
    saved.restart()
    assert saved.ask("small, len(huge)") == "(2, 200000)"


def test_what_is_damaged_is_told_when_it_is_missed(saved: Session) -> None:
    assert saved.restart_lazily() == ["points", "large"]
    head = saved.store.head
    assert head is not None
    group = next(group for group in saved.store.groups(head).values() if "large" in group.names)
    saved.store.index.refresh()
    pack, at, *_ = saved.store.index.place(group.stream[0])
    with damaged(next((saved.store.path / "packs").glob(f"{pack}*")), at):
        said = saved.call("load_late", None)
        assert said[0] == "lost_late"
        assert len(said) == 2 and said[1].startswith("large (list, made by In[1]) did not come back: ")
        assert saved.ask("points[7].x, small") == "(7, 1)"


@contextmanager
def damaged(path: Path, at: int) -> Iterator[None]:
    """One bit of a file is another there."""
    sound = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(sound[:at] + bytes([sound[at] ^ 1]) + sound[at + 1 :])
    try:
        yield
    finally:
        path.write_bytes(sound)


def test_values_with_code_of_their_own_come_back_as_always(session: Session) -> None:
    """What runs while it comes back finds all that was bound before it."""
    session.run("""
large = [str(n) for n in range(2000)]
class Sized:
    def __setstate__(self, state): self.n = len(large)
sized = Sized(); sized.n = 0
larger = [str(n) for n in range(3000)]
""")
    assert session.save() == {}
    assert session.restart_lazily() == ["larger"]
    assert session.ask("sized.n") == "2000"


def test_a_class_with_last_words_lets_nothing_wait(session: Session) -> None:
    session.run("large = [str(n) for n in range(2000)]\nclass Loud:\n    def __del__(self): print(len(large))")
    assert session.save() == {}
    assert session.restart_lazily() == []


def test_what_shares_values_waits_together(session: Session) -> None:
    session.run("inner = []\nouter = [inner, *map(str, range(2000))]\nalone = list(map(str, range(1000)))")
    assert session.save() == {}
    assert session.restart_lazily() == ["alone", "inner", "outer"]
    assert session.run_early("inner.append(1)") == ["alone"]
    assert session.save() == {}
    session.restart_lazily()
    session.call("load_late", None)
    assert session.ask("outer[0] is inner, inner, len(alone)") == "(True, [1], 1000)"


CRASHES = """
import os
class Fatal:
    def __reduce__(self): return end, ()
def end():
    os.kill(os.getpid(), 9) if os.path.exists({gate!r}) else None
    return Fatal()
"""


def test_the_breadcrumb_tells_what_it_died_of(session: Session, tmp_path: Path) -> None:
    place, gate = tmp_path / "ours", tmp_path / "gate"
    place.mkdir()
    (place / "fatal.py").write_text(CRASHES.format(gate=str(gate)))
    session.run(f"import sys; sys.path.insert(0, {str(place)!r})\nimport fatal\nsmall = 1")
    session.run("bad = [fatal.Fatal(), 'x' * 5000]")
    assert session.save() == {}
    gate.touch()
    session.start()
    session.run(f"import sys; sys.path.insert(0, {str(place)!r})")
    session.restore(at_once=1000)
    assert session.call("waits") == ["bad"]
    session.run_early("small = 2")
    assert session.save() == {}
    with pytest.raises(Died):
        session.call("load_late", None)
    head = session.store.head
    assert head is not None
    assert session.store.group(session.crumb).names == ("bad",)
    session.start()
    session.run(f"import sys; sys.path.insert(0, {str(place)!r})")
    session.restore((session.crumb,))
    assert session.missing["bad"][1] == "bringing it back crashed or hung a worker before"
    assert session.ask("small") == "2"


@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13"])
def test_it_goes_so_in_each_python(sessions: Any, pythons: dict[str, str], version: str) -> None:
    """Their bytecode names things differently."""
    if version not in pythons:
        pytest.skip(f"needs Python {version}")
    session: Session = sessions(pythons[version])
    session.run(MAKE)
    assert session.save() == {}
    for code, waiting in [
        ("small += len(last)\nfor n in range(3): last[n] = [m * small for m in range(n)]", ["points", "large"]),
        ("def f(a, *, b=small):\n    global made\n    made = first\nmade = f", ["points"]),
        ("class Child(Point):\n    def two(self): return super().__init__(2)\nChild(1).two()", ["large"]),
        ("del last; print(f'{small:>3}')", ["points", "large"]),
        ("import sys", []),
        ("vars()", []),
    ]:
        session.restart_lazily()
        assert (code, session.run_early(code)) == (code, waiting)
        assert session.save() == {}
        session.call("load_late", None)
        assert session.ask("len(large), points[7].x") == "(2000, 7)"
