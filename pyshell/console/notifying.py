"""Tell the person who looks elsewhere that a long cell has ended.

Runs in: console.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from pyshell import protocol
from pyshell.console.keyboard import Keyboard
from pyshell.console.model import Model
from pyshell.console.status import elapsed

RECENT_SECONDS = 5.0
"""What ended longer ago was read from the journal: the console has only just come."""
ENDINGS = {
    "ok": "has ended", "error": "has failed", "died": "has killed the worker", "interrupted": "was interrupted",
}  # fmt: skip


def sentence(cell: int, body: protocol.Finished) -> str:
    """What is to be told of a cell."""
    return f"In [{cell}] {ENDINGS.get(body.status, body.status)} after {elapsed(body.seconds)}"


def sequence(title: str, text: str, environ: Mapping[str, str]) -> str:
    """The notification as the terminal understands it, and the bell, which all do.

    OSC 9 is iTerm2's, and most terminals have it; those of urxvt's family and VTE's have OSC 777 instead. tmux passes
    it on if its `allow-passthrough` is on.
    """
    title, text = (one.translate({ord(";"): ",", **dict.fromkeys(range(32)), 127: None}) for one in (title, text))
    if environ.get("TERM", "").startswith(("rxvt", "foot")) or environ.get("VTE_VERSION"):
        notification = f"\x1b]777;notify;{title};{text}\x07"
    else:
        notification = f"\x1b]9;{title}: {text}\x07"
    if environ.get("TMUX"):
        notification = "\x1bPtmux;" + notification.replace("\x1b", "\x1b\x1b") + "\x1b\\"
    return notification + "\x07"


class Notifier:
    """Owned by the UI thread."""

    def __init__(self, keyboard: Keyboard, seconds: float, notify: Callable[[str, str], None]) -> None:
        """Cells that ran so many seconds are told of; 0: none."""
        self._keyboard = keyboard
        self._seconds = seconds
        self._notify = notify

    def follow(self, model: Model, event: protocol.Event, client: str) -> None:
        """Do what an event asks for, which `model` does not know yet."""
        body = event.body
        if not isinstance(body, protocol.Finished) or not self._seconds or body.seconds < self._seconds:
            return
        is_news = time.time() - event.time < RECENT_SECONDS
        if is_news and event.client == client and self._is_elsewhere(event.cell, model):
            self._notify("pyshell", sentence(event.cell or 0, body))

    def _is_elsewhere(self, cell: int | None, model: Model) -> bool:
        """Whether the person looks at something else; where the terminal does not tell, has not typed since then."""
        if self._keyboard.is_focused is not None:
            return not self._keyboard.is_focused
        found = model.cells.get(cell or 0)
        return found is None or self._keyboard.pressed < found.started + 1
