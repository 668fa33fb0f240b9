"""Static analysis where the namespace does not know: in a process that runs nothing of the user's and can be lost.

Runs in: tests.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyshell.host.processes import static
from pyshell.host.processes.static import Static
from pyshell.protocol import Completions, HistoryEntry
from tests.sessions import becomes_true, started

HAS_JEDI = pytest.mark.skipif(not Static().is_installed, reason="needs jedi")

CELLS = (
    HistoryEntry(1, "class Boat:\n    def sail(self, wind=1): return 'text'", "ok", 0.0, ""),
    HistoryEntry(2, "def broken(: ...", "error", 0.0, ""),
    HistoryEntry(3, "def build(n):\n    return Boat()", "ok", 0.0, ""),
)


@pytest.fixture
def analysis() -> Iterator[Static]:
    made = Static()
    yield made
    made.stop()


def answer(analysis: Static, code: str, cells: tuple[HistoryEntry, ...] = CELLS) -> Completions:
    """What is answered when the process has come up and is not slowed down by a busy machine."""
    found: list[Completions] = []

    def comes() -> bool:
        reply = analysis.complete(cells, code, len(code))
        found.extend([reply] if reply is not None else [])
        return bool(found)

    assert becomes_true(comes)
    return found[0]


@HAS_JEDI
@pytest.mark.parametrize(
    "code, expected",
    [
        ("build(1).sa", "sail"),
        ("build(1).sail().capit", "capitalize"),
        ("'text'.upper().capit", "capitalize"),
        ("def f():\n    ship = Boat()\n    ship.sa", "sail"),
        ("def f(ship: Boat):\n    ship.sa", "sail"),
        ("unknown().", ""),
        ("(((", None),
    ],
)
def test_what_only_the_source_tells(analysis: Static, code: str, expected: str | None) -> None:
    found = answer(analysis, code)
    assert found.source == "static" and found.end == len(code)
    if expected is not None:
        assert [match.text for match in found.matches] == expected.split()


@HAS_JEDI
def test_a_match_has_its_kind_and_signature(analysis: Static) -> None:
    match = answer(analysis, "build(1).sa").matches[0]
    assert (match.kind, match.signature) == ("function", "(wind=1)")


@HAS_JEDI
def test_nothing_of_the_users_runs_or_is_imported(
    analysis: Static, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "trap.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')\nclass Trap: ...\n")
    monkeypatch.chdir(tmp_path)
    cell = f"import trap, sys\nsys.path.append({str(tmp_path)!r})\nopen({str(tmp_path / 'ran')!r}, 'w')"
    answer(analysis, "trap.Trap().", (HistoryEntry(1, cell, "ok", 0.0, ""),))
    assert [path.name for path in tmp_path.iterdir()] == ["trap.py"]


@HAS_JEDI
def test_a_process_that_dies_is_replaced(analysis: Static) -> None:
    answer(analysis, "build(1).sa")
    assert analysis._process is not None
    first = analysis._process
    first.kill()
    assert becomes_true(lambda: not first.is_alive())
    assert [match.text for match in answer(analysis, "build(1).sa").matches] == ["sail"]
    assert analysis._process is not first


def test_a_process_that_does_not_answer_is_killed(
    analysis: Static, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = tmp_path / "silent.py"
    silent.write_text("import sys\nsys.stdin.read()\n")
    monkeypatch.setattr(static, "_PROGRAM", silent)
    monkeypatch.setattr(static, "START_SECONDS", 0.0)
    monkeypatch.setattr(static, "ANSWER_SECONDS", 0.01)
    analysis.is_installed = True
    assert analysis.complete(CELLS, "build(1).", 9) is None
    first = analysis._process
    assert first is not None
    assert analysis.complete(CELLS, "build(1).", 9) is None
    assert analysis._process is not first and becomes_true(lambda: first._process.poll() is not None)


def test_an_answer_that_comes_too_late_is_for_who_asks_the_same_again(
    analysis: Static, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    (tmp_path / "slow.py").write_text(
        "import json, sys\nprint(json.dumps([0, []]), flush=True)\n"
        f"for line in sys.stdin:\n    open({str(gate)!r}).close()\n"
        "    number, code, *_ = json.loads(line)\n    print(json.dumps([number, [[code, 'name', '']]]), flush=True)\n"
    )
    monkeypatch.setattr(static, "_PROGRAM", tmp_path / "slow.py")
    analysis.is_installed = True

    def is_asked() -> bool:
        """Once the process is up it has the question, and no answer."""
        assert ask(analysis, "first") is None
        return process()._is_ready

    def process() -> static._Analysis:
        assert analysis._process is not None
        return analysis._process

    assert becomes_true(is_asked)
    with open(gate, "w"):
        assert becomes_true(lambda: bool(process()._said))
    assert ask(analysis, "first") == ["first"]
    assert ask(analysis, "second") is None
    with open(gate, "w"):
        assert becomes_true(lambda: bool(process()._said))
    assert ask(analysis, "third") is None


def ask(analysis: Static, code: str) -> list[str] | None:
    found = analysis.complete((), code, len(code))
    return None if found is None else [match.text for match in found.matches]


def test_without_jedi_nothing_is_started(analysis: Static) -> None:
    analysis.is_installed = False
    assert analysis.complete(CELLS, "build(1).", 9) is None
    assert analysis._process is None


@HAS_JEDI
def test_in_a_session() -> None:
    with started("s") as session:
        session.run("class Boat:\n    def sail(self): ...\ndef build():\n    return Boat()")

        def is_known() -> bool:
            found = session.complete("build().sa", 10)
            return (found.source, [match.text for match in found.matches]) == ("static", ["sail"])

        assert becomes_true(is_known)
        assert becomes_true(lambda: session.complete("Boat().sa", 9).source == "live")
