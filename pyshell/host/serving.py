"""Everything that one session's host consists of, put together, served and taken apart.

Runs in: host.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from typing import Any, TextIO

from pyshell.host.announcing import Announcer
from pyshell.host.door import Door
from pyshell.host.journals.journal import Journal
from pyshell.host.loop import Loop
from pyshell.host.processes.birth import Newborn, Place
from pyshell.host.saved.checkpoints import Checkpoints
from pyshell.host.service import HostService
from pyshell.host.supervisor import Supervisor
from pyshell.paths import SessionPaths
from pyshell.private import kept_secret, new_secret
from pyshell.store import Retention

LINGER_SECONDS = 1.0


class Host:
    """Owner: the main thread. `lock` is held as long as the session is; `first` is a worker on its way."""

    def __init__(
        self, settings: dict[str, Any], paths: SessionPaths, lock: int, log: TextIO, first: Newborn | None
    ) -> None:
        self._paths = paths
        self._lock = lock
        self._log_file = log
        self._first = first
        self._journal = Journal(paths.journal, paths.output)
        place = _place(settings, paths, self._journal)
        retention = Retention(**settings.get("keep", {}))
        self._checkpoints = Checkpoints(paths.store, kept_secret(paths.roots.key), retention)
        for repair in self._checkpoints.repairs():
            self.log(f"store: {repair}")
        self._loop = Loop()
        self._supervisor = Supervisor(place, self._loop, self._journal, self._checkpoints)
        self._service = service = HostService(self._supervisor, self._loop, self._journal, self._checkpoints)
        self._door = Door(paths.socket, new_secret(paths.token), service, self.log)

    def run(self) -> None:
        threading.excepthook = self._on_thread_failure
        try:
            self._end_when_asked()
            self._supervisor.begin(self._first)
            self._loop.run(Announcer(self._loop, self._journal).after_turn)
        except BaseException:  # it ends the host; the log is the only place left to say so
            self.log(traceback.format_exc())
            raise
        finally:
            self._journal.end()
            self._door.close()
            self._service.linger(LINGER_SECONDS)
            self._paths.token.unlink(missing_ok=True)
            self._checkpoints.close()
            self._journal.close()
            # Clients see our end when their connections close; the name must be free by then.
            os.close(self._lock)

    def _end_when_asked(self) -> None:
        """A machine that goes down asks politely, by SIGTERM: what is not saved yet is saved.

        By way of a descriptor and a thread: a Python handler runs on the main thread, which does not notice a
        signal that comes in the moment before it goes to sleep on its queue.
        """
        read, write = os.pipe()
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write)
        signal.signal(signal.SIGTERM, lambda *_: None)

        def watch() -> None:
            while signal.SIGTERM not in os.read(read, 64):
                continue
            self._loop.post(self._supervisor.kill)

        threading.Thread(target=watch, name="signals", daemon=True).start()

    def _on_thread_failure(self, failure: threading.ExceptHookArgs) -> None:
        """A host that lacks a thread would hang; one that ends is followed by another, and loses nothing."""
        shown = traceback.format_exception(failure.exc_type, failure.exc_value, failure.exc_traceback)
        self.log("".join(shown))
        os._exit(70)

    def log(self, text: str) -> None:
        print(time.strftime("%Y-%m-%d %H:%M:%S"), text, file=self._log_file, flush=True)


def _place(settings: dict[str, Any], paths: SessionPaths, journal: Journal) -> Place:
    """A session keeps its interpreter and directory, unless its starter names others."""
    for key in ("python", "cwd"):
        if settings[key] is None:
            settings[key] = journal.meta(key) or {"python": sys.executable, "cwd": os.getcwd()}[key]
        journal.set_meta(key, settings[key])
    return Place.of(settings, paths)
