"""What a cell may break without ending the worker or its saving for good.

Runs in: tests.
"""

from __future__ import annotations

import pytest

from tests.live import PATIENCE, live, wait_for, wait_until_saved
from tests.sessions import becomes_true

BREAKS = {
    "no standard streams": ("del sys.stdin, sys.stdout, sys.stderr", "sys.stdin, sys.stdout, sys.stderr = kept"),
    "no hooks": ("del sys.displayhook, sys.excepthook", "None"),
    "no working directory": ("os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone')", "os.chdir('/')"),
    "no open files": ("resource.setrlimit(resource.RLIMIT_NOFILE, (12, hard))", "resource.setrlimit(7, (soft, hard))"),
    "no threads": ("resource.setrlimit(resource.RLIMIT_NPROC, (1, 9999))", "resource.setrlimit(6, (9999, 9999))"),
    "no recursion": ("sys.setrecursionlimit(60)", "sys.setrecursionlimit(1000)"),
    "no environment": ("saved = dict(os.environ); os.environ.clear()", "os.environ.update(saved)"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_the_session_outlives_what_a_cell_breaks(name: str, xdg: object) -> None:
    """And once it is mended, the state is saved again."""
    broken, mended = BREAKS[name]
    with live("broken", cwd=str(xdg)) as session:
        session.run("import os, resource, sys\nsoft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)", PATIENCE)
        session.run("kept = sys.stdin, sys.stdout, sys.stderr", PATIENCE)
        pid = session.pid
        session.run(broken, PATIENCE)
        for _ in range(3):
            before = session.status().last_event
            assert session.run("value = 'before'", PATIENCE).status in ("ok", "error")
            wait_for(session, lambda event: event.kind in ("saved", "save_failed"), after=before)
        session.run(mended, PATIENCE)
        session.run("value = 'after'", PATIENCE)
        assert session.pid == pid
        wait_until_saved(session)
        session.run("os.kill(os.getpid(), 9)", PATIENCE)
        assert session.run("value", PATIENCE).result == "'after'"


LOOKS = """
import gc, threading
looking = True
def look():
    while looking:
        for thing in gc.get_objects(): pass
threading.Thread(target=look, daemon=True).start()
"""


def test_code_that_looks_at_all_objects_ends_no_thread_of_ours(xdg: object) -> None:
    """A tuple in the making that somebody else holds cannot be completed."""
    with live("looks") as session:
        session.run(LOOKS, PATIENCE)
        pid = session.pid
        for number in range(15):
            reply = session.run(f"print({number})\nvalue = {number}\nvalue", PATIENCE)
            assert (reply.output, reply.result) == (f"{number}\n", f"{number}")
            # It shares the interpreter with that thread: the first answers may come too late.
            assert becomes_true(lambda: "look" in {match.text for match in session.complete("loo", 3).matches})
            wait_until_saved(session)
        session.run("looking = False", PATIENCE)
        assert session.pid == pid
