"""Run a program on the session's terminal as a shell does: in front, so that keys and Ctrl-C are the program's.

Runs in: worker, on its main thread.

The program gets a process group of its own, which is put in front: Ctrl-C reaches it and not the worker, `vim` may stop
reading, `sudo` may ask for a password. Then the worker takes the terminal back.
"""

from __future__ import annotations

import contextlib
import os
import signal
import termios
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

_TO_DEFAULT = (
    signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE, signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGTSTP,
)  # fmt: skip


def run(arguments: Sequence[str], held: AbstractContextManager[None], read: Callable[[int], None] | None = None) -> int:
    """Run the program and wait for it; its exit status, negative for a signal. OSError if it cannot be started.

    `held` holds Ctrl-C back while a program is being started: it would run on, and nobody would know of it.
    `read`, if given, is called with the end of a pipe that the program writes to, and reads it to its end.
    """
    ours, theirs = os.pipe() if read is not None else (-1, -1)
    running = 0
    with _terminal() as terminal:
        try:
            with held:
                try:
                    running = _start(arguments, theirs)
                finally:
                    if read is not None:
                        os.close(theirs)
                _give_terminal(terminal, running)
                # It may have asked for the terminal before it had it.
                _signal(running, signal.SIGCONT)
            if read is not None:
                read(ours)
            status = _wait(terminal, running)
            running = 0
            return status
        finally:
            if read is not None:
                os.close(ours)
            if running:
                _end(running)


def shell() -> str:
    """The user's shell, or the system's where that is not to be found."""
    path = os.environ.get("SHELL", "")
    return path if os.access(path, os.X_OK) else "/bin/sh"


def _start(arguments: Sequence[str], output: int) -> int:
    actions = [] if output < 0 else [(os.POSIX_SPAWN_DUP2, output, 1), (os.POSIX_SPAWN_DUP2, output, 2)]
    return os.posix_spawnp(
        arguments[0], list(arguments), os.environ, file_actions=actions, setpgroup=0, setsigdef=_TO_DEFAULT
    )


@contextlib.contextmanager
def _terminal() -> Iterator[int | None]:
    """The terminal, if we are in front on it; afterwards we are again."""
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        yield None
        return
    try:
        yield terminal
    finally:
        _give_terminal(terminal, os.getpgrp())
        os.close(terminal)


def _give_terminal(terminal: int | None, group: int) -> None:
    if terminal is None:
        return
    # Who is behind and asks for the front is stopped, unless it does not hear of it.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
    try:
        with contextlib.suppress(OSError):  # the group has just ended, or the host has hung up
            os.tcsetpgrp(terminal, group)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _wait(terminal: int | None, pid: int) -> int:
    """Its exit status. A program that stops itself (Ctrl-Z) goes on at once: there is nothing to go back to."""
    modes = _modes(terminal)
    while True:
        _, status = os.waitpid(pid, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            break
        _give_terminal(terminal, pid)
        _signal(pid, signal.SIGCONT)
    if os.WIFSIGNALED(status) and modes is not None and terminal is not None:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
        with contextlib.suppress(termios.error):  # it had no time to put back what it has changed
            termios.tcsetattr(terminal, termios.TCSADRAIN, modes)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return os.waitstatus_to_exitcode(status)


def _modes(terminal: int | None) -> Any:
    try:
        return None if terminal is None else termios.tcgetattr(terminal)
    except termios.error:
        return None


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _end(pid: int) -> None:
    """An exception came while it ran: it is not waited for any longer than it takes to end."""
    _signal(pid, signal.SIGHUP)
    _signal(pid, signal.SIGCONT)
    _signal(pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)
