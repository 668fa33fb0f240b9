"""Names that kill who saves them: left out after two deaths, and not for good.

Runs in: tests.
"""

from __future__ import annotations

from pathlib import Path

from pyshell.worker.checkpoints.suspects import MAX_ATTEMPTS, REST, Suspects
from tests.live import PATIENCE, live, wait_until_saved
from tests.sessions import becomes_true

NAMESPACE = {"a": [1], "b": [2]}


def crashed() -> Suspects:
    """`a` has killed two processes, each of a second, at 10 and 11."""
    suspects = Suspects()
    assert suspects.died("a", NAMESPACE, 10.0, 1.0) and not suspects.names(10.0)
    assert suspects.died("a", NAMESPACE, 11.0, 1.0)
    return suspects


def test_a_name_is_left_out_after_two_deaths_for_some_time() -> None:
    suspects = crashed()
    assert suspects.names(11.0) == {"a"} == suspects.names(10.9 + REST)
    suspects.went_well(12.0)
    assert suspects.names(13.0) == {"a"} and suspects.names(11.0 + REST) == frozenset()


def test_each_further_death_doubles_it() -> None:
    suspects = crashed()
    suspects.went_well(12.0)
    assert suspects.died("a", NAMESPACE, 50.0, 9.0)
    assert suspects.names(49.9 + 2 * REST) == {"a"} and not suspects.names(50.1 + 2 * REST)
    assert suspects.rest("a", 100.0) and not suspects.rest("b", 100.0)
    assert suspects.names(99.9 + 4 * REST) == {"a"}


def test_it_is_forgotten_once_it_was_saved_or_means_something_else() -> None:
    suspects = crashed()
    suspects.went_well(12.0 + REST)
    assert not suspects.rest("a", 40.0)
    suspects = crashed()
    suspects.look({**NAMESPACE, "b": [3]})
    assert suspects.names(11.0) == {"a"}
    suspects.look({**NAMESPACE, "a": [1]})
    assert suspects.names(11.0) == frozenset()


def test_a_save_that_nobody_gets_through_is_given_up() -> None:
    suspects = Suspects()
    assert suspects.died("", NAMESPACE, 1.0, 0.1) and not suspects.died("", NAMESPACE, 1.1, 0.1)
    wide = {f"n{i}": object() for i in range(MAX_ATTEMPTS + 1)}
    assert [suspects.died(name, wide, 2.0, 0.1) for name in wide] == [True] * MAX_ATTEMPTS + [False]


def test_what_two_processes_died_of_is_saved_when_that_is_over(tmp_path: Path) -> None:
    short = tmp_path / "memory-is-short"
    short.touch()
    with live("suspects") as session:
        session.run(
            "import os\nclass Large:\n    def __reduce__(self):\n"
            f"        if os.path.exists({str(short)!r}): os.kill(os.getpid(), 9)\n        return (Large, ())\n"
        )
        session.run("large = Large()", PATIENCE)
        wait_until_saved(session)
        assert [name.name for name in session.status().unsaved] == ["large"]
        short.unlink()

        def is_saved() -> bool:
            session.run("kept = large", PATIENCE)
            wait_until_saved(session)
            return not session.status().unsaved

        assert becomes_true(is_saved)
        session.run("os._exit(0)", PATIENCE)
        assert session.run("type(large).__name__, kept is large", PATIENCE).result == "('Large', True)"
