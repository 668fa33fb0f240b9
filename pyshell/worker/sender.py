"""Send reports to the host, from one thread, in order, and keep them in a file when the host is gone.

Runs in: worker.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from pathlib import Path

from pyshell import protocol
from pyshell.errors import ConnectionLost, PyshellError
from pyshell.protocol import Notice, Report, ReportBody, Reports
from pyshell.transport import Link

MAX_WAITING = 1000
"""Reports that may wait; whoever produces more waits in turn."""
MAX_BATCH = 100


class Sender:
    """Any thread may `report`; one thread of its own talks to the host.

    The main thread must never write to a connection: an interrupt between two writes would cut a
    message in half.
    """

    def __init__(self, link: Link, orphan_file: Path) -> None:
        self._link = link
        self._orphan_file = orphan_file
        self._waiting: queue.SimpleQueue[Report | threading.Event | None] = queue.SimpleQueue()
        self._orphan = False
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._run, name="pyshell-sender", daemon=True)
        self._thread.start()

    def report(self, body: ReportBody, cell: int | None = None, fence: int = 0) -> None:
        """Queue a report; waits only while the host is far behind. Does nothing in a forked child."""
        if os.getpid() != self._pid:
            return
        # Looked at now and then, and not a semaphore: an interrupt in the middle of one can leave it locked.
        while self._waiting.qsize() >= MAX_WAITING:
            time.sleep(0.01)
        self._waiting.put(Report(fence, cell, body))

    def wait_sent(self, seconds: float) -> None:
        """Wait until the host has all that was reported so far, but not longer than that."""
        sent = threading.Event()
        self._waiting.put(sent)
        sent.wait(seconds)

    def close(self, timeout: float) -> None:
        """Send what is queued, then end the thread."""
        self._waiting.put(None)
        self._thread.join(timeout)

    def _run(self) -> None:
        last = False
        while not last:
            batch = [self._waiting.get()]
            while not self._waiting.empty() and len(batch) < MAX_BATCH:
                batch.append(self._waiting.get())
            last = None in batch
            reports = tuple([report for report in batch if isinstance(report, Report)])
            waiters = [event for event in batch if isinstance(event, threading.Event)]
            if reports:
                self._deliver(reports)
            for waiter in waiters:
                waiter.set()

    def _deliver(self, reports: tuple[Report, ...]) -> None:
        if not self._orphan:
            try:
                self._link.call("report", Reports(reports), timeout=None)
                return
            except ConnectionLost:
                self._orphan = True
            except PyshellError as exc:
                self._deliver_singly(reports, exc)
                return
        self._keep(reports)

    def _deliver_singly(self, reports: tuple[Report, ...], exc: PyshellError) -> None:
        if len(reports) > 1:
            for report in reports:
                self._deliver((report,))
        elif not isinstance(reports[0].body, Notice):
            self._deliver((Report(0, reports[0].cell, Notice(f"the host refused a report: {exc}")),))

    def _keep(self, reports: tuple[Report, ...]) -> None:
        lines = [protocol.to_json(report) + "\n" for report in reports]
        with contextlib.suppress(OSError), open(
            self._orphan_file, "a", encoding="ascii", opener=_private
        ) as file:
            # On a full disk they are lost, for want of anybody to tell; the cell must end all the same.
            file.writelines(lines)


def _private(path: str, flags: int) -> int:
    """Nobody else reads what the user's code has printed, whatever the user's umask says."""
    return os.open(path, flags, 0o600)
