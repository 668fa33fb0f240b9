"""The bench's own parts: the terminal it types at, and the table it prints.

Runs in: tests.
"""

from __future__ import annotations

import math
import platform
import sys
from pathlib import Path

import pytest

from tests.bench import __main__ as bench
from tests.bench import (
    bridges,
    checkpoint,
    completion,
    console,
    forks,
    inspection,
    kills,
    native,
    peers,
    recovery,
    replay,
    scale,
    slices,
    soak,
)
from tests.bench.checkpoint import Cost, Result
from tests.bench.peers import Peer
from tests.bench.workloads import Workload
from tests.terminal import Terminal


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0042, "4.2 ms"), (0.0999, "99.9 ms"), (1.234, "1.23 s"), (math.inf, "never"), (math.nan, "failed")],
)
def test_times_are_shown_for_people(seconds: float, text: str) -> None:
    assert bench.shown(seconds) == text


def test_the_table_has_a_column_for_each_console_and_a_row_for_each_measure() -> None:
    known = [Peer("a", (), "", "1"), Peer("b", (), "", "2")]
    results = {measure.name: {"a": 0.001, "b": math.inf} for measure in console.MEASURES}
    lines = bench.table(console.MEASURES, known, results).splitlines()
    assert lines[2] == "|  | a 1 | b 2 | goal |"
    assert lines[4:] and all("| 1.0 ms | never |" in line for line in lines[4:])
    assert len(lines) == 4 + len(console.MEASURES)


def test_the_page_has_a_place_for_the_table() -> None:
    assert bench.BETWEEN.search(bench.PAGE.read_text())


