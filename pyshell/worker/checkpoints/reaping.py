"""A thread that waits for saving children, so that the main thread need not.

Runs in: worker.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable


class Reaper:
    """One thread for all children: later the user's may have used up what the system allows."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[None] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="pyshell-reaper", daemon=True).start()

    def reap(self, job: Callable[[], object]) -> None:
        """Do this on the thread; `wait` once for its end."""

        def run() -> None:
            job()
            self._done.put(None)

        self._jobs.put(run)

    def wait(self) -> None:
        self._done.get()

    def watch(self, job: Callable[[], object]) -> None:
        """Do this on the thread meanwhile. There is no child, and the job ends before there is one again."""
        self._jobs.put(job)

    def _run(self) -> None:
        while True:
            self._jobs.get()()
