"""Tell whether code besides the cell's can be running.

Runs in: worker, on its main thread.
"""

from __future__ import annotations

import sys
import threading


def has_other_threads() -> bool:
    """Then the names in a cell's code do not tell what was touched, and nothing holds still while it is looked at."""
    ours = [t for t in threading.enumerate() if t is threading.main_thread() or t.name.startswith("pyshell-")]
    return len(sys._current_frames()) > len(ours)
