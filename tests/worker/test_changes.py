"""What a cell is said to have done: names made, changed and deleted, and the memory that it took.

Runs in: tests.
"""

from __future__ import annotations

from typing import Any

import pytest

from pyshell.protocol import Changes
from pyshell.worker.bindings import Bindings
from pyshell.worker.changes import MAX_NAMES, ChangeWatch, memory_in_use
from tests.sessions import kill, started


class Cells:
    """Runs code as cells, and says what each did."""

    def __init__(self) -> None:
        self.namespace: dict[str, Any] = {"__builtins__": __builtins__}
        self.watch = ChangeWatch(Bindings(self.namespace, list(self.namespace)))
        self.count = 0

    def run(self, code: str, knows_names: bool = True) -> Changes:
        self.count += 1
        self.watch.begin()
        compiled = compile(code, "<cell>", "exec")
        exec(compiled, self.namespace)
        return self.watch.end(self.count, compiled.co_names if knows_names else None)


@pytest.fixture
def cells() -> Cells:
    return Cells()


def done(changes: Changes) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    return changes.created, changes.changed, changes.deleted


def test_names_are_made_changed_and_deleted(cells: Cells) -> None:
    assert done(cells.run("a = 1; b = [1]; c = 2")) == (("a", "b", "c"), (), ())
    assert done(cells.run("a = 3; d = 4")) == (("d",), ("a",), ())
    assert done(cells.run("del c, b")) == ((), (), ("b", "c"))
    assert done(cells.run("c = 5; del a; a = 6000")) == (("c",), ("a",), ())
    assert done(cells.run("a")) == ((), (), ())
    assert set(cells.watch.last) == set()


@pytest.mark.parametrize("code", ["b.append(1)", "m.clear()", "b.extend([1, 2])", "s.add(9)", "m.update(y=1, x=2)"])
def test_a_container_that_grows_or_shrinks_is_changed(cells: Cells, code: str) -> None:
    cells.run("b = []; m = dict(x=1); s = {1}; other = [1]")
    assert done(cells.run(code)) == ((), (code[0],), ())
    assert cells.watch.last == {code[0]}
    assert done(cells.run(code[0])) == ((), (), ())


def test_where_the_code_does_not_tell_all_containers_are_looked_at(cells: Cells) -> None:
    cells.run("b = []; alias = b")
    cells.run("def grow(): b.append(1)")
    assert done(cells.run("grow()")) == ((), (), ())  # it is not named
    assert set(cells.run("grow()", knows_names=False).changed) == {"b", "alias"}


def test_results_are_not_listed(cells: Cells) -> None:
    assert done(cells.run("_ = _5 = 1; x = 2; _mine = 3")) == (("x", "_mine"), (), ())


def test_long_lists_are_cut_and_counted(cells: Cells) -> None:
    changes = cells.run("for n in range(1000): globals()[f'v{n}'] = n")
    assert len(changes.created) == MAX_NAMES and changes.more == 1001 - MAX_NAMES


def test_a_name_that_is_no_text_is_left_out(cells: Cells) -> None:
    assert done(cells.run("globals()[5] = 1; x = 1")) == (("x",), (), ())


def test_memory_is_told(cells: Cells) -> None:
    changes = cells.run("big = bytearray(b'x') * 50_000_000")
    assert changes.memory_after - changes.memory_before > 40_000_000
    assert memory_in_use() > 1_000_000


def test_a_session_tells_it_when_a_cell_ends() -> None:
    with started() as session:
        reply = session.run("x = [1]; y = 2")
        assert reply.changes is not None
        assert done(reply.changes) == (("x", "y"), (), ())
        assert reply.changes.memory_before > 0 < reply.changes.memory_after
        reply = session.run("x.append(1); del y\nx")
        assert reply.changes is not None and done(reply.changes) == ((), ("x",), ("y",))
        reply = session.run("z = 1; 1 / 0")
        assert reply.changes is not None and done(reply.changes) == (("z",), (), ())
        session.wait_saved(reply.cell)
        cell = session.execute("input()")
        pid = session.pid
        assert pid is not None
        kill(pid)
        assert session.wait(cell).changes is None
        reply = session.run("x = 5; del z")
        assert reply.changes is not None and done(reply.changes) == ((), ("x",), ("z",))
