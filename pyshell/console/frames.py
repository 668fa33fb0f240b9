"""When the screen is drawn: as urwid does it, or a moment later, together with what is about to come.

Runs in: console.

Drawing takes as long as a short cell. Done between Enter and the cell's value, it takes the processor from the host and
the worker, and shows for some milliseconds what nobody sees.
"""

from __future__ import annotations

import time
from typing import Any

from urwid.event_loop.abstract_loop import ExitMainLoop
from urwid.event_loop.main_loop import MainLoop


class Frames(MainLoop):
    """Owned by the UI thread."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._held_until = 0.0

    def hold(self, seconds: float) -> None:
        """Draw nothing for so long, unless `release` comes first."""
        self._held_until = time.monotonic() + seconds
        self.set_alarm_in(seconds, lambda *_: None)  # whatever an alarm does, urwid draws after it

    def stop(self) -> None:
        """Let go of the terminal, if we have it."""
        if self.idle_handle is not None:
            super().stop()

    def leave(self) -> None:
        """End it, from whatever it calls."""
        raise ExitMainLoop

    def release(self) -> None:
        """Draw when this turn ends."""
        self._held_until = 0.0

    def draw_screen(self) -> None:
        if time.monotonic() >= self._held_until:
            super().draw_screen()
