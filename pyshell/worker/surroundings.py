"""What the worker was started with, as far as saving needs it.

Runs in: worker.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyshell.frozen import dataclass
from pyshell.worker.interrupts import Interrupts
from pyshell.worker.pickles.limits import Limits

Borrow = Callable[[Callable[[Any], object]], "dict[str, types.ModuleType]"]
"""Imports a lent package, lets the given function prepare it, and returns its modules, hidden from the user."""


@dataclass(frozen=True)
class Surroundings:
    """Where to save and how."""

    store: Path
    startup: str | None
    borrow_dill: Borrow
    limits: Limits
    interrupts: Interrupts
    is_wanted: Callable[[], bool]
    """Whether a task waits for the main thread."""
