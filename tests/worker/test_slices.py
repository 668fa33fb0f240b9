"""Saving in the worker itself, group by group, with cells in between: what comes back is the state after the last.

Runs in: tests.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.worker.test_touched import EVERYTHING, FOUND

CASES = {**FOUND, **EVERYTHING}


def play(session: Any, cells: list[str], steps: int) -> None:
    """Run the cells with some groups saved after each, the rest after the last, and let the worker die."""
    session.run("ballast = [1]; more = [ballast]; text = 'x' * 1000")
    session.save()
    session.begin_slices()
    for code in cells:
        session.cell += 1
        session.call("run", session.cell, code)
        name = session.slice(steps)
        if name:
            session.call("committed", session.store.commit(name).sequence)
            session.begin_slices()
    session.commit_slices()
    session.restart()


@pytest.mark.parametrize(("number", "name"), list(enumerate(CASES)))
def test_cells_between_the_slices_are_in_the_checkpoint(session: Any, number: int, name: str) -> None:
    """The number varies how many groups are saved between two cells."""
    cells, check, *_ = CASES[name]
    play(session, cells, number % 4)
    assert session.ask(check) == "True"
    assert session.ask("more[0] is ballast, len(text)") == "(True, 1000)"


SHARED = """
import functools
class C:
    def m(self): return helper(self)
