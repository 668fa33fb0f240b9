"""Whether a process has ended that is not our child.

Runs in: host and clients (Python 3.11 and newer).
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LOOK_SECONDS = 0.25


@contextmanager
def exit_watch(pid: int) -> Iterator[Callable[[], bool]]:
    """A function that waits a quarter of a second at most and says whether the process has ended."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        yield lambda: True
        return
    except (AttributeError, OSError):  # macOS, and Linux before 5.3
        yield lambda: _ended_by_polling(pid)
        return
    try:
        yield lambda: bool(select.select([fd], [], [], LOOK_SECONDS)[0])
    finally:
        os.close(fd)


def _ended_by_polling(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    time.sleep(0.01)
    return False
