"""The timeline of a session as its clients use it: the checkpoints, what they hold, and ways between them.

Runs in: clients (Python 3.11 and newer).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Sequence
from typing import TypeVar

from pyshell import errors
from pyshell.errors import CallTimeout, PyshellError, SessionStopped, StoreError
from pyshell.protocol import (
    CheckedOut,
    Checkout,
    CheckoutFailed,
    Checkpoint,
    CheckpointPair,
    CheckpointRef,
    Contents,
    Difference,
    Event,
    Finished,
    Forgotten,
    Label,
    Loaded,
    LoadNames,
    Message,
    Nothing,
    Save,
    Saved,
    SaveFailed,
    StateChanged,
    Underway,
)
from pyshell.transport import Link

_ON_ITS_WAY = ("starting", "restarting")
A = TypeVar("A", CheckedOut, Loaded)


def _ended(cell: int | None, line: int | None) -> int:
    """The newest cell that a checkpoint holds whole."""
    return (cell or 0) - (line is not None)


class Timeline:
    """What `Session` can do with checkpoints."""

    _control: Link
    name: str
    client: str

    def _read(self, after: int, cell: int | None, deadline: float | None) -> Generator[Event, None, None]:
        raise NotImplementedError  # Session has it

    def save(self, label: str | None = None) -> None:
        """Take a checkpoint now; a `saved` event tells when it is on disk. Labelled ones are kept for ever."""
        self._control.call("save", Save(label))

    def wait_saved(self, cell: int, timeout: float | None = None) -> int:
        """Wait until what a cell did is in a checkpoint, and return its number. Cells in quick succession share one.

        StoreError if it could not be saved; CallTimeout after `timeout` seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        known = [found.checkpoint for found in self.checkpoints() if _ended(found.cell, found.line) >= cell]
        if known:
            return min(known)
        ended = self._end_of(cell, deadline)
        if ended is not None and isinstance(ended.body, Finished) and not ended.body.saves:
            raise StoreError(f"In[{cell}] is not saved by itself: [saving] mode is manual; %checkpoint saves it")
        with contextlib.closing(self._read(ended.seq if ended is not None else 0, None, deadline)) as events:
            for event in events:
                body: Message = event.body
                if isinstance(body, Saved) and _ended(event.cell, body.line) >= cell:
                    return body.checkpoint
                if isinstance(body, SaveFailed):
                    raise StoreError(f"In[{cell}] is not saved: {body.reason}")
        raise self._not_in_time(deadline, f"In[{cell}] is not saved", timeout)

    def _end_of(self, cell: int, deadline: float | None) -> Event | None:
        """The event that a cell ended with; None if it has not ended in time."""
        with contextlib.closing(self._read(0, cell, deadline)) as events:
            return next((event for event in events if isinstance(event.body, Finished)), None)

    def wait_up(self) -> None:
        """Wait while a worker is being started or restored; at once if there is one, or none will come."""
        status = self._control.call("status", Nothing())
        if status.state not in _ON_ITS_WAY:
            return
        with contextlib.closing(self._read(status.last_event, None, None)) as events:
            for event in events:
                if isinstance(event.body, StateChanged) and event.body.state not in _ON_ITS_WAY:
                    return

    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """The saved states, oldest first. `parent` makes them a tree; of one of them, `head` is true."""
        found: tuple[Checkpoint, ...] = self._control.call("checkpoints", Nothing()).checkpoints
        return found

    def peek(self, checkpoint: int) -> Contents:
        """What a checkpoint holds and what it lacks, without loading anything; CheckpointNotFound."""
        found: Contents = self._control.call("peek", CheckpointRef(checkpoint))
        return found

    def diff(self, before: int, after: int) -> Difference:
        """The names that were added, changed and removed from one checkpoint to another; CheckpointNotFound."""
        found: Difference = self._control.call("diff", CheckpointPair(before, after))
        return found

    def label(self, checkpoint: int, label: str | None) -> None:
        """Name a checkpoint, which keeps it for ever; None takes the name away. CheckpointNotFound."""
        self._control.call("label", Label(checkpoint, label))

    def prune(self) -> Forgotten:
        """Forget the checkpoints that the rule of `config.toml` does not keep; it is done now and then by itself."""
        found: Forgotten = self._control.call("prune", Nothing())
        return found

    def restore(self, checkpoint: int, timeout: float | None = None) -> CheckedOut:
        """Take the live namespace to a checkpoint, and wait until it is there.

        The present state is saved first. Only what differs is loaded; what is the same keeps its objects. The next
        checkpoint follows that one: a branch. WorkerBusy while a cell runs; CheckpointNotFound; StoreError if the
        present state cannot be saved; WorkerError if the worker died on the way, and then the state is the old one;
        CallTimeout after `timeout` seconds (it goes on).
        """
        return self._travel("checkout", Checkout("checkpoint", checkpoint, self.client), CheckedOut, timeout)

    def undo(self, timeout: float | None = None) -> CheckedOut:
        """Go back to before the last change; CheckpointNotFound if there is nothing to undo. Else as `restore`."""
        return self._travel("checkout", Checkout("undo", None, self.client), CheckedOut, timeout)

    def redo(self, timeout: float | None = None) -> CheckedOut:
        """Go on along the newest branch from here; CheckpointNotFound if none leads on. Else as `restore`."""
        return self._travel("checkout", Checkout("redo", None, self.client), CheckedOut, timeout)

    def load(self, checkpoint: int, names: Sequence[str], timeout: float | None = None) -> Loaded:
        """Bind these names to their values in a checkpoint, and leave all others as they are.

        Functions and classes that they need come too where there is nothing of that name. UsageError for a name that
        the checkpoint does not have, and then nothing is bound; errors else as for `restore`.
        """
        wanted = (names,) if isinstance(names, str) else tuple(names)
        return self._travel("load", LoadNames(checkpoint, wanted, self.client), Loaded, timeout)

    def _travel(self, operation: str, request: Message, expected: type[A], timeout: float | None) -> A:
        return self.wait_travelled(self._control.call(operation, request), expected, timeout)

    def wait_travelled(self, underway: Underway, expected: type[A], timeout: float | None = None) -> A:
        """Wait for the end of what was asked for by the operation `checkout` or `load`; errors as for `restore`."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with contextlib.closing(self._read(underway.after, None, deadline)) as events:
            for event in events:
                body: Message = event.body
                if isinstance(body, CheckoutFailed):
                    raise errors.from_remote(body.kind, body.reason)
                if isinstance(body, expected):
                    return body
        raise self._not_in_time(deadline, "the namespace is not there", timeout)

    def _not_in_time(self, deadline: float | None, what: str, timeout: float | None) -> PyshellError:
        if deadline is not None and time.monotonic() >= deadline:
            return CallTimeout(f"{what} within {timeout} s; it goes on")
        return SessionStopped(f'the session "{self.name}" ended, and {what}')
