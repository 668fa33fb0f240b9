"""Tell a client of each event, in order, once.

Runs in: clients (Python 3.11 and newer), on a thread of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from pyshell.bridges.objects import to_object
from pyshell.client import Session
from pyshell.errors import PyshellError

Notify = Callable[[str, object], None]


class Following:
    """Once started it runs until it is stopped or the session ends, which it tells, too."""

    def __init__(self, session: Session, first: int, notify: Notify) -> None:
        self._session = session.another()
        self._first = first
        self._notify = notify
        self._is_stopped = False

    def start(self) -> None:
        threading.Thread(target=self._run, name="following", daemon=True).start()

    def stop(self) -> None:
        """Any thread. What is under way may still be told."""
        self._is_stopped = True
        self._session.close()

    def _run(self) -> None:
        ended = {"kind": "SessionStopped", "message": f'the session "{self._session.name}" has ended'}
        try:
            for event in self._session.events(self._first - 1):
                if self._is_stopped:
                    return
                self._notify("event", to_object(event))
        except PyshellError as exc:
            ended = {"kind": type(exc).__name__, "message": str(exc)}
        if not self._is_stopped:
            self._notify("ended", ended)
            self._session.close()
