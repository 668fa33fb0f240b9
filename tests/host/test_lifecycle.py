"""The table of states: every state can be reached, left or final, and every cause has an answer.

Runs in: tests.
"""

from __future__ import annotations

import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyshell.host.lifecycle import TRANSITIONS, next_state
from pyshell.protocol import State

STATES: tuple[State, ...] = typing.get_args(State)
CAUSES = sorted({cause for row in TRANSITIONS.values() for cause in row})


def test_the_table_has_a_row_for_each_state() -> None:
    assert tuple(TRANSITIONS) == STATES
    assert {state for row in TRANSITIONS.values() for state in row.values()} <= set(STATES)


def test_every_state_is_reached_from_the_first() -> None:
    reached: set[State] = {"starting"}
    while True:
        further = {state for known in reached for state in TRANSITIONS[known].values()} | reached
        if further == reached:
            break
        reached = further
    assert reached == set(STATES)


@pytest.mark.parametrize("state", STATES)
def test_every_state_but_the_last_can_be_left_for_good(state: State) -> None:
    assert next_state(state, "kill") == (None if state == "stopped" else "stopped")


def test_a_session_that_has_ended_stays_so() -> None:
    assert TRANSITIONS["stopped"] == {}


@given(st.sampled_from(STATES), st.one_of(st.sampled_from(CAUSES), st.text()))
def test_every_cause_has_an_answer_in_every_state(state: State, cause: str) -> None:
    assert next_state(state, cause) in (None, *STATES)


@given(st.lists(st.sampled_from(CAUSES)))
def test_a_worker_that_died_is_never_taken_to_run(causes: list[str]) -> None:
    state: State = "starting"
    for cause in causes:
        state = next_state(state, cause) or state
        if cause == "exited":
            assert state not in ("idle", "busy")
