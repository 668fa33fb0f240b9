"""What a restore has cost is told: never too little, and nothing when nothing is lost.

Runs in: tests.
"""

from __future__ import annotations

import os
import signal

from pyshell.host.saved.ledger import MAX_NAMED, Ledger
from pyshell.protocol import Notice, Restored, StateChanged
from tests.sessions import SECONDS, started, until

SLOW = """
class Slow:
    def __reduce__(self):
        import time
        time.sleep(3)  # so that the cells that follow end while this is being saved
        return Slow, ()
slow = Slow()
"""


def test_saved_cells_cost_nothing() -> None:
    ledger = Ledger()
    for cell in (1, 2, 3):
        ledger.ended(cell)
    ledger.saved(7, 3)
    assert ledger.write_off(7, wanted=False) == []


def test_cells_after_the_newest_checkpoint_are_named_once() -> None:
    ledger = Ledger([4])
    ledger.saved(7, 4)
    ledger.ended(5)
    ledger.ended(6)
    assert ledger.write_off(7, wanted=False) == [
        "What In[5], In[6] changed had not been saved yet when the worker ended; run that again."
    ]
    assert ledger.write_off(7, wanted=False) == []


def test_many_cells_are_counted() -> None:
    ledger = Ledger(range(1, MAX_NAMED + 4))
    (sentence,) = ledger.write_off(None, wanted=False)
    assert "and 3 more" in sentence


def test_an_earlier_state_is_called_one() -> None:
    ledger = Ledger()
    ledger.saved(7, 3)
    assert ledger.write_off(6, wanted=False) == [
        "The newest checkpoint after In[3] could not be loaded; checkpoint 6 is an earlier state."
    ]
    assert "empty" in ledger.write_off(None, wanted=False)[0]


def test_a_fresh_start_that_was_asked_for_is_no_loss() -> None:
    ledger = Ledger([1, 2])
    ledger.saved(1, 1)
    assert ledger.write_off(None, wanted=True) == []


def test_every_name_is_restored_or_its_cell_is_told() -> None:
    with started() as session:
        session.run(SLOW, SECONDS)
        cells = [session.execute(f"v{n} = {n}") for n in range(MAX_NAMED)]
        session.wait(cells[-1], SECONDS)
        worker = session.pid
        assert worker is not None
        os.kill(worker, signal.SIGKILL)
        events = until(session, lambda e: e.epoch == 2 and isinstance(e.body, StateChanged) and e.body.state == "idle")
        (restored,) = [e.body for e in events if isinstance(e.body, Restored) and e.epoch == 2]
        told = " ".join([e.body.text for e in events if isinstance(e.body, Notice)])
        lost = [n for n in range(MAX_NAMED) if f"v{n}" not in restored.names]
        assert lost, "the kill came too late to lose anything"
        assert all(f"In[{cells[n]}]" in told for n in lost)
        assert not any(f"In[{cells[n]}]" in told for n in range(MAX_NAMED) if n not in lost)
