"""What a new worker is told of the past: the names that its predecessors died over.

Runs in: tests.
"""

from __future__ import annotations

from pyshell.host.workers.past import CHANCE, MAX_FATAL, remember, unsuspected


def test_a_death_that_may_be_chance_counts_when_it_happens_again() -> None:
    once = remember([], "x list", by_chance=True)
    assert once == [f"{CHANCE}x list"]
    assert remember(once, "y list", by_chance=True) == [*once, f"{CHANCE}y list"]
    assert remember(once, "x list", by_chance=True) == ["x list"]


def test_a_crash_counts_at_once_and_stays() -> None:
    assert remember([f"{CHANCE}x list"], "x list", by_chance=False) == ["x list"]
    assert remember(["x list", "y int"], "x list", by_chance=True) == ["y int", "x list"]


def test_what_has_been_saved_since_was_there_by_chance() -> None:
    known = [f"{CHANCE}x list", "y list", f"{CHANCE}xx list"]
    assert unsuspected(known, {"x", "y"}) == known[1:]
    assert unsuspected(known, set()) == known


def test_only_the_newest_are_remembered() -> None:
    known: list[str] = []
    for number in range(MAX_FATAL + 5):
        known = remember(known, f"n{number} int", by_chance=False)
    assert len(known) == MAX_FATAL and known[-1] == f"n{MAX_FATAL + 4} int"
