"""The file layer: short writes, modes, locks, and the names of errors.

Runs in: tests.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from pyshell.errors import StoreError, StoreFull
from pyshell.store import Files
from pyshell.store.files import errors_named, read_file, write_all
from tests.store.faults import FaultyFiles


def test_write_all_goes_on_after_short_writes(tmp_path: Path) -> None:
    files = FaultyFiles()
    files.largest_write = 3
    fd = files.create(tmp_path / "file")
    assert write_all(files, fd, b"0123456789", 2) == 12
    files.close(fd)
    assert read_file(files, tmp_path / "file") == b"\0\x000123456789"
    assert files.operations.count("write") == 4


def test_write_all_gives_up_without_progress(tmp_path: Path) -> None:
    files = FaultyFiles()
    files.largest_write = 0
    fd = files.create(tmp_path / "file")
    with pytest.raises(OSError, match="no progress"):
        write_all(files, fd, b"data", 0)
    files.close(fd)


def test_modes_do_not_let_others_in(tmp_path: Path) -> None:
    files = Files()
    before = os.umask(0)
    try:
        files.make_directory(tmp_path / "directory")
        files.close(files.create(tmp_path / "directory" / "file"))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "directory").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "directory" / "file").stat().st_mode) == 0o600


def test_locks(tmp_path: Path) -> None:
    files = Files()
    first = files.create(tmp_path / "lock")
    second = files.open_read(tmp_path / "lock")
    assert files.lock(first, shared=True)
    assert files.lock(second, shared=True)
    assert not files.lock(first)
    files.close(second)
    assert files.lock(first)
    files.close(first)


@pytest.mark.parametrize(
    "number, expected",
    [(errno.ENOSPC, StoreFull), (errno.EDQUOT, StoreFull), (errno.EFBIG, StoreFull), (errno.EIO, StoreError)],
)
def test_errors_get_names(number: int, expected: type[StoreError]) -> None:
    with pytest.raises(StoreError) as caught, errors_named("commit"):
        raise OSError(number, os.strerror(number))
    assert type(caught.value) is expected
    assert "commit" in str(caught.value)
    assert isinstance(caught.value.__cause__, OSError)
