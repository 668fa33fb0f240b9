"""pyshell: the Python console that does not lose your work.

Runs in: every process. The names below are looked up when they are first used, because the worker may
run a Python in which the client's modules cannot be imported.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from pyshell import errors

if TYPE_CHECKING:
    from pyshell.client import Reply, Session
    from pyshell.starting import connect, start
    from pyshell.worker.checkpoints.importing import load_dill
    from pyshell.worker.displaying import display, update_display
    from pyshell.worker.looping import resume, step

__version__ = "0.1.0"
__all__ = [
    "Reply", "Session", "connect", "display", "errors", "load_dill", "resume", "start", "step", "update_display",
]  # fmt: skip

_HOMES = {
    "Reply": "pyshell.client",
    "Session": "pyshell.client",
    "connect": "pyshell.starting",
    "start": "pyshell.starting",
    "display": "pyshell.worker.displaying",
    "load_dill": "pyshell.worker.checkpoints.importing",
    "resume": "pyshell.worker.looping",
    "step": "pyshell.worker.looping",
    "update_display": "pyshell.worker.displaying",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'pyshell' has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)
