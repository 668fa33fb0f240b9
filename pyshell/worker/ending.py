"""End a process that a cell has forked and that came back from it, as a script ends.

Runs in: that process, and worker.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from pyshell.worker import cell as cells


def flush(stream: Any) -> None:
    if stream is not None and getattr(stream, "closed", False) is not True:
        stream.flush()


def exit_code(exc: BaseException) -> int:
    """What a process would exit with."""
    code = getattr(exc, "code", 1)
    return 0 if code is None else int(code) & 0xFF if type(code) in (int, bool) else 1


def end_child(exc: BaseException | None) -> None:
    """A process that the cell forked came back from it: it ends as a script does, and not as a second worker."""
    status = 1
    try:
        if exc is None:
            status = 0
        elif issubclass(type(exc), SystemExit):
            status = exit_code(exc)
        else:
            sys.stderr.write(cells.describe(exc).traceback)
        for stream in (sys.stdout, sys.stderr):
            flush(stream)
    finally:
        os._exit(status)