def helper(c): return c.n, other
def other(): return helper
@functools.lru_cache
def cached(n): return n
a = [1]; b = {'a': a}; c = C(); c.n = b; alone = [2]; t = (a, 3); f = lambda: a
try: 1 / 0
except ZeroDivisionError as e: error = e
"""


def test_the_groups_are_those_of_a_child(session: Any) -> None:
    session.run(SHARED)
    session.run("import numpy as np\nbase = np.arange(100_000.0); view = base[5:9]")
    session.run("objects = np.array([C(), None]); objects[0] = a")
    assert session.save() == {}
    expected, ids = session.groups(), set(session.store.groups(session.store.head))
    session.begin_slices("whole")
    assert session.commit_slices() == {}
    assert session.groups() == expected
    assert set(session.store.groups(session.store.head)) == ids
    session.begin_slices("audit")
    assert session.slice() == ""


def test_nothing_of_the_users_and_no_file_is_held_while_a_cell_runs(session: Any) -> None:
    session.run("import sys, weakref\nclass C: pass")
    session.run("c = C(); items = [C() for _ in range(9)]; data = bytearray(1 << 20)")
    session.run("count = sys.getrefcount(c), sys.getrefcount(items), sys.getrefcount(items[0]); ref = weakref.ref(c)")
    session.begin_slices("whole")
    assert session.slice(5) is None
    session.run("assert (sys.getrefcount(c), sys.getrefcount(items), sys.getrefcount(items[0])) == count")
    session.run("data.append(1); del c; assert ref() is None")
    session.slice(2)
    session.run("pass")
    assert session.call("open_files") == []
    session.commit_slices()
    session.restart()
    assert session.ask("'c' in globals(), len(items), len(data)") == f"(False, 9, {(1 << 20) + 1})"


def test_a_worker_that_dies_in_the_middle_leaves_the_state_before(session: Any) -> None:
    for steps in range(6):
        session.run(f"x = [{steps}]; y = [x]; z = 'z' * 100_000; n = {steps}")
        session.begin_slices("whole")
        assert session.slice(steps) is None
        if steps % 2:
            session.run("x.append('more')")
            session.slice(1)
        before = session.store.head
        session.restart() if before else session.start()
        assert (session.store.parts(), session.store.waiting()) == ([], [])
        if before:
            assert session.ask("x, y[0] is x, n") == f"([{steps - 1}, 'saved'], True, {steps - 1})"
        session.run(f"x = [{steps}, 'saved']; y = [x]; n = {steps}")
        session.begin_slices("whole")
        session.commit_slices()


BIG = "import numpy as np\nbig = np.arange({count}.0); other = np.arange({count}.0) * 2; small = [1]"


def test_a_large_array_is_written_piece_by_piece_and_goes_on_where_it_stopped(session: Any) -> None:
    session.run(BIG.format(count=2_000_000))
    session.begin_slices("whole")
    for stops in range(8):
        assert session.slice(ticks=6 + 3 * stops) is None
        session.run("small.append(1)")
    session.commit_slices()
    written = sum(path.stat().st_size for path in (session.store.path / "packs").iterdir())
    assert written < 36_000_000
    session.restart()
    assert session.ask("float(big.sum()), float(other[-1])") == "(1999999000000.0, 3999998.0)"


def test_a_large_array_that_a_cell_changes_in_the_middle_is_saved_as_it_is_then(session: Any) -> None:
    session.run(BIG.format(count=2_000_000))
    session.begin_slices("whole")
    for number in range(8):
        assert session.slice(ticks=6 + 3 * number) is None
        session.run(f"big[{number * 250_000}] = -{number}; small.append({number})")
    session.commit_slices()
    session.restart()
    assert session.ask("[int(big[n * 250_000]) for n in range(8)], small") == (
        "([0, -1, -2, -3, -4, -5, -6, -7], [1, 0, 1, 2, 3, 4, 5, 6, 7])"
    )


def test_what_a_cell_shares_anew_in_the_middle_is_shared(session: Any) -> None:
    session.run("a = [1]; b = [2]; c = {}; d = [3]")
    session.begin_slices("whole")
    session.slice(2)
    session.run("c['a'] = a")
    session.slice(2)
    session.run("b.append(c); e = d")
    session.slice(1)
    session.run("a.append(b)")
    session.commit_slices()
    session.restart()
    assert session.ask("c['a'] is a, b[1] is c, a[1] is b, e is d") == "(True, True, True, True)"


def test_recycled_ids_glue_no_strangers_together(session: Any) -> None:
    """What is made for a pickle goes with it, and what comes next lies in the same place."""
    session.run("class S:\n  def __init__(self, n): self.n = n\n  def __getstate__(self): return {'n': [self.n, [1]]}")
    session.run("class R:\n  def __reduce__(self): return R, (), [[1], {2: [3]}]")
    session.run("s1, s2, s3, r1, r2, r3 = S(1), S(2), S(3), R(), R(), R()")
    session.begin_slices("whole")
    session.commit_slices()
    assert [group for group in session.groups() if len(group) > 1] == []


def test_what_cannot_be_saved_costs_itself_only(session: Any) -> None:
    session.run("x = 1\ng = (i for i in [1])\ny = [g]\nimport queue\nq = queue.SimpleQueue(); q.put(1)")
    session.run("class Bad:\n  def __reduce__(self): raise SystemExit(3)\nbad = Bad(); inside = [bad, x]")
    session.begin_slices("whole")
    missing = session.commit_slices()
    assert missing.keys() == {"g", "y[0]", "q", "bad", "inside[0]"}
    assert "forked process only" in missing["q"]
    assert session.ask("q.get_nowait()") == "1"
    session.restart()
    assert session.ask("x, len(inside)") == "(1, 2)"


def test_what_refers_to_what_is_lost_is_lost_until_it_is_mended(session: Any) -> None:
    session.run("gen = (i for i in ()); holder = [gen]; fine = [1]")
    session.begin_slices("whole")
    assert "gen" in session.commit_slices()
    session.run("gen = [1]; holder = [gen]")
    session.begin_slices()
    assert "gen" not in session.commit_slices()
    session.restart()
    assert session.ask("holder[0] is gen, fine") == "(True, [1])"


def test_excluded_and_too_large_names_are_told(session: Any) -> None:
    session.call("limit", ["tmp_*"], 1000)
    session.run("tmp_a = [1]; large = list(range(10_000)); small = [2]")
    session.begin_slices("whole")
    missing = session.commit_slices()
    assert missing.keys() == {"tmp_a", "large"}
    assert "max_value_bytes = 1000" in missing["large"]


def test_a_checkpoint_that_cells_came_into_is_assumed_and_an_audit_verifies_it(session: Any) -> None:
    session.run("x = [1]; y = [2]")
    session.begin_slices("whole")
    session.slice(2)
    session.run("y.append(3)")
    session.commit_slices()
    assert session.call("is_verified") is False
    session.begin_slices("audit")
    assert session.slice() == ""
    assert session.call("is_verified") is True


def test_deep_nesting_is_told_and_hurts_nobody(session: Any) -> None:
    session.run("import sys\nsys.setrecursionlimit(1_000_000)\ndeep = []; x = 1")
    session.run("for _ in range(200_000): deep = [deep]")
    session.begin_slices("whole")
    assert "recursion" in session.commit_slices()["deep"]
    assert session.ask("sys.getrecursionlimit()") == "1000000"


def test_two_sessions_of_definitions_that_lead_to_each_other(session: Any) -> None:
    session.run("def odd(n): return n and even(n - 1)\ndef even(n): return not n or odd(n - 1)\nboth = [odd, even]")
    session.begin_slices("whole")
    session.slice(2)
    session.run("def even(n): return n == 0 or odd(n - 1)")
    session.commit_slices()
    session.restart()
    assert session.ask("even(10), odd(7), both[0] is odd, both[1] is even") == "(True, True, True, False)"