def test_inspection_can_be_measured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("numpy")
    monkeypatch.setattr(inspection, "LOADS", {"idle": ""})
    monkeypatch.setattr(completion, "SETTLE_SECONDS", 0.2)
    assert inspection.main(["--times", "2"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert sum(line.endswith(" ms |") for line in printed) == len(inspection.QUESTIONS)
    assert printed[-1].endswith("a cell at best")


def test_completion_can_be_measured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(completion, "LOADS", {"idle": "", "a Python loop": "while True: pass"})
    monkeypatch.setattr(completion, "SETTLE_SECONDS", 0.2)
    assert completion.main(["--times", "2", "--peers", "pyshell"]) == 0
    rows = capsys.readouterr().out.splitlines()[2:]
    assert len(rows) == 2 * len(completion.CASES) and all(row.endswith(" ms |") for row in rows)


def test_python_itself_can_be_measured() -> None:
    peer = peers.python()
    with console.prompted(peer) as terminal:
        assert console.submit(terminal, "6*7", r"\b42\b", 10.0) > 0


def test_a_console_that_dies_never_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    with console.prompted(peers.python()) as terminal:
        assert console._recover(terminal, "") == console.NEVER


def test_a_recovery_can_be_measured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(recovery, "SESSIONS", {"a number": ("x = 1", "x")})
    monkeypatch.setattr(recovery, "REST_SECONDS", 0.0)
    assert recovery.main(["--times", "2"]) == 0
    row = capsys.readouterr().out.splitlines()[2]
    assert row.startswith("| a number | ") and row.count("s |") == 2


def test_the_terminal_shows_the_screen_and_answers_its_questions() -> None:
    program = (
        "import sys, termios, tty; tty.setraw(0); print('\\x1b[2J\\x1b[5;3Hhere\\x1b[6n', end='', flush=True);"
        "answer = sys.stdin.read(6); print('\\x1b[7;1H', repr(answer), end='', flush=True)"
    )
    with Terminal([sys.executable, "-c", program]) as terminal:
        terminal.wait_screen("'.x1b.1;1R'")
        assert terminal.screen.splitlines()[4] == "  here"
        assert "\x1b" not in terminal.text and "here" in terminal.text


def test_waiting_in_vain_shows_the_screen() -> None:
    with Terminal([sys.executable, "-c", "print('something else')"]) as terminal:
        with pytest.raises(TimeoutError, match="something else"):
            terminal.wait_text("never shown", 5.0)


def test_what_saving_costs_is_a_row_for_each_cell_with_the_columns_of_each_tool() -> None:
    workload = Workload("w", (("one", "x = 1"), ("two", "x = 2")), "x == 2")
    costs = {"one": Cost(0.001, 0.2, 2_000, 0.01, 5e6), "two": Cost(0.002, 0.3, 3e6, 0.02, 6e6)}
    found = {"pyshell": Result(costs, 0.5, 0.1, 0.05, 4e7), "b": Result({}, math.nan)}
    lines = checkpoint.table(workload, found).strip().splitlines()
    assert lines[4] == "| one | 1.0 ms | 0.20 s | 2.0 KB | 10.0 ms | 5.0 MB | failed |  |"
    assert lines[5] == "| two | 2.0 ms | 0.30 s | 3.0 MB | 20.0 ms | 6.0 MB | failed |  |"
    assert lines[6] == "| *cells run again* | 0.10 s |  |  |  |  | - |  |"
    assert lines[7] == "| *all is back* | 0.50 s |  |  |  |  | - |  |"
    assert lines[8] == "| *back by a cell* | 50.0 ms |  |  |  |  | - |  |"
    assert lines[9] == "| *memory* | 40.0 MB |  |  |  |  | - |  |"


def test_a_session_and_dill_can_be_measured() -> None:
    workload = Workload("w", (("one", "x = [1]"), ("two", "x.append(2)")), "x == [1, 2]")
    for tool in (checkpoint.with_pyshell, checkpoint.with_peer("dill")):
        result = tool(workload, Path(sys.executable))
        assert result.costs.keys() == {"one", "two"}
        assert all(cost.written > 0 and math.isfinite(cost.durable) for cost in result.costs.values())
        assert math.isfinite(result.restored) and result.memory > 0
        assert math.isfinite(result.undo) == math.isfinite(result.prompt) == (tool is checkpoint.with_pyshell)


def test_each_way_to_a_session_can_be_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert bridges.main(["--times", "2", "--lines", "3000"]) == 0
    rows = capsys.readouterr().out.splitlines()[2:]
    assert len(rows) == len(bridges._ways()) >= 3 and all(row.endswith(" s |") for row in rows)


def test_kills_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    assert kills.main(["--rounds", "3", "--seed", "1"]) == 0
    shown = capsys.readouterr().out
    assert "| *all* | 3 |" in shown and shown.count("| 3 | 0 |") == 1
    assert "store.check() found 0 faults." in shown


def test_clients_that_come_and_go_get_everything(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soak, "KILL_EVERY", 0.2)
    assert soak.main(["--cells", "30", "--seed", "3"]) == 0
    assert "Every client got each event once and in order" in capsys.readouterr().out


def test_forks_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    assert forks.main(["--forks", "20", "--python", sys.executable]) == 0
    counts = capsys.readouterr().out.splitlines()[-1].split("|")[1:8]
    made, well, hung, *bad = map(int, counts)
    # A thread may be inside malloc at the fork, and its lock is the child's then: that is what is counted (forking.py).
    assert (made, well + hung, bad) == (20, 20, [0, 0, 0, 0])
    assert well


def test_a_small_scale_is_a_row_for_each_size(capsys: pytest.CaptureFixture[str]) -> None:
    assert scale.main(["--arrays", "0.01", "--objects", "1000", "--times", "1"]) == 0
    rows = capsys.readouterr().out.splitlines()[2:]
    assert [row.split("|")[1].strip() for row in rows] == ["arrays of 0.01 GB", "1,000 dicts"]
    assert not any("failed" in row or "never" in row for row in rows)


def test_a_session_is_replayed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "KILL_EVERY", 6)
    assert replay.main(["--cells", "12", "--seed", "1"]) == 0
    assert "Killed 2 times; 0 came back with another state." in capsys.readouterr().out


def test_native_speed_is_a_row_for_each_program(capsys: pytest.CaptureFixture[str]) -> None:
    assert native.main(["--times", "1", "--size", "1000"]) == 0
    assert [row.split("|")[1].strip() for row in capsys.readouterr().out.splitlines()[2:]] == list(native.PROGRAMS)


@pytest.mark.skipif(platform.machine() != "x86_64" or sys.platform != "linux", reason="the filter knows x86-64 only")
def test_cells_behind_slices_are_timed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "CELLS", 2)
    assert slices.main(["--objects", "30000", "--gigabytes", "0.01"]) == 0
    rows = capsys.readouterr().out.splitlines()[2:]
    assert [row.split("|")[1].strip() for row in rows][1::2] == ["30,000 dicts", "an array of 0.01 GB"]
