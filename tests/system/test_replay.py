"""What cannot be saved is made again by running the cells again that made it.

Runs in: tests, against real hosts and workers.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pyshell import Session
from pyshell.client import Reply
from pyshell.protocol import Finished, Notice, Remakeable
from tests.sessions import started, until, until_state

SECONDS = 60.0


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with started("again", cwd=str(tmp_path)) as session:
        yield session


def saved(session: Session, code: str) -> Reply:
    reply = session.run(code, SECONDS)
    assert reply.status == "ok", reply
    session.wait_saved(reply.cell, SECONDS)
    return reply


def die(session: Session) -> Reply:
    reply = session.run("import os; os.kill(os.getpid(), 9)", SECONDS)
    assert reply.status == "died"
    return reply


def notices(session: Session) -> list[str]:
    last = session.status().last_event
    events = until(session, lambda event: event.seq >= last)
    return [event.body.text for event in events if isinstance(event.body, Notice)]


def effects_of(session: Session, cell: int) -> tuple[str, ...]:
    body = until(session, lambda event: event.cell == cell and event.kind == "finished")[-1].body
    assert isinstance(body, Finished)
    return body.effects


def test_a_chain_of_what_cannot_be_saved_is_made_again_with_the_values_of_its_time(
    session: Session, tmp_path: Path
) -> None:
    """Each needs the one before; what they were made from has changed since; nothing else is touched."""
    (tmp_path / "lines.txt").write_text("a\nb\nc\n")
    saved(session, "path = 'lines.txt'; factor = 10; ran = []")
    saved(session, "ran.append('file')\nfile = (line.strip() for line in open(path))\ntemporary = 1")
    saved(session, "def scaled(x): return x * factor\nran.append('rows')")
    saved(session, "rows = (scaled(line) for line in file)\nlate = 'then'")
    saved(session, "path = 'gone.txt'; late = 'now'; del temporary; ran.append('end')")
    died = die(session)
    assert {lost.name for lost in died.not_restored} == {"file", "rows"}
    assert any("%replay" in text and "rows" in text for text in notices(session))
    shown = session.run("%replay -n", SECONDS).output
    assert "In[2]" in shown and "In[4]" in shown and "In[3]" not in shown and "path" in shown, shown
    assert session.run("'rows' in globals()", SECONDS).result == "False"
    done = saved(session, "%replay -y")
    assert done.output.endswith("Made again: file, rows.\n"), done
    # What was made again is known by the cells that made it first, and so can be made again a second time.
    assert {lost.name: lost.cell for lost in session.status().unsaved} == {"file": 2, "rows": 4}
    assert session.run("path, late, ran, 'temporary' in globals()", SECONDS).result == (
        "('gone.txt', 'now', ['file', 'rows', 'end'], False)"
    )
    assert session.run("list(rows)", SECONDS).result == repr([c * 10 for c in "abc"])
    die(session)
    assert session.run("%replay -y", SECONDS).output.endswith("Made again: file, rows.\n")
    assert session.run("next(rows)", SECONDS).result == repr("a" * 10)


def test_a_cell_that_did_something_outside_is_asked_about_by_what_it_did(session: Session, tmp_path: Path) -> None:
    saved(session, "plain = (n for n in range(3))")
    told = saved(session, "with open('log.txt', 'a') as out: print('ran', file=out)\nlogged = (n for n in 'xy')")
    assert effects_of(session, told.cell) == ("wrote log.txt",)
    assert effects_of(session, 1) == ()
    saved(session, "# replay: never\nonce = (n for n in 'z')")
    saved(session, "follows = (n for n in logged)")
    die(session)
    done = session.run("%replay -y", SECONDS).output
    assert "In[2] wrote log.txt" in done and "In[3] is never to be replayed" in done, done
    assert "In[4] needs logged" in done and done.endswith("Made again: plain.\n"), done
    assert (tmp_path / "log.txt").read_text() == "ran\n"
    asking = session.execute("%replay logged")
    for word in ("y", "n"):
        until(session, lambda event: event.cell == asking and event.kind == "input_request")
        session.input(word)
        until(session, lambda event: event.cell == asking and event.kind == "input_done")
    assert session.wait(asking, SECONDS).output.count("Run it again?") == 1
    assert session.run("'logged' in globals()", SECONDS).result == "False"
    assert session.run("%replay -a logged", SECONDS).status == "ok"
    assert (tmp_path / "log.txt").read_text() == "ran\nran\n"
    assert session.run("list(logged), list(plain)", SECONDS).result == "(['x', 'y'], [0, 1, 2])"


def test_a_cell_can_be_marked_as_never_to_be_replayed_after_it_has_run(session: Session) -> None:
    """The mark outlives the worker and the host, and is told by the history; a restore tells what could run again."""
    saved(session, "first = (n for n in 'ab')")
    saved(session, "second = (n for n in 'cd')")
    assert "In[1]" in saved(session, "%replay --never 1").output
    die(session)
    told = until(session, lambda event: event.kind == "remakeable")[-1].body
    assert isinstance(told, Remakeable)
    offered = [(step.cell, step.names, step.never) for step in told.steps]
    assert offered == [(1, ("first",), True), (2, ("second",), False)]
    assert session.run("%replay -a", SECONDS).output.endswith("Made again: second.\n")
    assert [entry.cell for entry in session.history() if entry.never] == [1]
    session.kill()
    with started("again") as session:
        assert "In[1] is never to be replayed" in session.run("%replay -y first", SECONDS).output
        assert session.run("%replay --again 1", SECONDS).status == "ok"
        assert "first" in session.run("%replay -y first", SECONDS).output.splitlines()[-1]
        assert session.run("list(first)", SECONDS).result == "['a', 'b']"
        refused = session.run("%replay --never", SECONDS)
        assert refused.error is not None and "which cells?" in refused.error.message


def test_a_cell_that_fails_now_says_so_and_the_others_go_on(session: Session, tmp_path: Path) -> None:
    (tmp_path / "here.txt").write_text("1")
    saved(session, "gone = (line for line in open('here.txt'))")
    saved(session, "fine = (n for n in 'ab')\nfine")
    saved(session, "box = {'part': (n for n in 'ab')}")
    (tmp_path / "here.txt").unlink()
    die(session)
    done = session.run("%replay -y", SECONDS)
    assert "FileNotFoundError" in done.output and "In[1] raised FileNotFoundError: gone stays away." in done.output
    assert done.output.endswith("Made again: fine.\n") and "In[3]" not in done.output, done.output
    refused = session.run("%replay nobody", SECONDS)
    assert refused.error is not None and "there is no nobody" in refused.error.message


@pytest.mark.parametrize("mode", ["auto", "never"])
def test_after_a_restore_as_the_person_has_said(mode: str, xdg: Path, tmp_path: Path) -> None:
    config = xdg / "config" / "pyshell"
    config.mkdir(parents=True)
    (config / "config.toml").write_text(f'[replay]\nafter_restore = "{mode}"\n')
    with started("modes", cwd=str(tmp_path)) as session:
        saved(session, "made = (n for n in 'ab')")
        waiting = session.execute("import os; input(); os.kill(os.getpid(), 9)"), session.execute("held = 1")
        until(session, lambda event: event.kind == "input_request")
        session.input("")
        session.wait(waiting[0], SECONDS)
        if mode == "auto":  # before what is held, and although it is held
            assert session.wait(waiting[1] + 1, SECONDS).output.endswith("Made again: made.\n")
        assert not any(event.kind == "remakeable" for event in until_state(session, "idle"))
        assert session.queue().held and [cell.cell for cell in session.queue().cells] == [waiting[1]]
        session.release()
        expected = "['a', 'b']" if mode == "auto" else "'gone'"
        assert session.run("list(made) if 'made' in globals() else 'gone'", SECONDS).result == expected
        assert not any("%replay" in text for text in notices(session))
