"""Say of each variable whether the newest checkpoint has it. Pure.

Runs in: host.
"""

from __future__ import annotations

from dataclasses import replace

from pyshell.protocol import Status, Variable, Variables

NOT_YET = "it is not saved yet: the checkpoint after the last cell is being made"
NO_CHECKPOINT = "nothing of this session has been saved yet"


def told_saved(found: Variables, status: Status) -> Variables:
    """The same with `saved` and `reason`."""
    unsaved = {missing.name: missing.reason for missing in status.unsaved}
    rows = [_told(row, status, unsaved.get(row.name, "")) for row in found.variables]
    return replace(found, variables=tuple(rows))


def _told(row: Variable, status: Status, reason: str) -> Variable:
    if not reason and status.checkpoint is None:
        reason = NO_CHECKPOINT
    elif not reason and _is_newer(row, status):
        reason = NOT_YET
    # Most are saved, which is what a row says until it is told otherwise: making one anew takes as long as ten of them.
    return replace(row, saved=False, reason=reason) if reason else row


def _is_newer(row: Variable, status: Status) -> bool:
    """Whether a cell that ended after the checkpoint is known to have changed it."""
    last_ended = (status.cell or status.next_cell - len(status.queued)) - 1
    saved = status.saved_cell or 0
    return (row.cell or 0) > saved or (row.changed and last_ended > saved)
