"""What one connection may do: everything, or look on.

Runs in: host, on the thread of the connection.
"""

from __future__ import annotations

from typing import Any

from pyshell.errors import UsageError
from pyshell.protocol import Nothing
from pyshell.transport import Answer

LOOKING = frozenset({
    "look_on", "status", "events", "queue", "complete", "inspect", "variables", "children", "table", "history",
    "checkpoints", "comms", "peek", "diff",
})  # fmt: skip
"""Operations that change nothing."""


class Role:
    """What one connection may do. Owner: the client's thread."""

    def __init__(self) -> None:
        self._only_looks = False

    def look_on(self, _request: Nothing) -> Nothing:
        self._only_looks = True
        return Nothing()

    def guarded(self, name: str, answer: Answer) -> Answer:
        """The same, but refused to who only looks if it changes something."""
        if name in LOOKING:
            return answer

        def guard(request: Any) -> Any:
            if self._only_looks:
                raise UsageError("this client only looks on; attach without --read-only to change something")
            return answer(request)

        return guard
