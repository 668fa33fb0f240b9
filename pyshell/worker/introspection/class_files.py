"""Let `inspect.getsource` find classes that were typed in a cell. Functions it finds by itself.

Runs in: worker.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any

from pyshell.worker.kinds import SESSION


def install() -> None:
    """Extend `inspect.getfile`, which knows classes by their module's file only, and `__main__` has none."""
    original = inspect.getfile

    @functools.wraps(original)
    def getfile(object: Any) -> str:
        try:
            return original(object)
        except (TypeError, OSError):
            is_ours = isinstance(object, type) and object.__module__ == SESSION
            from pyshell.worker.introspection import sources  # late: with all of inspection, and rarely asked for

            file = sources.place_of(object)[0] if is_ours else ""
            if not file:
                raise
            return file

    inspect.getfile = getfile
