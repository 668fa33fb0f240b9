"""The few file operations that the store is made of, and nothing else of the operating system.

Runs in: host and worker (Python 3.10 and newer).

Every access of the store to the disk goes through one `Files` object, so that a test can hand in one that fails:
no room, an I/O error, a short write, a sync that is refused, a crash after the n-th operation.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyshell.errors import StoreError, StoreFull

DIRECTORY_MODE = 0o700
FILE_MODE = 0o600


class Files:
    """The real thing. Raises OSError; `errors_named` turns that into the store's own errors."""

    # --- reading

    def open_read(self, path: Path) -> int:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def read(self, fd: int, size: int, offset: int) -> bytes:
        """Up to `size` bytes; fewer only at the end of the file."""
        parts = []
        while size > 0:
            part = os.pread(fd, size, offset)
            if not part:
                break
            parts.append(part)
            offset += len(part)
            size -= len(part)
        return b"".join(parts)

    def size(self, fd: int) -> int:
        return os.fstat(fd).st_size

    def names(self, directory: Path) -> list[str]:
        return os.listdir(directory)

    def exists(self, path: Path) -> bool:
        return os.path.lexists(path)

    # --- changing

    def make_directory(self, path: Path) -> None:
        os.mkdir(path, DIRECTORY_MODE)

    def create(self, path: Path) -> int:
        """A new file; FileExistsError if there is one of that name."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)

    def open_write(self, path: Path) -> int:
        """An existing file, to write anywhere in it."""
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def write(self, fd: int, data: bytes | memoryview, offset: int) -> int:
        """Write some of `data`; how many bytes is the result, as with pwrite(2)."""
        return os.pwrite(fd, data, offset)

    def truncate(self, fd: int, size: int) -> None:
        os.ftruncate(fd, size)

    def sync(self, fd: int) -> None:
        """Return when content and size are on the disk."""
        os.fdatasync(fd) if hasattr(os, "fdatasync") else os.fsync(fd)

    def sync_directory(self, path: Path) -> None:
        """Return when what was created, renamed and removed in it is on the disk."""
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def rename(self, source: Path, target: Path) -> None:
        os.rename(source, target)

    def unlink(self, path: Path) -> None:
        os.unlink(path)

    # --- locks and the end

    def lock(self, fd: int, *, shared: bool = False, wait: bool = False) -> bool:
        """Take the lock of an open file, which ends with the last process that has it open. False: taken."""
        mode = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
        try:
            fcntl.flock(fd, mode)
        except BlockingIOError:
            return False
        return True

    def close(self, fd: int) -> None:
        os.close(fd)


class UnsyncedFiles(Files):
    """For a writer whose own death alone is to be survived, and which must not wait: the host syncs what it commits."""

    def sync(self, fd: int) -> None:
        """Leave it to the host."""

    def sync_directory(self, path: Path) -> None:
        """Leave it to the host."""

    def lock(self, fd: int, *, shared: bool = False, wait: bool = False) -> bool:
        """Do not wait: BlockingIOError instead."""
        if super().lock(fd, shared=shared):
            return True
        if wait:
            raise BlockingIOError(errno.EWOULDBLOCK, "somebody else has the lock")
        return False


OS_FILES = Files()
UNSYNCED = UnsyncedFiles()


def write_all(files: Files, fd: int, data: bytes | memoryview, offset: int) -> int:
    """Write all of `data` at `offset`, however often the system stops short. The offset after it."""
    rest = memoryview(data)
    while rest:
        written = files.write(fd, rest, offset)
        if written <= 0:
            raise OSError(errno.EIO, "a write made no progress")
        rest = rest[written:]
        offset += written
    return offset


def read_file(files: Files, path: Path) -> bytes:
    fd = files.open_read(path)
    try:
        return files.read(fd, files.size(fd), 0)
    finally:
        files.close(fd)


@contextmanager
def errors_named(what: str) -> Iterator[None]:
    """Translate the system's errors: the one place where the store does."""
    try:
        yield
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StoreFull(f"no room left to {what}: free some space on the disk, or prune the store") from exc
        raise StoreError(f"cannot {what}: {exc.strerror or exc}") from exc
