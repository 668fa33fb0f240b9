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
