"""The ladder of recovery: it removes something at each rung, and ends with nothing to restore.

Runs in: tests.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pyshell.host.workers.recovery import MAX_CHANCES, MAX_CHECKPOINTS, MAX_HITS, MAX_SET_ASIDE, Attempt, Recovery

MOST = MAX_CHECKPOINTS * (MAX_SET_ASIDE + 1) + 1 + MAX_CHANCES


@given(st.lists(st.integers(1, 99), unique=True), st.frozensets(st.text("ab", max_size=2)), st.data())
def test_it_ends_with_an_empty_namespace(numbers: list[int], aside: frozenset[str], data: st.DataObject) -> None:
    recovery = Recovery(numbers, aside)
    tried: list[Attempt] = []
    while (attempt := recovery.attempt()).checkpoint is not None:
        assert aside <= attempt.set_aside
        tried.append(attempt)
        assert len(tried) <= MOST
        recovery.failed(data.draw(st.text("abc", max_size=3)), data.draw(st.booleans()))
    assert len(tried) - len(set(tried)) <= MAX_CHANCES
    order = [attempt.checkpoint for attempt in tried]
    assert list(dict.fromkeys(order)) == numbers[:MAX_CHECKPOINTS]
    recovery.failed("x", False)
    assert recovery.attempt().checkpoint is None


def test_the_group_that_killed_is_left_out_first() -> None:
    recovery = Recovery([3, 2, 1], frozenset())
    assert recovery.attempt() == Attempt(3)
    recovery.failed("bad", False)
    assert recovery.attempt() == Attempt(3, frozenset({"bad"}))
    recovery.failed("bad", False)
    assert recovery.attempt() == Attempt(2, frozenset({"bad"}))


def test_a_crash_that_no_group_explains_is_tried_once_more_and_then_gives_the_checkpoint_up() -> None:
    recovery = Recovery([3, 2], frozenset({"known"}))
    recovery.failed("", False)
    assert recovery.attempt() == Attempt(3, frozenset({"known"}))
    recovery.failed("", False)
    assert recovery.attempt() == Attempt(2, frozenset({"known"}))


def test_who_kills_it_while_it_loads_nothing_does_not_blame_the_state() -> None:
    recovery = Recovery([3, 2], frozenset())
    for _ in range(MAX_CHANCES // 2):
        recovery.failed("", True)
        recovery.struck()
    assert recovery.attempt() == Attempt(3)


def test_a_group_that_may_have_been_hit_by_chance_is_tried_again() -> None:
    recovery = Recovery([3, 2], frozenset())
    for _ in range(MAX_HITS - 1):
        recovery.failed("bad", True)
        assert recovery.attempt() == Attempt(3)
    recovery.failed("bad", True)
    assert recovery.attempt() == Attempt(3, frozenset({"bad"}))


def test_the_more_else_was_hit_the_less_a_group_is_to_blame() -> None:
    recovery = Recovery([3, 2], frozenset())
    for _ in range(MAX_CHANCES // 4):
        recovery.struck()
        recovery.failed("one", True)
        recovery.failed("other", True)
    assert recovery.attempt() == Attempt(3)


def test_who_does_not_want_to_wait_for_a_group_does_without_it() -> None:
    recovery = Recovery([3, 2], frozenset())
    recovery.failed("slow", True, is_ours=True)
    assert recovery.attempt() == Attempt(3, frozenset({"slow"}))


def test_many_groups_that_kill_give_the_checkpoint_up() -> None:
    recovery = Recovery([3, 2], frozenset())
    for number in range(MAX_SET_ASIDE):
        assert recovery.attempt().checkpoint == 3
        recovery.failed(f"group {number}", False)
    recovery.failed("one more", False)
    assert recovery.attempt().checkpoint == 2
