"""The timeline as a person sees it.

Runs in: tests.
"""

from __future__ import annotations

import re
import time

from hypothesis import given
from hypothesis import strategies as st

from pyshell.drawing import cut, draw, first_line
from pyshell.protocol import Checkpoint

NOW = time.mktime((2026, 11, 21, 18, 0, 0, 0, 0, -1))
CODE = {1: "x = 1", 2: "\n\ndef f():\n    return 1\n", 3: "y\x1b[2J = 2"}


def state(number: int, parent: int | None, head: bool = False, **more: object) -> Checkpoint:
    values = {"cell": number, "time": NOW - 3600, "label": None, "names": 1, "unsaved": 0, "written": 10, **more}
    return Checkpoint(checkpoint=number, parent=parent, head=head, **values)


def graphs(*checkpoints: Checkpoint) -> list[str]:
    """The graph, and the number beside it."""
    lines = draw(checkpoints, {}, NOW)
    return [re.sub(r" +(\d+)$", r" \1", line.split("In[")[0].rstrip()) for line in lines]


def test_a_line_tells_what_a_state_is() -> None:
    states = [state(1, None, changed=tuple("abcdef")), state(2, 1, names=2, unsaved=1, label="kept"), state(3, 2, True)]
    lines = draw(states, CODE, NOW)
    assert lines == [
        "@     3  In[3]    17:00  1 name  10 B  y [2J = 2",
        '*     2  In[2]    17:00  2 names  1 unsaved  10 B  "kept"  def f(): …',
        "*     1  In[1]    17:00  1 name  10 B  [a, b, c, d, e, …]  x = 1",
    ]


def test_another_day_has_its_date_and_a_state_before_the_first_cell_no_cell() -> None:
    (line,) = draw([state(1, None, cell=None, time=NOW - 86400)], CODE, NOW)
    assert line == "*     1  -        2026-11-20 18:00  1 name  10 B"


def test_a_branch() -> None:
    assert graphs(state(1, None), state(2, 1), state(3, 1, True)) == ["@ 3", "| * 2", "|-'", "* 1"]


def test_three_branches_and_a_longer_one() -> None:
    found = graphs(state(1, None), state(2, 1), state(3, 2), state(4, 1), state(5, 3, True), state(6, 1))
    assert found == ["* 6", "| @ 5", "| | * 4", "| * | 3", "| * | 2", "|-'-'", "* 1"]


def test_lanes_between_two_that_meet() -> None:
    assert graphs(state(1, None), state(2, 1), state(3, 1), state(4, 2), state(5, 3), state(6, 2)) == [
        "* 6", "| * 5", "| | * 4", "| * | 3", "|-|-'", "* | 2", "|-'", "* 1",
    ]  # fmt: skip


def test_a_second_beginning_and_nothing_at_all() -> None:
    assert graphs(state(1, None), state(2, None, True)) == ["@ 2", "* 1"]
    assert draw([], {}, NOW) == []


@given(st.lists(st.integers(0, 30), max_size=30))
def test_every_state_is_there_once_whatever_the_tree(parents: list[int]) -> None:
    states = [state(n, parent % n or None) for n, parent in enumerate(parents, 1)]
    told = [line for line in draw(states, {}, NOW) if "In[" in line]
    assert len(told) == len(states)
    assert all(line.split("In[")[0].count("*") == 1 for line in told)


def test_long_lines_are_cut() -> None:
    assert cut(["short", "rather long"], 6) == ["short", "rathe…"]


def test_a_cell_of_a_script_is_told_by_its_place_and_its_code() -> None:
    code = "# %% /home/me/fit.py:12 [3f2a.9c1e44d0a1b2]\nfor n in range(3):\n    n\n"
    assert first_line(code) == "fit.py:12  for n in range(3): …"
    assert first_line("# %% one [of] mine\nx") == "# %% one [of] mine …"
