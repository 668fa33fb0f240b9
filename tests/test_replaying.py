"""A session's cells run again in a new one, and what differs is said.

Runs in: tests.
"""

from __future__ import annotations

from pathlib import Path

from pyshell import starting
from pyshell.protocol import Checkpoint, HistoryEntry, Variable
from pyshell.subcommands import replaying
from pyshell.subcommands.replaying import Person, compare, living
from tests.sessions import started


def entry(cell: int, code: str = "x") -> HistoryEntry:
    return HistoryEntry(cell, code, "ok", 0.0, "me")


def state(number: int, parent: int | None, cell: int, head: bool = False) -> Checkpoint:
    return Checkpoint(number, parent, cell, 0.0, None, 1, 0, 0, head)


def variable(name: str, preview: str, kind: str = "int", shape: str = "") -> Variable:
    return Variable(name, kind, shape, 0, preview)


def test_what_was_undone_is_on_another_branch_and_does_not_run() -> None:
    cells = [entry(1), entry(2), entry(3, "%undo"), entry(4), entry(5)]
    # Cells 4 and 5 came so fast that they share a state.
    found = living(cells, [state(1, None, 1), state(2, 1, 2), state(3, 1, 5, head=True)])
    assert [cell.cell for cell in found] == [1, 4, 5]
    assert [cell.cell for cell in living(cells, [])] == [1, 2, 4, 5]


def test_names_are_compared_without_their_addresses() -> None:
    before = [variable("a", "<A at 0x12>", "A"), variable("b", "1"), variable("gone", "1")]
    after = [variable("a", "<A at 0x99>", "A"), variable("b", "2"), variable("more", "1")]
    assert compare(before, after) == ["gone is not there", "more is new", "b is int 2, before int 1"]
    assert compare(before, before) == []


def test_a_session_is_replayed_and_what_differs_is_said(tmp_path: Path) -> None:
    told: list[str] = []
    asked: list[str] = []

    def confirm(question: str) -> bool:
        asked.append(question)
        return False

    person = Person(confirm, lambda prompt, _: "given", told.append)
    with started("first", cwd=str(tmp_path)) as old:
        old.run("import os, random\nn = 3")
        old.run("data = [n * k for k in range(4)]\ndata")
        old.run("open('out.txt', 'w').close()")
        old.run("1 / 0")
        asking = old.execute("name = input('who? ')")
        for event in old.events(cell=asking):
            if event.kind == "input_request":
                old.input("given")
            elif event.kind == "finished":
                break
        old.run("# replay: never\nn = 4")
        old.wait_saved(old.run("who = os.getpid()").cell)
        old.wait_saved(old.run("n = 99").cell)
        old.undo()
        (tmp_path / "out.txt").unlink()
        with started("second", cwd=str(tmp_path)) as new:
            differences = replaying.replay(old, new, person)
            assert new.run("data, name, n").result == "([0, 3, 6, 9], 'given', 3)"
    assert asked == ["In[3] wrote out.txt. Run it again?"]
    assert not (tmp_path / "out.txt").exists()
    assert differences[0] == "In[3] was left out: wrote out.txt"
    assert "In[6] was left out: it is marked as never to be replayed" in differences
    assert any(line.startswith("who is int ") for line in differences)
    assert "n is int 3, before int 4" in differences
    assert len(differences) == 4
    assert "In[2] as before" in told and "In[4] as before" in told and not any("In[8]" in line for line in told)
    assert starting.names() == ["first", "second"]
