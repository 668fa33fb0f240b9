"""Kill everything that can be killed, at random moments and at every step, and accept only the old or the new state.

Runs in: tests, against real hosts, workers and saving children. `python -m tests.bench kills` does it a thousand times.
"""

from __future__ import annotations

import os
import random

import pytest

from pyshell.protocol import Finished
from tests.kills import (
    BLOWS,
    LARGE,
    LATE,
    PATIENCE,
    SMALL,
    Blow,
    Script,
    at_random,
    at_step,
    play,
    wait_epoch,
    worked_with,
)
from tests.sessions import becomes_true, kill, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
ROUNDS = int(os.environ.get("PYSHELL_KILLS", "50"))
"""Shared by twelve of the kinds of rounds."""


@pytest.mark.parametrize("first", [SMALL, LARGE, LATE], ids=["small", "large", "late"])
@pytest.mark.parametrize("blow", BLOWS, ids=[blow.name for blow in BLOWS])
def test_killed_at_any_moment_it_loses_no_saved_cell(blow: Blow, first: str) -> None:
    rng, hit = random.Random(f"{blow.name} {len(first)}"), 0
    with worked_with("kills", first) as script:
        for value in range(max(1, ROUNDS // 12)):
            hit += play(script, value, blow, at_random(rng), rng)
        assert hit or (first, blow.name) == (LATE, "a child that saves")  # which is at work for the audit only
        # Nothing that the killed ones left is in the way of what comes after.
        assert becomes_true(lambda: saves_all(script), 4 * PATIENCE)
        epoch = script.session.epoch
        kill(script.worker)
        wait_epoch(script.session, epoch + 1)
        script.check()
        assert script.ledger.states[-1][-1] == -1
        ballast = eval(first.partition("ballast = ")[2], {"state": 0})
        assert script.session.run("len(ballast)", PATIENCE).result == str(len(ballast))
        assert script.end() == []


def saves_all(script: Script) -> bool:
    """Whether after one more cell nothing is left out; a name that two processes died of may rest for a while."""
    cell = script.append(-1)
    script.account(script.session.wait(cell, PATIENCE), -1)
    script.wait_saved(cell)
    return not script.session.status().unsaved


STEPS = ("queued", "started", "output", "finished", "saved")
"""What the session tells of a cell, in its order."""


@pytest.mark.parametrize("first", [SMALL, LARGE, LATE], ids=["small", "large", "late"])
@pytest.mark.parametrize("blow", BLOWS, ids=[blow.name for blow in BLOWS])
def test_killed_at_every_step_of_a_cell_it_loses_no_saved_cell(blow: Blow, first: str) -> None:
    rng = random.Random(5)
    with worked_with("kills", first) as script:
        for value, step in enumerate(STEPS):
            hit = play(script, value, blow, at_step(step, script.session.status().last_event), rng)
            assert hit or blow.name == "a child that saves"  # which has ended, or has not begun
        assert script.end() == []


def test_the_last_cell_of_a_session_counts_as_finished_only_with_its_end() -> None:
    """The journal's view: every cell that was submitted has exactly one end."""
    with worked_with("kills") as script:
        cells = [script.append(n) for n in range(20)]
        for cell in cells:
            script.session.wait(cell, PATIENCE)
        last = script.session.status().last_event
        found = until(script.session, lambda event: event.seq >= last)
        ends = [event.cell for event in found if isinstance(event.body, Finished)]
        assert [cell for cell in ends if cell in cells] == cells
