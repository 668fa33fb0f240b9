"""`%%capture`: run a cell and keep what it prints and shows.

Runs in: worker, on its main thread.
"""

from __future__ import annotations

import contextlib
import io
import sys
from typing import Any

from pyshell.worker.cell import NOTHING
from pyshell.worker.commands.call import Call


class Captured:
    """What a cell printed: `stdout` and `stderr`; `outputs` are the values that it would have shown."""

    def __init__(self, stdout: str, stderr: str, outputs: list[Any]) -> None:
        self.stdout, self.stderr, self.outputs = stdout, stderr, outputs

    def show(self) -> None:
        """Print it all now."""
        sys.stdout.write(self.stdout)
        sys.stderr.write(self.stderr)
        for value in self.outputs:
            sys.displayhook(value)

    __call__ = show

    def __str__(self) -> str:
        return self.stdout

    def __repr__(self) -> str:
        return f"<Captured: {len(self.stdout)} characters, {len(self.stderr)} of errors, {len(self.outputs)} values>"


def capture(call: Call) -> None:
    """%%capture [--no-stdout] [--no-stderr] [--no-display] [NAME]

    Runs the cell below and shows nothing of what it prints; with a NAME that is kept: `NAME.stdout`,
    `NAME.stderr`, `NAME.outputs`, and `NAME.show()` prints it. What programs print themselves is not taken: use
    `lines = !COMMAND`.
    """
    options, name = call.options("", "no-stdout", "no-stderr", "no-display")
    stdout, stderr, values = io.StringIO(), io.StringIO(), list[Any]()
    hook = sys.displayhook
    try:
        with contextlib.ExitStack() as stack:
            if "no-stdout" not in options:
                stack.enter_context(contextlib.redirect_stdout(stdout))
            if "no-stderr" not in options:
                stack.enter_context(contextlib.redirect_stderr(stderr))
            if "no-display" not in options:
                sys.displayhook = values.append
            value = call.run_body()
            if value is not NOTHING and value is not None:
                sys.displayhook(value)
    finally:
        sys.displayhook = hook
        if name:
            call.variables[name] = Captured(stdout.getvalue(), stderr.getvalue(), values)
