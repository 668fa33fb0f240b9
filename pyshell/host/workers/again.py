"""What follows a restore that did not bring everything back: nothing, a word about %replay, or %replay itself. Pure.

Runs in: host.
"""

from __future__ import annotations

from pyshell.protocol import QueuedCell, Restored
from pyshell.store.likeness import is_output

REPLAYER = "replay"
"""The client of the cells that a host runs by itself, because the person has said so."""
CODE = "%replay -y"
MAX_NAMES = 10


def sentences(mode: str, restored: Restored) -> list[str]:
    """What the person is told of names that cells could make again; nothing if there are none."""
    names = _makeable(restored)
    if mode != "ask" or not names:
        return []
    shown = ", ".join(names[:MAX_NAMES]) + (", …" if len(names) > MAX_NAMES else "")
    return [f"Cells could make {shown} again: %replay shows which would run, and asks."]


def code(mode: str, restored: Restored, dead: QueuedCell | None) -> str:
    """The cell that is to run now. Not if one like it was what ended the worker: it would do so for ever."""
    if mode != "auto" or not _makeable(restored) or (dead is not None and dead.client == REPLAYER):
        return ""
    return CODE


def _makeable(restored: Restored) -> list[str]:
    whole = [lost for lost in restored.not_restored if lost.name.isidentifier() and not is_output(lost.name)]
    return [lost.name for lost in whole if lost.cell is not None]
