"""Commands about what runs beside the prompt: cells in the background, and cells that wait.

Runs in: worker, on its main thread.
"""

from __future__ import annotations

from pyshell.drawing import elapsed
from pyshell.errors import UsageError
from pyshell.escapes import BEHIND
from pyshell.protocol import AskedForQueue
from pyshell.worker.commands.call import Call


def bg(call: Call) -> None:
    """%bg [-k CELL] [STATEMENT], %%bg, or ;; at the end of a cell

    Runs the statement, or the cell, in a thread of its own: the prompt is free at once, and what it shows comes
    under its number. `%bg` alone lists what runs so, `%bg -k 7` cancels In[7] with a KeyboardInterrupt. It shares
    your names with the cells that run meanwhile; it cannot ask for input.
    """
    options, statement = ({}, "") if call.text == BEHIND else call.options("k:")
    if "k" in options:
        _cancel(call, options["k"])
        return
    body = statement if call.body is None else call.body
    if not body.strip():
        _list(call)
        return
    line = call.frame.f_lineno + (call.body is not None and call.text != BEHIND)
    padded, filename = "\n" * (line - 1) + body, call.frame.f_code.co_filename
    runner = call.shell.runner
    number = call.shell.background.begin(runner.compiled(runner.parse(padded, filename), filename))
    print(f"In[{number}] runs in the background; %bg -k {number} cancels it.")


def _cancel(call: Call, number: str) -> None:
    if not number.isdecimal():
        raise UsageError("%bg -k takes the number of a cell; %bg lists those that run in the background")
    call.shell.background.cancel(int(number))


def _list(call: Call) -> None:
    found = call.shell.background.listed()
    for number, seconds in found:
        print(f"In[{number}] runs in the background, {elapsed(seconds)}; %bg -k {number} cancels it.")
    if not found:
        print("Nothing runs in the background; ;; at the end of a cell runs it there.")


def queue(call: Call) -> None:
    """%queue

    Lists the cells that wait behind this one, and those that run in the background. F9 does that in the console
    while a cell runs; there they can be cancelled and put at another place.
    """
    if call.text:
        raise UsageError("%queue takes nothing; F9 in the console changes the queue")
    if call.shell.background.listed():
        _list(call)
    call.shell.around.report(AskedForQueue())
