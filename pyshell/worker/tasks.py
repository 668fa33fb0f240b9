"""What waits for the main thread: in its order, and what is urgent ahead of it.

Runs in: worker.
"""

from __future__ import annotations

import time
from collections import deque

from pyshell.frozen import dataclass
from pyshell.inbox import Inbox
from pyshell.protocol import Message
from pyshell.worker.checkpoints.telling import Reaped


@dataclass(frozen=True)
class Stop:
    """The host is gone: finish what is queued, save, and end."""


@dataclass
class Touched:
    """Cells in the background have changed what nobody can know: save it."""

    is_served: bool = False


@dataclass(frozen=True)
class StoreNames:
    """The person wants these names to be saved."""

    names: tuple[str, ...]


Task = Message | StoreNames | Reaped | Touched | Stop
"""What the host asks for, and what the worker's own threads do."""


class Tasks:
    """What waits for the main thread, in the order in which it came. Any thread may `put`."""

    def __init__(self) -> None:
        self._arrived: Inbox[Task] = Inbox()
        self._passed: deque[Task] = deque()
        """What came before something that was more urgent."""

    def __bool__(self) -> bool:
        return bool(self._passed) or bool(self._arrived)

    def put(self, task: Task) -> None:
        self._arrived.put(task)

    def take(self, seconds: float | None = None) -> Task:
        """The next; queue.Empty if none comes in time."""
        return self._passed.popleft() if self._passed else self._arrived.take(seconds)

    def take_first(self, kinds: tuple[type[Task], ...], seconds: float) -> Task:
        """The next of these kinds, ahead of all others; queue.Empty if none comes in time."""
        deadline = time.monotonic() + seconds
        while True:
            task = self._arrived.take(max(0.0, deadline - time.monotonic()))
            if isinstance(task, kinds):
                return task
            self._passed.append(task)
