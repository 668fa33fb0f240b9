"""A file in the user's directory that is named like a module of ours or of Python's is the user's alone.

Runs in: tests.
"""

from __future__ import annotations

from pathlib import Path

from pyshell.protocol import Saved
from tests.sessions import SECONDS, started, until

NAMES = ("queue", "tempfile", "hmac", "struct", "linecache", "dill", "rpyc", "pickle")


def test_the_users_files_do_not_shadow_what_the_worker_needs(tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text("mine = True\n")
    with started(cwd=tmp_path) as session:
        assert session.run("import rpyc, dill; rpyc.mine, dill.mine", SECONDS).result == "(True, True)"
        cell = session.execute("f = lambda: 1")
        until(session, lambda event: isinstance(event.body, Saved) and event.cell == cell)


def test_what_the_user_puts_into_a_module_is_the_users_alone() -> None:
    """As `json.dumps = orjson.dumps`, which returns bytes and knows no `sort_keys`."""
    with started() as session:
        session.run("import json; json.dumps = lambda value: b'mine'; json.loads = json.JSONEncoder = None")
        session.wait_saved(session.run("x = [1]").cell, SECONDS)
        session.wait_saved(session.run("x.append(2)").cell, SECONDS)
        died = session.run("import os; os.kill(os.getpid(), 9)", SECONDS)
        assert (died.status, died.not_restored) == ("died", ())
        assert session.run("x", SECONDS).result == "[1, 2]"
