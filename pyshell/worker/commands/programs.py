"""Commands that run programs: `!`, `x = !`, `%ls`, `%pip`, `%%bash`.

Runs in: worker, on its main thread.
"""

from __future__ import annotations

import importlib
import os
import shlex
import signal
import sys

from pyshell.errors import UsageError
from pyshell.worker.commands import foreground
from pyshell.worker.commands.call import Call

EXIT_CODE = "_exit_code"
"""What the namespace calls the status of the last program."""
READ_BYTES = 1 << 16


def in_front(call: Call, command: str) -> None:
    """Run a line of the shell on the terminal; KeyboardInterrupt if Ctrl-C ended it."""
    _ended(call, foreground.run([foreground.shell(), "-c", command], call.held))


def capture(call: Call, command: str) -> list[str]:
    """The lines that a line of the shell prints."""
    output, status = _read(call, [foreground.shell(), "-c", command])
    _ended(call, status)
    return output.splitlines()


def _read(call: Call, arguments: list[str]) -> tuple[str, int]:
    parts: list[bytes] = []

    def read(end: int) -> None:
        while part := os.read(end, READ_BYTES):
            parts.append(part)

    status = foreground.run(arguments, call.held, read)
    return b"".join(parts).decode("utf-8", "replace"), status


def _ended(call: Call, status: int) -> None:
    # A shell that waits for a program which a signal ended says so by a number over 128.
    status = 128 - status if status > 128 else status
    call.variables[EXIT_CODE] = status
    if status == -signal.SIGINT:
        raise KeyboardInterrupt


def system(call: Call) -> None:
    """%system COMMAND, !COMMAND

    Runs a line of your shell (`$SHELL`) on the terminal, where it may ask and draw; Ctrl-C is the program's. A
    line that it waits for is asked for as by `input()`; in the console, F4 sends keys straight to it.
    `{expression}` and `$name` stand for values of the session: `!wc -l {path}`; `$$name` is the shell's own. The
    exit status is in `_exit_code`. `lines = !COMMAND` takes what is printed, errors included, as a list of
    lines; so does `!!COMMAND`.
    """
    in_front(call, call.filled())


def sx(call: Call) -> list[str]:
    """%sx COMMAND, lines = !COMMAND, !!COMMAND

    Runs a line of your shell and returns what it prints, errors included, as a list of lines.
    """
    return capture(call, call.filled())


def ls(call: Call) -> None:
    """%ls [OPTIONS] [FILES]

    Runs the system's `ls`, in colour.
    """
    colour = "--color=auto " if sys.platform == "linux" else "-G "
    in_front(call, f"ls -F {colour}{call.filled()}")


def pip(call: Call) -> None:
    """%pip ARGUMENTS

    Runs pip for the interpreter that runs your code: `%pip install numpy`. What is installed can be imported at
    once; what had been imported before stays as it was until the worker is started anew.
    """
    in_front(call, f"{shlex.quote(sys.executable)} -m pip {call.filled()}")
    importlib.invalidate_caches()
    if call.variables[EXIT_CODE]:
        raise UsageError(f"pip ended with status {call.variables[EXIT_CODE]}; what it said is above")


def script(call: Call) -> None:
    """%%bash [--out NAME] [--no-raise-error] [ARGUMENTS], %%sh, %%!

    Runs the cell below with bash, sh, or your own shell. Its arguments are `$1` and so on. With `--out` what it
    prints is not shown but bound to that name. A status other than 0 is an error, unless `--no-raise-error` is
    given; it is in `_exit_code`.
    """
    options, rest = call.options("", "out=", "no-raise-error")
    program = foreground.shell() if call.name == "!" else call.name
    body = call.body or ""
    arguments = [program, "-c", body, program, *shlex.split(call.filled(rest))]
    try:
        if "out" in options:
            call.variables[options["out"]], status = _read(call, arguments)
        else:
            status = foreground.run(arguments, call.held)
    except FileNotFoundError:
        raise UsageError(f"there is no {program} on this machine; %%sh is everywhere") from None
    _ended(call, status)
    if status and "no-raise-error" not in options:
        raise ChildProcessError(f"{program} ended with status {status}")
