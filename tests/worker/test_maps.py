"""A map of a file (`numpy.memmap`) goes on writing to its file after a death.

Runs in: tests.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyshell.protocol import Restored
from tests.sessions import started, until

np = pytest.importorskip("numpy")

MADE = """
import numpy as np, os
whole = np.memmap("data", "f8", "w+", offset=16, shape=(4, 3))
whole[:] = 1
turned = np.memmap("data", "f8", "r+", offset=16, shape=(3, 4), order="F")
part, same = whole[1:3, ::2], [whole]
own = np.memmap("data", "f8", "c", offset=16)
own[0] = 7
"""


def test_what_is_written_to_a_map_is_in_its_file_also_after_a_death(tmp_path: Path) -> None:
    with started(cwd=tmp_path) as session:
        session.wait_saved(session.run(MADE).cell)
        for number in (5, 6):  # the second time from what has come back
            died = session.run("os.kill(os.getpid(), 9)")
            assert (died.status, died.not_restored) == ("died", ())
            assert session.run(f"whole[0, 1] = part[1, 1] = {number}; turned[2, 0] = {number}.5").status == "ok"
            session.wait_saved(session.run("whole.flush()").cell)
            written = np.fromfile(tmp_path / "data", "f8", offset=16).tolist()
            assert written == [1, number, number + 0.5, 1, 1, 1, 1, 1, number, 1, 1, 1]
            looks = "same[0] is whole, np.shares_memory(whole, part), type(part).__name__, whole.mode, float(own[0])"
            assert session.run(looks).result == "(True, True, 'memmap', 'r+', 7.0)"


@pytest.mark.parametrize("length", [0, 20])
def test_a_map_whose_file_is_not_what_it_was_is_told(xdg: Path, tmp_path: Path, length: int) -> None:
    with started(cwd=tmp_path) as session:
        session.run("import numpy as np; x = np.memmap('data', 'u1', 'w+', shape=(64,)); y = [1]")
        session.wait_saved(session.run("None").cell)
    if length:
        os.truncate(tmp_path / "data", length)
    else:
        os.unlink(tmp_path / "data")
    with started(cwd=tmp_path) as session:
        came = until(session, lambda event: isinstance(event.body, Restored) and event.body.checkpoint is not None)
        assert isinstance(came[-1].body, Restored)
        ((name, reason),) = [(lost.name, lost.reason) for lost in came[-1].body.not_restored]
        assert name == "x" and str(tmp_path / "data") in reason
        assert session.run("y").result == "[1]"
    if length:
        assert os.path.getsize(tmp_path / "data") == length  # numpy would have made it longer
