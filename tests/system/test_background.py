"""Cells that run in the background: the prompt is free, they can be cancelled, and what they did is kept.

Runs in: tests, against real hosts, workers and commands.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import pyshell
from pyshell import Session
from pyshell.protocol import Background, Event, Notice, Output, Result
from tests.sessions import becomes_true, host_of, kill, started, until, until_output

ROOT = str(Path(pyshell.__file__).parents[1])
WAITS = "import os, time\nprint('in the back', flush=True)\nwhile not os.path.exists({!r}): time.sleep(0.01)\n"
ENDS = "print('seen')\nx = [1, 2]\nlen(x)"
FORMS = {";;": "{} ;;", "%%bg": "%%bg\n{}\n", "%bg": "%bg exec({!r})"}


def is_free(event: Event) -> bool:
    return isinstance(event.body, Background) and not event.body.cells


def until_told(session: Session, text: str) -> None:
    until(session, lambda event: isinstance(event.body, Notice) and text in event.body.text)


def shown_by(session: Session, cell: int) -> str:
    newest = session.status().last_event
    events = until(session, lambda event: event.seq >= newest)
    return "".join([event.body.text for event in events if isinstance(event.body, Output) and event.cell == cell])


@pytest.mark.parametrize("form", FORMS)
def test_the_prompt_is_free_and_each_cell_shows_its_own(form: str, xdg: Path) -> None:
    gate = xdg / "gate"
    with started() as session:
        code = WAITS.format(str(gate)) + ENDS
        first = session.run(FORMS[form].format(code))
        assert first.status == "ok" and f"%bg -k {first.cell}" in first.output
        until_output(session, "in the back", first.cell)
        second = session.run("print('in front')\nx = 0\n6 * 7")
        assert (second.output, second.result) == ("in front\n", "42")
        assert session.status().background == (first.cell,)
        listed = session.run("%queue")
        assert f"In[{first.cell}] runs in the background" in listed.output
        before = session.status().last_event
        gate.touch()
        events = until(session, is_free, before)
        assert shown_by(session, first.cell).endswith("in the back\nseen\n")
        assert any(isinstance(event.body, Notice) and "has ended" in event.body.text for event in events)
        if form != "%bg":  # of a statement there is no value: it is `exec` here
            assert [event.body.text for event in events if isinstance(event.body, Result)] == ["2"]
            assert session.run(f"_{first.cell}").result == "2"
        assert session.status().background == ()
        assert session.run("x").result == "[1, 2]"


def test_what_it_has_done_survives_the_worker(xdg: Path) -> None:
    gate = xdg / "gate"
    with started() as session:
        cell = session.run(WAITS.format(str(gate)) + "x = list(range(1000))\n;;").cell
        gate.touch()
        assert becomes_true(lambda: "x" in saved_names(session))
        second = session.run(WAITS.format("/nowhere") + ";;").cell
        until_output(session, "in the back", second)
        died = session.run("import os; os.kill(os.getpid(), 9)")
        assert died.status == "died" and "x" in died.restored
        until_told(session, f"In[{second}] ran in the background, and ended with the worker")
        assert session.status().background == ()
        statuses = {entry.cell: entry.status for entry in session.history()}
        assert (statuses[cell], statuses[second]) == ("ok", "died")
        assert session.run("len(x)").result == "1000"


def saved_names(session: Session) -> list[str]:
    """Those of the newest saved state."""
    numbers = [checkpoint.checkpoint for checkpoint in session.checkpoints()]
    return [name.name for name in session.peek(max(numbers)).names] if numbers else []


def test_it_ends_without_its_host_and_the_next_one_tells(xdg: Path) -> None:
    gate = xdg / "gate"
    with started() as session:
        cell = session.run(WAITS.format(str(gate)) + ENDS + ";;").cell
        until_output(session, "in the back", cell)
        kill(host_of(session))
        gate.touch()
    with started() as again:
        again.wait_up()
        assert again.run("x").result == "[1, 2]"
        assert shown_by(again, cell).endswith("in the back\nseen\n")
        assert again.status().background == ()


def test_it_is_cancelled_and_fails_by_itself() -> None:
    with started() as session:
        cell = session.run(WAITS.format("/nowhere") + ";;").cell
        until_output(session, "in the back", cell)
        assert session.run(f"%bg -k {cell}").status == "ok"
        events = until(session, is_free)
        assert any(isinstance(event.body, Notice) and "was cancelled" in event.body.text for event in events)
        wrong = session.run(f"%bg -k {cell}")
        assert wrong.error is not None and "%bg lists" in wrong.error.message
        assert session.run("%bg").output.startswith("Nothing runs in the background")
        for code, kind in (("1 / 0;;", "ZeroDivisionError"), ("input();;", "EOFError"), ("!ls ;;", "UsageError")):
            before = session.status().last_event
            cell = session.run(code).cell
            events = until(session, is_free, before)
            assert any(getattr(getattr(event.body, "error", None), "kind", "") == kind for event in events)
            assert session.history()[-1].status == "error" and session.history()[-1].cell == cell
        unfinished = session.run("def f(:;;")
        assert unfinished.error is not None and unfinished.error.kind == "SyntaxError"


@pytest.mark.parametrize("version", ["3.10", "3.12", "3.13"])
def test_it_is_so_in_other_pythons(version: str, pythons: dict[str, str], xdg: Path) -> None:
    if version not in pythons:
        pytest.skip(f"there is no Python {version}")
    gate = xdg / "gate"
    with started(python=pythons[version]) as session:
        cell = session.run(WAITS.format(str(gate)) + ENDS + ";;").cell
        until_output(session, "in the back", cell)
        assert session.run("print('in front')").output == "in front\n"
        before = session.status().last_event
        gate.touch()
        until(session, is_free, before)
        assert shown_by(session, cell).endswith("in the back\nseen\n")
        cancelled = session.run(WAITS.format("/nowhere") + ";;").cell
        session.run(f"%bg -k {cancelled}")
        until_told(session, f"In[{cancelled}] was cancelled in the background")
        assert session.run(f"_{cell}, x").result == "(2, [1, 2])"


def test_the_queue_is_told_with_what_waits(xdg: Path) -> None:
    gate = xdg / "gate"
    with started() as session:
        cell = session.execute(WAITS.format(str(gate)))
        until_output(session, "in the back", cell)
        listing = session.execute("%queue")
        waiting = session.execute("'behind'")
        gate.touch()
        events = until(session, lambda event: event.cell == listing and event.kind == "finished")
        assert any(isinstance(e.body, Notice) and f"In[{waiting}] waits: 'behind'" in e.body.text for e in events)
        session.wait(waiting)


def test_it_counts_as_running_when_the_session_is_to_end() -> None:
    with started() as session:
        cell = session.run(WAITS.format("/nowhere") + ";;").cell
        asked = subprocess.run(
            [sys.executable, "-m", "pyshell", "kill", "-t", "s"], capture_output=True, text=True, timeout=60,
            stdin=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": ROOT},
        )  # fmt: skip
        assert asked.returncode == 2 and f"In[{cell}] runs in the background" in asked.stderr
        session.run("%kill")
        until_told(session, f"Not ended: In[{cell}] runs in the background.")
        assert session.status().state == "idle"
