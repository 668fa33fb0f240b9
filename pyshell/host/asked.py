"""What a cell asks of its host is done when it has ended: another checkpoint, another interpreter, the session's end.

Runs in: host, on the supervisor's thread.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

from pyshell.protocol import Asked, Checkout, Notice, Queue, Restart, Status, Underway


class Doer(Protocol):
    """What the supervisor is to it."""

    clients: Counter[int]

    def restart(self, request: Restart) -> None: ...
    def begin_travel(self, request: Checkout) -> Underway: ...
    def kill(self) -> None: ...
    def queue(self) -> Queue: ...
    def status(self) -> Status: ...


def do_as_asked(doer: Doer, asked: Asked, client: str, say: Callable[[Notice], None]) -> None:
    """Do it for that client, or say why not."""
    if asked.what == "python":
        doer.restart(Restart(False, asked.python))
    elif asked.what != "kill":
        doer.begin_travel(Checkout(asked.what, asked.checkpoint, client))
    elif why := reason_to_stay(asked, len(doer.queue().cells), len(doer.clients), doer.status().background):
        say(Notice(why))
    else:
        doer.kill()


def reason_to_stay(asked: Asked, waiting: int, clients: int, background: Sequence[int] = ()) -> str:
    """Why a cell that asks for the session's end does not get it; nothing if it does."""
    others = clients - 1  # who has sent the cell is one of them, or has left
    found = [f"{waiting} {'cell waits' if waiting == 1 else 'cells wait'}"] if waiting else []
    found += [f"{others} {'other is' if others == 1 else 'others are'} attached"] if others > 0 else []
    found += [f"In[{cell}] runs in the background" for cell in background]
    if not found or asked.force:
        return ""
    return f"Not ended: {' and '.join(found)}. %kill -f ends the session all the same."
