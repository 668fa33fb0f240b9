"""Parts and circles: which names become one pickle.

Runs in: tests.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pyshell.worker.groups import Parts, circles

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
