"""Run a command: find it in the table, give it what it needs, leave what is not in the table to IPython.

Runs in: worker, on the thread that calls it; that is the main thread unless the user's code starts others.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from pyshell.errors import UsageError
from pyshell.frozen import dataclass
from pyshell.store import Store
from pyshell.worker import streams
from pyshell.worker.background import Background
from pyshell.worker.cell import CellRunner
from pyshell.worker.commands.call import Call
from pyshell.worker.commands.table import COMMANDS, Command
from pyshell.worker.namespace import Namespace
from pyshell.worker.tasks import Task

if TYPE_CHECKING:
    from pyshell.worker.commands.foreign import IPython


@dataclass(frozen=True)
class Surroundings:
    """What commands reach besides the namespace."""

    namespace: Namespace
    runner: CellRunner
    store: Path
    submit: Callable[[Task], None]
    """Gives the main thread a task for when the cell has ended."""
    report: Callable[[Any], None]
    """Tells the host something."""
    fetch: Callable[[Store, int, Collection[str]], None]
    """Binds names from a checkpoint for a moment."""
    held: AbstractContextManager[None]
    """Holds Ctrl-C back while it is entered."""
    tell: Callable[[Any, int], None]
    """Tells the host something of a cell. Any thread."""


class Shell:
    """Owner: the main thread."""

    def __init__(self, around: Surroundings) -> None:
        self.around = around
        self.namespace, self.runner = around.namespace, around.runner
        self.opens_debugger = False
        """After an exception, as `%pdb on` asks for."""
        self.ipython: IPython | None = None
        self.directories: list[str] = []
        self.background = Background(around)

    def run(self, frame: FrameType, kind: str, text: str, body: str | None = None) -> Any:
        """What a rewritten line calls; `frame` is the line's."""
        if threading.get_ident() in streams.elsewhere:
            raise UsageError("commands and programs of ! run only in front; in the background use subprocess")
        if kind == "?":
            from pyshell.worker.commands.looking_up import help_on  # one file for each kind of command

            return help_on(Call(self, frame, "help", text, None))
        if kind in ("!", "=!"):
            from pyshell.worker.commands.programs import capture, in_front  # as above

            call = Call(self, frame, kind, text, None)
            return capture(call, call.filled()) if kind == "=!" else in_front(call, call.filled())
        name, _, rest = text.partition(" ")
        call = Call(self, frame, name, rest.strip(), body)
        command = COMMANDS.get(name)
        if command is None or (body is None and not command.is_line) or (body is not None and not command.is_cell):
            return self._foreign(call, command)
        return command.function(call)

    def _foreign(self, call: Call, command: Command | None) -> Any:
        if call.name.startswith("%"):
            raise UsageError(f"%{call.name} must be the first line of its cell")
        self.runner.note(None)
        ipython = self.start_ipython()
        if ipython is not None and ipython.has(call):
            return ipython.run(call)
        raise UsageError(_unknown(call, command, ipython is not None))

    def start_ipython(self) -> IPython | None:
        """The shell of IPython's, made now if there is none yet; None if it is not installed."""
        if self.ipython is None:
            from pyshell.worker.commands import foreign  # IPython takes some tenths of a second

            self.ipython = foreign.start(self.namespace)
        return self.ipython

    def before_cell(self) -> None:
        """For what IPython's extensions do before each cell, as `%autoreload` does."""
        if self.ipython is not None:
            self.ipython.before_cell()

    def after_cell(self) -> None:
        if self.ipython is not None:
            self.ipython.after_cell()


def _unknown(call: Call, command: Command | None, has_ipython: bool) -> str:
    mark = "%%" if call.body is not None else "%"
    if command is not None:
        other = f"%{command.name} takes one line" if command.is_line else f"%%{command.name} begins a cell"
        return f"there is no {mark}{call.name}; {other}, see %{command.name}?"
    unknown = f"there is no {mark}{call.name}; %help lists what there is"
    if has_ipython:
        return f"{unknown}, and IPython has none of that name either (an extension may: %load_ext)"
    return f"{unknown}. For IPython's own: %pip install ipython (it is not installed for {sys.executable})"
