"""What the system can get wrong under a whole session: the clock.

Runs in: tests, against real hosts and workers.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.kills import start_again, store_of
from tests.sessions import SECONDS, host_of, kill, started, until

CLOCK = """
import os, time
real = time.time
def shifted():
    try:
        with open(os.environ["PYSHELL_TEST_CLOCK"]) as file:
            return real() + float(file.read())
    except (OSError, ValueError):
        return real()
time.time = shifted
"""


def test_a_clock_that_goes_backwards_changes_the_order_of_nothing(
    xdg: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(CLOCK)
    clock = tmp_path / "clock"
    monkeypatch.setenv("PYSHELL_TEST_CLOCK", str(clock))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    with started("clock") as session:
        for hours in (0, -1, -30, 5, -1000):
            clock.write_text(str(3600.0 * hours))
            cell = session.run(f"import time; x = {hours}; large = [x, *map(str, range(100_000))]", SECONDS).cell
            saved = until(session, lambda event: event.kind == "saved" and event.cell == cell)[-1]  # noqa: B023
            assert abs(float(session.run("time.time()", SECONDS).result or 0) - saved.time) < 1000
            worker = session.pid or 0
            kill(worker)
            until(session, lambda event: event.kind == "restored" and event.epoch > saved.epoch)  # noqa: B023
            assert session.run("x, large[0]", SECONDS).result == f"({hours}, {hours})"
        listed = session.checkpoints()
        assert [one.checkpoint for one in listed] == sorted(one.checkpoint for one in listed)
        assert [one.time for one in listed] != sorted(one.time for one in listed)
        session.undo(SECONDS)
        assert session.run("x", SECONDS).result == "5"
        until(session, lambda event: event.kind == "saved" and event.cell == session.status().next_cell - 1)
        clock.write_text(str(3600.0 * -5000))
        kill(host_of(session))
        session.close()
        again = start_again("clock")
        assert again.run("x, large[0]", SECONDS).result == "(5, 5)"
        numbers = [entry.cell for entry in again.history(limit=100)]
        assert numbers == sorted(set(numbers))
        again.kill()
        again.close()
    with store_of("clock") as store:
        assert store.check() == []
        store.prune()
        assert store.check() == []
