"""Debuggers stop in the user's code and never in ours, show none of our frames, and end their steps with the cell.

Runs in: worker.
"""

from __future__ import annotations

import sys
import types
from typing import Any

from pyshell.worker.frames import file_of, is_around, is_ours
from pyshell.worker.importers import on_import


def install() -> None:
    """Teach it to what pdb and its like are made of, when that is imported."""
    if "bdb" in sys.modules:
        _teach(sys.modules["bdb"])
    else:
        on_import({"bdb": _teach})


def _teach(bdb: Any) -> None:
    stop_here, get_stack = bdb.Bdb.stop_here, bdb.Bdb.get_stack

    def stop_in_the_users(self: Any, frame: types.FrameType) -> bool:
        return not is_ours(file_of(frame)) and stop_here(self, frame)

    def stack_from_the_cell(self: Any, frame: types.FrameType | None, tb: types.TracebackType | None) -> Any:
        stack, at = get_stack(self, frame, tb)
        first = next((number for number, (each, _) in enumerate(stack) if not is_around(file_of(each))), 0)
        return stack[first:], max(0, at - first)

    bdb.Bdb.stop_here, bdb.Bdb.get_stack = stop_in_the_users, stack_from_the_cell


def end_steps() -> None:
    """A step past the end of a cell would stop in the next one. Breakpoints stay."""
    trace = sys.gettrace()
    if type(trace) is not types.MethodType:
        return
    debugger: Any = trace.__self__
    bdb: Any = sys.modules.get("bdb")
    if bdb is not None and issubclass(type(debugger), bdb.Bdb):
        debugger.set_continue()
