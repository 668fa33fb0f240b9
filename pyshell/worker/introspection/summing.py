"""Tell the host what the namespace holds, while nobody waits for this process: it may be too busy when it is asked.

Runs in: worker, on a thread of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

from pyshell.protocol import Family, Outline, Outlines
from pyshell.worker.namespace import Namespace
from pyshell.worker.sender import Sender

QUIET_SECONDS = 0.1
"""Cells that follow each other faster than this are told of together."""
PAUSE_SECONDS = 0.005
"""Between two parts: what runs meanwhile shall hardly notice."""
MAX_PART = 20
MAX_NAMES = 5_000
MAX_LENGTH = 100
"""Characters of a name; a report must fit into a message."""


class Summing:
    """`wake` may be called from any thread, and does nothing but set an event."""

    def __init__(self, namespace: Namespace, sender: Sender) -> None:
        self._namespace = namespace
        self._sender = sender
        self._woken = threading.Event()
        self._named: set[str] = set()
        """Names in the cells since the last look: what they are bound to may have changed inside."""
        self._ids: dict[str, int] = {}
        """What the host knows: by their ids, so that nothing is kept alive."""
        self._families: set[str] = set()
        self._thread: threading.Thread | None = None
        self._told = False

    def wake(self, named: Iterable[str] | None = ()) -> None:
        """Something has run that had these names in it (None: who knows which)."""
        self._named.update(self._ids if named is None else named)
        self._woken.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="pyshell-summing", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            self._woken.wait()
            while self._woken.is_set():
                self._woken.clear()
                pause.wait(QUIET_SECONDS)
            self._tell(pause)

    def _tell(self, pause: threading.Event) -> None:
        values = self._look()
        named, self._named = self._named, set()
        removed = [name for name in self._ids if name not in values]
        changed = [name for name in values if self._ids.get(name) != id(values[name]) or name in named]
        for name in removed:
            del self._ids[name]
        for begin in range(0, max(1, len(changed)), MAX_PART):
            part = changed[begin : begin + MAX_PART]
            self._send({name: values[name] for name in part}, tuple(removed) if not begin else ())
            pause.wait(PAUSE_SECONDS)

    def _look(self) -> dict[str, Any]:
        hidden = self._namespace.hidden
        values = dict(self._namespace.variables)  # at once: a cell may bind names meanwhile
        names = [name for name in values if type(name) is str and len(name) <= MAX_LENGTH]
        names = [name for name in names if name[:1] != "_" and name not in hidden]
        return {name: values[name] for name in names[-MAX_NAMES:]}

    def _send(self, values: dict[str, Any], removed: tuple[str, ...]) -> None:
        import pyshell.worker.introspection.inspection  # noqa: F401 (here, so that the first question about a value need not wait for it)
        from pyshell.worker.introspection.outlining import (  # late: with all of completion, long after the start
            family,
            outline,
        )

        outlines: list[Outline] = []
        families: list[Family] = []
        for name, value in values.items():
            self._ids[name] = id(value)
            try:
                described = outline(name, value)
                if described.kind == "instance" and described.type not in self._families:
                    families.append(family(value))
                    self._families.add(described.type)
            except Exception:  # a class that lies, a value that changes meanwhile: this one is not told of
                continue
            outlines.append(described)
        if outlines or removed or not self._told:
            self._sender.report(Outlines(not self._told, tuple(outlines), tuple(families), removed))
            self._told = True
