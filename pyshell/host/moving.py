"""Lay a session's files into another directory, copy them, and take up those that came from elsewhere.

Runs in: a process of its own of the host's part, for a client; nothing runs in the session meanwhile.

    sessions/NAME             its directory, or a symbolic link to where its person wants it: DIR/NAME.pyshell

A directory that somebody else has written is only taken up when its person has said so: what it holds is code.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pyshell.errors import PyshellError, SessionExists, SessionNotFound, StoreCorrupt, UsageError
from pyshell.host.__main__ import lock_session
from pyshell.host.journals.journal import past_cells
from pyshell.host.removal import check_rests
from pyshell.paths import Roots, SessionPaths
from pyshell.private import ensure_private, kept_secret
from pyshell.store import Store, adopt

SUFFIX = ".pyshell"
MAX_CELLS = 100_000


def lay(paths: SessionPaths, directory: Path) -> Path:
    """A new session's files are to lie in that directory; where."""
    if os.path.lexists(paths.directory):
        raise SessionExists(f'there is a session "{paths.name}" already; give another name, or move it: "pyshell move"')
    target = _free(directory, paths.name)
    for private in (paths.roots.state, paths.roots.sessions, target):
        ensure_private(private)
    paths.directory.symlink_to(target)
    return target


def copy(paths: SessionPaths, directory: Path) -> Path:
    """Copy a session that does not run; where the copy is."""
    with _at_rest(paths):
        return _copied(paths, _free(directory, paths.name))


def move(paths: SessionPaths, directory: Path | None) -> Path:
    """Move a session that does not run, None: back into the state directory; where it is."""
    with _at_rest(paths):
        if directory is None and not paths.directory.is_symlink():
            raise UsageError(f'session "{paths.name}" lies in the state directory already: {paths.directory}')
        ensure_private(staging := paths.roots.state / "moving")
        fresh = staging / f"{paths.name}.{os.getpid()}"
        target = _copied(paths, _free(directory, paths.name) if directory is not None else fresh)
        if directory is not None:
            fresh.symlink_to(target)
        old = _out_of_the_way(paths, is_replaced=directory is not None)
        os.replace(fresh, paths.directory)  # the commit point
    shutil.rmtree(old)
    return Path(os.path.realpath(paths.directory))


def _out_of_the_way(paths: SessionPaths, is_replaced: bool) -> Path:
    """Where the files are that have been copied. A link can be replaced by another one, a directory by nothing."""
    old = Path(os.path.realpath(paths.directory))
    if paths.directory.is_symlink():
        if not is_replaced:
            paths.directory.unlink()
        return old
    ensure_private(away := paths.roots.state / "deleted")
    os.rename(paths.directory, old := away / f"{paths.name}.{os.getpid()}")
    return old


def look(paths: SessionPaths, directory: Path) -> str:
    """What a directory holds, in a sentence that begins with `ours` or `foreign`. UsageError if it is no session."""
    if not (directory / "journal").is_file():
        raise UsageError(f'{directory} holds no session: name a directory that "pyshell copy" or "--here" made')
    links = [path for path in directory.rglob("*") if path.is_symlink()]
    if links or directory.is_symlink():
        raise UsageError(
            f"{links[0] if links else directory} is a symbolic link, which no session has: it is not opened"
        )
    cells = len(past_cells(directory / "journal", MAX_CELLS).entries)
    whose = "ours" if _is_ours(paths, directory) else "foreign"
    return f"{whose} {cells}"


def take_up(paths: SessionPaths, directory: Path, cwd: str, python: str) -> None:
    """Let the session of that name lie there. Whoever calls has asked its person, unless it is his own."""
    look(paths, directory)
    if os.path.lexists(paths.directory):
        raise SessionExists(f'there is a session "{paths.name}" already; give another name with -s')
    for private in (paths.roots.state, paths.roots.sessions):
        ensure_private(private)
    directory.chmod(0o700)
    store = directory / "store"
    if store.exists() and not _is_ours(paths, directory):
        adopt(store, key=kept_secret(paths.roots.key))
    with contextlib.closing(sqlite3.connect(directory / "journal", isolation_level=None)) as db:
        known = dict(db.execute("select key, value from meta where key in ('cwd', 'python')").fetchall())
        # Of another machine: its processes are not here, and its directories and interpreters may not be.
        db.execute("delete from meta where key in ('worker', 'background')")
        for key, is_there, instead in (("cwd", os.path.isdir, cwd), ("python", os.path.isfile, python)):
            if not is_there(known.get(key, "")):
                db.execute("insert or replace into meta values (?, ?)", (key, instead))
    paths.directory.symlink_to(directory)  # the commit point


def _is_ours(paths: SessionPaths, directory: Path) -> bool:
    if not (directory / "store").exists():
        return not (directory / "journal").exists()
    if not paths.roots.key.exists():
        return False
    try:
        Store.open(directory / "store", key=kept_secret(paths.roots.key), writer=False).close()
    except StoreCorrupt:
        return False
    return True


@contextlib.contextmanager
def _at_rest(paths: SessionPaths) -> Iterator[None]:
    """Held as a host holds it, so that none begins; SessionExists while one runs."""
    if not paths.journal.exists():
        raise SessionNotFound(f'there is no session "{paths.name}"; "pyshell ls" lists them')
    lock = lock_session(paths)
    try:
        check_rests(paths)
        yield
    finally:
        os.close(lock)


def _free(directory: Path, name: str) -> Path:
    target = Path(os.path.realpath(directory)) / f"{name}{SUFFIX}"
    if not target.parent.is_dir():
        raise UsageError(f"{directory} is no directory")
    if os.path.lexists(target):
        raise UsageError(f"{target} is there already: move it away, or name another directory")
    return target


def _copied(paths: SessionPaths, target: Path) -> Path:
    """All of it or nothing."""
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        shutil.copytree(os.path.realpath(paths.directory), part)
        part.chmod(0o700)
        os.rename(part, target)
    except BaseException:  # whatever it is, it goes on when this is tidied up
        shutil.rmtree(part, ignore_errors=True)
        raise
    return target


def _do(settings: dict[str, Any]) -> object:
    paths = Roots(Path(settings["state"]), Path(settings["runtime"])).session(settings["name"])
    directory = Path(settings["directory"]) if settings.get("directory") else None
    if settings["action"] == "move":
        return move(paths, directory)
    assert directory is not None
    if settings["action"] == "take_up":
        take_up(paths, directory, settings["cwd"], settings["python"])
        return paths.directory
    return {"lay": lay, "copy": copy, "look": look}[settings["action"]](paths, directory)


def main() -> int:
    """`python -m pyshell.host.moving` with `action name directory state runtime` as JSON on its input."""
    try:
        print(_do(json.load(sys.stdin)))
    except sqlite3.Error as exc:
        print("SessionError", f"the journal there cannot be read: {exc}", sep="\n")
        return 1
    except shutil.Error as exc:
        print("SessionError", f"it could not be copied: {exc.args[0][0][2]}", sep="\n")
        return 1
    except (PyshellError, OSError) as exc:
        print(type(exc).__name__ if isinstance(exc, PyshellError) else "SessionError", exc, sep="\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
