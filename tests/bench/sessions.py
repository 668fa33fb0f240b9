"""Sessions for benchmarks: in directories of their own, and ended whatever happens.

Runs in: benchmarks.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyshell
from pyshell import Session


@contextmanager
def own_directories() -> Iterator[Path]:
    """Where everything that is started meanwhile keeps its files; they go."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as home:
        os.environ.update(XDG_STATE_HOME=f"{home}/state", XDG_RUNTIME_DIR=home, XDG_CONFIG_HOME=f"{home}/config")
        try:
            yield Path(home)
        finally:
            os.environ.clear()
            os.environ.update(before)


@contextmanager
def measured(python: Path) -> Iterator[Session]:
    """A session of its own whose cells may use `time_`."""
    with own_directories() as home, pyshell.start("bench", python=str(python), cwd=str(home)) as session:
        try:
            session.run("import time as time_")
            yield session
        finally:
            session.kill()
