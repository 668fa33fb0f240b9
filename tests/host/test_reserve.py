"""The room that is kept for a full disk.

Runs in: tests.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from pyshell.host.journals.reserve import SIZE, Reserve


def test_room_is_taken_given_back_and_taken_again(tmp_path: Path) -> None:
    path = tmp_path / "reserve"
    reserve = Reserve(path)
    assert reserve.is_there and reserve.restore()
    assert path.stat().st_blocks * 512 >= SIZE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (reserve.release(), reserve.release()) == (True, False)
    assert not path.exists() and not reserve.is_there
    assert reserve.restore() and path.exists()


@pytest.mark.parametrize(
    ("number", "is_there"), [(errno.ENOSPC, False), (errno.EDQUOT, False), (errno.EOPNOTSUPP, True)]
)
def test_only_a_full_disk_has_no_room(
    number: int, is_there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    reserve = Reserve(tmp_path / "reserve")
    assert reserve.is_there == is_there
    assert not (tmp_path / "reserve").exists()
    monkeypatch.undo()
    assert reserve.restore() and reserve.is_there
