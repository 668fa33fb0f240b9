"""Evaluate the expressions that were sent with a cell.

Runs in: worker, on its main thread, as the last part of the cell.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator

from pyshell.protocol import Evaluated
from pyshell.worker import cell as cells
from pyshell.worker.displaying import MAX_TEXT, representations


def evaluated(
    expressions: Iterable[str], runner: cells.CellRunner, pid: int, tell: Callable[[str], None]
) -> Iterator[Evaluated]:
    """Each in its turn, whatever becomes of those before it: an error, Ctrl-C too, is that expression's own.

    Of a process that the cell or an expression has forked nobody wants to know: `pid` is the worker's.
    """
    for expression in expressions:
        if os.getpid() != pid:
            return
        found = _evaluated(expression, runner, tell)
        if os.getpid() == pid:
            yield found


def _evaluated(expression: str, runner: cells.CellRunner, tell: Callable[[str], None]) -> Evaluated:
    try:
        value = runner.evaluate(expression, "<expression>")
        text = str.__str__(repr(value))[:MAX_TEXT]
        shown = representations(value, tell).as_display(text, "", False, False)
    except BaseException as exc:  # it is user code, and raises what it likes
        return Evaluated(expression, None, cells.describe(exc))
    return Evaluated(expression, shown, None)
