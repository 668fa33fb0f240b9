"""What commands do to saved states: what they bind survives a death, and they go along the timeline.

Runs in: tests.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyshell import Session
from pyshell.client import Reply
from pyshell.protocol import Notice
from tests.live import PATIENCE, live, make_environment
from tests.sessions import becomes_true, environment, started, until, until_output, until_state


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with live("states", cwd=str(tmp_path)) as session:
        yield session


def saved(session: Session, code: str) -> Reply:
    reply = session.run(code, PATIENCE)
    assert reply.status == "ok", reply
    session.wait_saved(reply.cell, PATIENCE)
    return reply


def die(session: Session) -> Reply:
    reply = session.run("import os; os.kill(os.getpid(), 9)", PATIENCE)
    assert (reply.status, reply.not_restored) == ("died", ())
    return reply


WAITS = """
import pyshell, sys
with pyshell.connect(sys.argv[1]):
    print("attached", flush=True)
    sys.stdin.readline()
"""
BINDS = {
    "%time y = [1]": "y",
    "%%time\ny = [1]\n": "y",
    "y = !echo 1": "[int(t) for t in y]",
    "def f():\n    global y\n    y = !echo 1\nf()": "[int(t) for t in y]",
    "%timeit -n 1 -r 1 kept.append(1)": "kept[-1:]",
    "%%capture c\nprint(1)\n": "[int(c.stdout)]",
    "!echo {kept.append(1)}": "kept",
    "%%bash --out y\necho [1]\n": "eval(y)",
    "%run script.py": "of_script",
    "%run -i script.py": "of_script",
    "%rerun 1": "kept + [1]",
}


@pytest.mark.parametrize(("command", "asked"), BINDS.items())
def test_what_a_command_changes_survives_a_death(session: Session, tmp_path: Path, command: str, asked: str) -> None:
    (tmp_path / "script.py").write_text("of_script = [1]\ndef of(): return of_script\n")
    saved(session, "kept = []")
    saved(session, "large = [{i} for i in range(1000)]; held = kept")
    before = saved(session, command)
    assert session.run(asked, PATIENCE).result == "[1]", before
    die(session)
    assert session.run(asked, PATIENCE).result == "[1]"


def test_what_is_reset_stays_away(session: Session) -> None:
    saved(session, "a = 1; b = [2]; c = b")
    saved(session, "%reset -f")
    die(session)
    assert becomes_true(lambda: session.variables() == ())
    saved(session, "d = 1")
    session.undo(PATIENCE)
    session.undo(PATIENCE)
    assert becomes_true(lambda: [v.name for v in session.variables()] == ["a", "b", "c"])


def test_a_function_with_commands_works_after_a_death(session: Session, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(
        "n = 1\ndef count():\n    global n\n    n += 1\n    return n\ndef now(): return n\n"
    )
    saved(session, "def f(x):\n    y = !echo {x}\n    return y")
    saved(session, "%run script.py\ncount()")
    die(session)
    assert session.run("f(3)", PATIENCE).result == "['3']"
    assert session.run("count(), now(), n", PATIENCE).result == "(3, 3, 3)"
    assert session.run("f??", PATIENCE).output.count("!echo {x}") == 1


def test_undo_restore_and_redo_take_effect_when_the_cell_has_ended(session: Session) -> None:
    first = saved(session, "x = 1").cell
    saved(session, "x = 2")
    reply = session.run("%undo\nx", PATIENCE)
    assert (reply.status, reply.result) == ("ok", "2")
    assert session.run("x", PATIENCE).result == "1"
    session.run("%redo", PATIENCE)
    assert session.run("x", PATIENCE).result == "2"
    number = next(c.checkpoint for c in session.checkpoints() if c.cell == first)
    session.run(f"%restore {number}", PATIENCE)
    assert session.run("x", PATIENCE).result == "1"
    reply = session.run("%restore 999", PATIENCE)
    assert reply.error is not None and "%timeline lists them" in reply.error.message


def test_running_a_program_is_nothing_to_undo(session: Session) -> None:
    saved(session, "x = 1")
    saved(session, "x = 2")
    saved(session, "!false")
    saved(session, "!true")
    session.run("%undo", PATIENCE)
    assert session.run("x", PATIENCE).result == "1"


def test_a_labelled_checkpoint_is_found_again(session: Session) -> None:
    session.run("x = 1\n%checkpoint before the fit", PATIENCE)
    until(session, lambda event: event.kind == "saved" and any(c.label for c in session.checkpoints()))
    saved(session, "x = 2")
    shown = session.run("%timeline", PATIENCE).output
    assert '"before the fit"' in shown and shown.startswith("@") and "x = 2" in shown
    session.run("%restore before the fit", PATIENCE)
    assert session.run("x", PATIENCE).result == "1"


def test_a_label_means_the_state_in_which_it_was_given(session: Session) -> None:
    session.run("data = [[n] for n in range(200_000)]; x = 'before'", PATIENCE)  # which takes a moment to save
    session.run("%checkpoint given while that is saved", PATIENCE)
    session.run("x = 'after'", PATIENCE)
    until(session, lambda event: event.kind == "saved" and any("given" in str(c.label) for c in session.checkpoints()))
    session.run("%restore given while that is saved", PATIENCE)
    assert session.run("x", PATIENCE).result == "'before'"
    session.run("del data", PATIENCE)


def test_kill_ends_the_session() -> None:
    with started("ended") as session:
        session.run("%kill", PATIENCE)
        until_state(session, "stopped")


def test_kill_says_why_it_does_not_end_what_others_use() -> None:
    with started("shared") as session:
        session.run("%kill of_another", PATIENCE)
        command = [sys.executable, "-c", WAITS, "shared"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen(command, env=environment(session), **pipes) as other:  # type: ignore[call-overload]
            assert other.stdout is not None and other.stdout.readline() == b"attached\n"
            refused = session.run("%kill", PATIENCE)
            told = until(session, lambda event: event.kind == "notice" and "Not ended" in event.body.text)[-1].body
            assert isinstance(told, Notice) and "1 other is attached" in told.text and "%kill -f" in told.text
            assert refused.status == "ok" and session.state == "idle"
            other.communicate(b"go\n")
        assert becomes_true(lambda: session.status().clients == 1)
        session.execute("input()\n%kill")
        until(session, lambda event: event.kind == "input_request")
        waiting = session.execute("x = 1")
        session.input("")
        assert session.wait(waiting, PATIENCE).status == "ok", "a cell that waits runs"
        session.run("%kill -f", PATIENCE)
        until_state(session, "stopped")


def test_the_timeline_shows_what_each_cell_changed(session: Session) -> None:
    saved(session, "kept = [1]")
    saved(session, "other = 2; third = 3")
    saved(session, "kept.append(2)")
    shown = session.run("%timeline", PATIENCE).output.split("\n")
    assert ["[kept]" in shown[0], "[other, third]" in shown[1], "[kept]" in shown[2]] == [True] * 3, shown


def test_a_program_ends_with_its_session_whatever_it_hears() -> None:
    with started("deaf") as session:
        cell = session.execute("!trap '' HUP INT TERM; echo begun; sleep 600")
        until_output(session, "begun", cell)


def test_the_past_is_known_after_a_death(session: Session) -> None:
    saved(session, "%time x = 1")
    die(session)
    assert "%time x = 1" in session.run("%history", PATIENCE).output
    assert session.run("%rerun 1\nx", PATIENCE).result == "1"


@pytest.mark.parametrize("version", ["3.10", "3.12", "3.13"])
def test_commands_work_in_a_bare_interpreter(pythons: dict[str, str], version: str, tmp_path: Path) -> None:
    if version not in pythons:
        pytest.skip(f"no python{version} here")
    python = str(make_environment(pythons[version], tmp_path / "venv"))
    with live("bare", python=python, cwd=str(tmp_path)) as session:
        assert session.run("x = !echo a\nx", PATIENCE).result == "['a']"
        assert session.run("%time 6 * 7", PATIENCE).result == "42"
        reply = session.run("%autoreload 2", PATIENCE)
        assert reply.error is not None
        assert f"%pip install ipython (it is not installed for {python}" in reply.error.message
        assert "a1" in session.run("%%bash\necho a1\n", PATIENCE).output
        assert session.run("!exit 3\n_exit_code", PATIENCE).result == "3"
        reply = session.run("%%time\ny = 1\n1 / 0\n", PATIENCE)
        assert reply.error is not None and ", line 3, in <module>" in reply.error.traceback
        saved(session, "%time y = [1]")
        die(session)
        assert session.run("y, x", PATIENCE).result == "([1], ['a'])"
