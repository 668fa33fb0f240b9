"""Which code of the session really ran: also what a library calls back, and no name leads to. Python 3.12 and newer.

Runs in: worker; the callback on whatever thread runs the code.

Each code object of the session tells of its first start, and is at full speed from then on until the next cell. Events
are asked for each of them alone: nothing of the library's is watched, and what others have switched off stays off.
"""

from __future__ import annotations

import sys
from collections import deque
from types import CodeType
from typing import Any

from pyshell.worker.touched import names_in, parts_of

TOOLS = (4, 3)
"""Those that Python names are a debugger's, coverage's, a profiler's and an optimizer's."""
NAME = "pyshell"


class Ran:
    """Owner: the main thread. Does nothing before Python 3.12, and where others have all tools."""

    def __init__(self) -> None:
        self._monitoring: Any = getattr(sys, "monitoring", None)
        self._tool: int | None = None
        self._seen: deque[CodeType] = deque()
        self._silent: dict[int, CodeType] = {}
        """By id: to compare code goes through its constants."""

    def watch(self, code: CodeType) -> None:
        """Hear when this runs, or what is inside of it."""
        if self._is_ours():
            for part in parts_of(code):
                self._monitoring.set_local_events(self._tool, part, self._monitoring.events.PY_START)

    def begin(self) -> None:
        """A cell is about to run: hear again of what has run before."""
        silent, self._silent = self._silent, {}
        if silent and self._is_ours():
            for code in silent.values():
                # Once switched off by DISABLE, it is switched on again by being new to the tool.
                self._monitoring.set_local_events(self._tool, code, 0)
                self._monitoring.set_local_events(self._tool, code, self._monitoring.events.PY_START)

    def take(self) -> set[str]:
        """Names in what has run since the last time."""
        found: set[str] = set()
        while self._seen:  # one by one: another thread may add to them
            code = self._seen.pop()
            self._silent[id(code)] = code
            found |= names_in(code)
        return found

    def _is_ours(self) -> bool:
        if self._tool is None and self._monitoring is not None:
            self._take_tool()
        monitoring = self._monitoring
        if monitoring is not None and monitoring.get_tool(self._tool) != NAME:
            self._monitoring = None  # the user's code has set it free
        return self._monitoring is not None

    def _take_tool(self) -> None:
        free = [tool for tool in TOOLS if self._monitoring.get_tool(tool) is None]
        if not free:
            self._monitoring = None
            return
        self._tool = free[0]
        self._monitoring.use_tool_id(self._tool, NAME)
        self._monitoring.register_callback(self._tool, self._monitoring.events.PY_START, self._on_start)

    def _on_start(self, code: CodeType, _offset: int) -> object:
        self._seen.append(code)
        return sys.monitoring.DISABLE  # type: ignore[attr-defined, unused-ignore]

