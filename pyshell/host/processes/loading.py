"""Notice that a worker hangs while it loads a checkpoint.

Runs in: host, on the supervisor's thread.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from pyshell.blackbox import LOADING, BlackBox
from pyshell.host.loop import Loop

RESTORE_SECONDS = 60.0
"""How long one group may take to load before it counts as hung."""

BoxOfLoader = Callable[[], BlackBox | None]
"""The black box of the worker that loads; None as soon as it does not any more."""


def watch_loading(loop: Loop, box_of_loader: BoxOfLoader, on_hung: Callable[[], object], group: str = "") -> None:
    """Look from time to time whether loading goes on; `group` is the one that was seen the last time."""
    box = box_of_loader()
    if box is None:
        return
    now = box.crumb(LOADING)
    if group and now == group:
        on_hung()
    else:
        loop.later(RESTORE_SECONDS, partial(watch_loading, loop, box_of_loader, on_hung, now))
