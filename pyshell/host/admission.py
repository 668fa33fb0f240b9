"""Which cells and lines of input are taken, in which order, and how the queue is listed within a message. Pure.

Runs in: host.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable

from pyshell.errors import SessionStopped, UsageError, WorkerStartFailed
from pyshell.protocol import KEPT_OUT, Execute, Input, QueuedCell, Reordered, State

MAX_CODE = 2 << 20
"""Bytes of one cell; an event that holds it must fit into a message."""
MAX_LINE = 4000
"""Bytes of one line of input: a terminal's line editor holds no more (N_TTY_BUF_SIZE)."""
MAX_QUEUED = 5000
MAX_EXPRESSIONS, MAX_EXPRESSION_CHARACTERS = 100, 100_000
"""What goes with one cell; the host keeps it in memory while the cell waits."""
LISTED_BYTES = 2 << 20
"""Code that a listing of the queue carries; it must fit into a message, too."""


MAX_PATH, MAX_PLACE = 4096, 1_000_000
"""Of a path what the system takes; more lines and columns than a file has that somebody edits."""


def placed(request: Execute) -> str:
    """The cell's code. Of a piece of a file it begins with where that is, which worker/places.py reads: so it is known
    wherever the code is."""
    if not request.file:
        return request.code
    if len(request.file) > MAX_PATH or not request.file.isprintable():
        raise UsageError(f"a file's path has up to {MAX_PATH} characters that can be printed")
    if not (0 < request.line <= MAX_PLACE and 0 <= request.column <= MAX_PLACE):
        raise UsageError(f"lines count from 1, columns from 0, both to {MAX_PLACE}")
    return f"# %% {request.file}:{request.line}:{request.column} [sent]\n{request.code}"


def kept(code: str) -> str:
    """What the journal has of it: nothing, if its person has put a space in front."""
    return KEPT_OUT if code[:1] == " " and code.strip() else code


def check_state(state: State, gave_up: str) -> None:
    """Raise what keeps a session from taking cells."""
    if state == "stopped":
        raise SessionStopped("the session is ending")
    if state == "dead":
        raise WorkerStartFailed(f"{gave_up}; mend the cause, then restart the session")


def check_room(code: str, expressions: tuple[str, ...], waiting: int) -> None:
    """UsageError for a cell that is too long, or too many."""
    if len(code.encode("utf-8", "replace")) > MAX_CODE:
        raise UsageError(f"a cell may have up to {MAX_CODE} bytes; put the data into a file")
    if len(expressions) > MAX_EXPRESSIONS or sum(map(len, expressions)) > MAX_EXPRESSION_CHARACTERS:
        most = f"{MAX_EXPRESSIONS} expressions of {MAX_EXPRESSION_CHARACTERS} characters in all"
        raise UsageError(f"with a cell go up to {most}; make a cell of them")
    if waiting >= MAX_QUEUED:
        raise UsageError(f"{MAX_QUEUED} cells wait already; submit more when they have run")


def listed(queue: Collection[QueuedCell]) -> tuple[QueuedCell, ...]:
    """The cells that wait; of very long ones only the beginning."""
    limit = LISTED_BYTES // 4 // max(1, len(queue))
    return tuple([QueuedCell(cell.cell, cell.client[:100], cell.code[:limit]) for cell in queue])


def reorder(queue: deque[QueuedCell], number: int, position: int) -> Reordered:
    """Put a cell that waits at another place."""
    cell = find_waiting(queue, number)
    queue.remove(cell)
    queue.insert(max(0, position), cell)
    return Reordered(tuple([waiting.cell for waiting in queue]))


def find_waiting(queue: Iterable[QueuedCell], number: int) -> QueuedCell:
    """The cell of that number; UsageError if it does not wait."""
    for cell in queue:
        if cell.cell == number:
            return cell
    raise UsageError(f"In[{number}] is not waiting in the queue")


def line(request: Input) -> bytes:
    """The bytes that a keyboard would send for a line of input, or for end-of-file."""
    data = request.text.encode("utf-8", "replace")
    if len(data) > MAX_LINE or b"\n" in data:
        raise UsageError(f"a line of input has up to {MAX_LINE} bytes and no newline; pass longer text by a file")
    return b"\x04" if request.end else data + b"\n"
