"""Directories and secrets that only this user can reach.

Runs in: every process (Python 3.10 and newer).
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from pyshell.errors import AuthenticationFailed

SIZE = 32


def ensure_private(directory: Path) -> None:
    """Make `directory` if need be; raise AuthenticationFailed unless it is this user's alone."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError:
        pass  # a file, or a symbolic link to nothing: refused below
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise AuthenticationFailed(f"{directory} is not a directory of yours; remove it and try again")
    if found.st_mode & 0o077:
        raise AuthenticationFailed(f'others can enter {directory}; run "chmod 700 {directory}" and try again')


def new_secret(path: Path) -> bytes:
    """Write 32 new random bytes that only this user can read, and return them."""
    secret = os.urandom(SIZE)
    path.unlink(missing_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(secret)
        file.flush()
        os.fsync(fd)  # a key that a power cut empties would lock its owner out
    return secret


def kept_secret(path: Path) -> bytes:
    """The secret in that file, made on first use. AuthenticationFailed if it is damaged."""
    if not path.exists():
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        new_secret(fresh)
        try:
            os.link(fresh, path)  # the commit point; whoever comes second uses the first one's
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    secret = path.read_bytes()
    if len(secret) != SIZE:
        raise AuthenticationFailed(
            f"{path} is damaged: bring it back from a copy; without one remove it, and start sessions of other names"
        )
    return secret
