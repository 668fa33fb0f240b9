"""Delete a session that nothing runs in: its journal, its saved states, its output.

Runs in: a process of its own of the host's part, for a client whose person asks for that.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

from pyshell.errors import PyshellError, SessionError, SessionNotFound
from pyshell.host.__main__ import lock_session
from pyshell.host.journals.journal import past_meta
from pyshell.host.workers.orphan import Orphan
from pyshell.paths import Roots, SessionPaths
from pyshell.private import ensure_private


def delete(paths: SessionPaths) -> None:
    """SessionExists while a host runs; SessionError while a worker goes on without one."""
    if not paths.journal.exists():
        raise SessionNotFound(f'there is no session "{paths.name}"; "pyshell ls" lists them')
    lock = lock_session(paths)
    try:
        check_rests(paths)
        # Out of the way first: whoever is killed in between leaves no half of a session.
        ensure_private(away := paths.roots.state / "deleted")
        elsewhere = os.path.realpath(paths.directory) if paths.directory.is_symlink() else None
        os.rename(paths.directory, away / f"{paths.name}.{os.getpid()}")  # the commit point
    finally:
        os.close(lock)
    if elsewhere is not None:
        shutil.rmtree(elsewhere)
    for left in away.iterdir():
        if left.is_symlink():
            left.unlink()
        else:
            shutil.rmtree(left, ignore_errors=True)  # somebody else may be at it, too


def check_rests(paths: SessionPaths) -> None:
    """SessionError if the worker of a host that was killed still ends its cell."""
    worker = Orphan.parse(past_meta(paths.journal, "worker"))
    if worker is not None and worker.is_alive():
        said = f'the worker of session "{paths.name}" still ends its cell (process {worker.pid})'
        raise SessionError(f"{said}: wait for that, or attach and interrupt it")


def main() -> int:
    """`python -m pyshell.host.removal` with `name state runtime` as JSON on its input."""
    settings = json.load(sys.stdin)
    roots = Roots(Path(settings["state"]), Path(settings["runtime"]))
    try:
        delete(roots.session(settings["name"]))
    except (PyshellError, OSError) as exc:
        print(type(exc).__name__, exc, sep="\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
