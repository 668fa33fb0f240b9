"""Commands that open the debugger.

Runs in: worker, on its main thread.
"""

from __future__ import annotations

import pdb as debugger
import sys
from types import TracebackType

from pyshell.errors import UsageError
from pyshell.worker.cell import user_traceback
from pyshell.worker.commands.call import Call


def debug(call: Call) -> None:
    """%debug [STATEMENT]

    Opens the debugger where the last exception was raised: `u` and `d` go up and down, `p x` prints, `q`
    leaves. With a statement, steps through that one.
    """
    call.shell.runner.note(None)
    if call.text:
        debugger.Pdb(nosigint=True).run(call.text, call.frame.f_globals, call.frame.f_locals)
        return
    where = getattr(sys, "last_traceback", None)
    if where is None:
        raise UsageError("no exception has been raised yet; %debug STATEMENT steps through a statement")
    open_at(where)


def open_at(where: TracebackType | None) -> None:
    """The debugger at the innermost of the user's frames."""
    where = user_traceback(where)
    if where is not None:
        made = debugger.Pdb(nosigint=True)
        made.reset()
        made.interaction(None, where)


def pdb(call: Call) -> None:
    """%pdb [on | off]

    From now on opens the debugger after each exception that a cell does not catch, or does so no more. Without
    an argument it is the other way round than before.
    """
    word = call.text.strip().lower()
    if word not in ("", "on", "off", "1", "0"):
        raise UsageError("%pdb on, %pdb off, or %pdb to change it")
    call.shell.opens_debugger = word in ("on", "1") if word else not call.shell.opens_debugger
    print(f"Automatic pdb calling has been turned {'ON' if call.shell.opens_debugger else 'OFF'}")
