"""What a person is told of going to another checkpoint, in sentences. Pure.

Runs in: console.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyshell import drawing
from pyshell.drawing import own
from pyshell.drawing import size as size
from pyshell.protocol import CheckedOut, Loaded, Restored, Unsaved

MAX_NAMES = 20


def sentence(done: CheckedOut) -> str:
    """Where the session is now, and what that changed."""
    where = f"after In [{done.cell}]" if done.cell is not None else "before the first cell"
    changes = [f"back: {listed(own(done.names))}"] if done.names else []
    changes += [f"removed: {listed(done.removed)}"] if done.removed else []
    what = "; ".join(changes) or "nothing differs"
    state = f"The state is that {where} (checkpoint {done.checkpoint}), in {duration(done.seconds)}."
    return f"{state} {what[0].upper()}{what[1:]}."


def loaded_sentence(done: Loaded) -> str:
    return f"Loaded from checkpoint {done.checkpoint}: {listed(done.names) or 'nothing'}."


def restored(body: Restored) -> str:
    """What came back after a death, or at the start."""
    if not body.names:
        return "Started with an empty namespace."
    return f"Restored in {duration(body.seconds)}: {listed(own(body.names))}."


def not_restored(lost: Unsaved) -> str:
    """What did not, and why."""
    return drawing.not_restored(lost, "In [{}]")


def listed(names: Sequence[str]) -> str:
    """Names for a sentence, not too many."""
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return ", ".join(names[:MAX_NAMES]) + more


def duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
