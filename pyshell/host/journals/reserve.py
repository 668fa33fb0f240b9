"""Room on the disk that is kept for the moment when there is none left.

Runs in: host.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

SIZE = 1 << 20
FULL = (
    "The session's journal cannot be written ({}): new cells are refused, and what is printed is not kept, "
    "until it can. Free some space, or see to the disk."
)
ROOM = "There is room on the disk again; {} characters that were printed meanwhile were not kept."


class Reserve:
    """A file that holds nothing. Owner: the supervisor's thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.is_there = False
        self.restore()

    def restore(self) -> bool:
        """Take the room again; False if the disk has none."""
        if self.is_there:
            return True
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                _allocate(fd)
            finally:
                os.close(fd)
        except OSError as exc:
            self._path.unlink(missing_ok=True)
            if exc.errno in (errno.ENOSPC, errno.EDQUOT):
                return False
            # A file system that cannot keep room may well have some: nobody must be refused for that.
        self.is_there = True
        return True

    def release(self) -> bool:
        """Give the room back to the disk; False if that was done before."""
        was_there, self.is_there = self.is_there, False
        self._path.unlink(missing_ok=True)
        return was_there


def _allocate(fd: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(fd, 0, SIZE)
        return
    written = 0  # macOS: a file with holes would hold no room
    while written < SIZE:
        written += os.write(fd, bytes(SIZE - written))
