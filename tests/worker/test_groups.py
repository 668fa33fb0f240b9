"""Parts and circles: which names become one pickle.

Runs in: tests.
"""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pyshell.worker.checkpoints.groups import Parts, circles
from tests.sessions import started

graphs = st.integers(1, 12).flatmap(
    lambda count: st.lists(st.sets(st.integers(0, count - 1)), min_size=count, max_size=count)
)


def reachable(edges: list[set[int]], start: int) -> set[int]:
    """Everything that `start` leads to, itself included."""
    seen, todo = {start}, [start]
    while todo:
        for target in edges[todo.pop()] - seen:
            seen.add(target)
            todo.append(target)
    return seen


@given(graphs)
def test_circles_are_what_can_reach_each_other(edges: list[set[int]]) -> None:
    found = circles(dict(enumerate(edges)))
    assert sorted(node for circle in found for node in circle) == list(range(len(edges)))
    for circle in found:
        assert all(set(circle) <= reachable(edges, node) for node in circle)
    for number, circle in enumerate(found):
        below = {node for earlier in found[: number + 1] for node in earlier}
        assert reachable(edges, circle[0]) <= below


@given(st.integers(1, 12), st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11))))
def test_parts_are_what_was_joined(count: int, joins: list[tuple[int, int]]) -> None:
    parts = Parts(count)
    edges: list[set[int]] = [set() for _ in range(count)]
    for one, other in ((one % count, other % count) for one, other in joins):
        parts.join(one, other)
        edges[one].add(other)
        edges[other].add(one)
    expected = sorted({tuple(sorted(reachable(edges, number))) for number in range(count)})
    assert [tuple(part) for part in parts.all()] == expected


def test_a_circle_of_parts_becomes_one() -> None:
    parts = Parts(5)
    parts.join(0, 3)
    parts.join_circles([{1}, {2}, set(), set(), {0}])
    assert parts.all() == [[0, 3], [1], [2], [4]]
    parts.join_circles([{1}, {2}, {3}, set(), {0}])
    assert parts.all() == [[0, 1, 2, 3], [4]]


def test_a_long_chain_needs_no_stack() -> None:
    count = 50_000
    assert len(circles({number: {number + 1} if number + 1 < count else set() for number in range(count)})) == count


MODULE = """
import dataclasses
SCALE = {scale}
class Base: ...
class Model(Base):
    def __init__(self): super().__init__(); self.fitted = [SCALE]
    def name(self): return "model {scale}", SCALE
@dataclasses.dataclass
class Row:
    x: int
"""


def test_instances_of_what_a_module_had_before_it_was_loaded_again_come_back(tmp_path: Path) -> None:
    """Who edits a module beside a session has such instances, and no class that could be found by its name."""
    module = tmp_path / "frob.py"
    module.write_text(MODULE.format(scale=1))
    with started(cwd=tmp_path) as session:
        session.run("import sys; sys.dont_write_bytecode = True")
        session.run("import frob, importlib; model = frob.Model(); models = [model, model]; row = frob.Row(3)")
        module.write_text(MODULE.format(scale=22))
        session.run("_module = importlib.reload(frob)")
        look = "model.name(), model.fitted, models[1] is model, row, isinstance(model, frob.Model), frob.Model().name()"
        then = session.run(look)
        assert then.result == "(('model 1', 22), [1], True, Row(x=3), False, ('model 22', 22))"
        for _ in range(2):  # the second time from classes that were made anew
            session.wait_saved(session.run("None").cell)
            died = session.run("import os; os.kill(os.getpid(), 9)")
            assert (died.status, died.not_restored) == ("died", ())
            assert session.run(look).result == then.result
