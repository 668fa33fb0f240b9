"""Which session a command means, whether it runs, and what its person says to a question.

Runs in: clients (Python 3.11 and newer).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pyshell import starting
from pyshell.drawing import cut
from pyshell.errors import CallTimeout, SessionNotFound, UsageError
from pyshell.exits import exit_watch

if TYPE_CHECKING:
    from pyshell.client import Session
    from pyshell.protocol import Status


def parser(command: str, description: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(prog=f"pyshell {command}", description=description)


def newest() -> str:
    names = starting.names()
    if not names:
        raise SessionNotFound('there is no session yet; "pyshell" starts one')
    return max(names, key=last_used)


def last_used(name: str) -> float:
    directory = starting.roots().session(name).directory
    found = [0.0]
    for path in directory.iterdir():
        with contextlib.suppress(FileNotFoundError):  # a host at work removes files
            found.append(path.stat().st_mtime)
    return max(found)


def free_name(name: str) -> str:
    """`name`, or `name-2` and so on, whichever no session has."""
    number, free = 1, name
    while starting.exists(free):
        number += 1
        free = f"{name[:60]}-{number}"
    return free


def is_running(name: str) -> bool:
    try:
        starting.connect(name, client=client_name()).close()
    except SessionNotFound:
        return False
    return True


def check_is_running(name: str) -> None:
    """SessionNotFound for one that is only saved: there is nothing to look on at, and to wake it changes it."""
    if starting.exists(name) and not is_running(name):
        said = f'session "{name}" is only saved, and nothing runs that one could look on at'
        raise SessionNotFound(f'{said}: "pyshell log -t {name}" shows its states, "pyshell attach -t {name}" wakes it')
    starting.connect(name, client=client_name(), read_only=True).close()


def end_host(pid: int | None) -> None:
    """End a session whose host does not speak with us: SIGTERM lets it save what is not saved."""
    from pyshell.client import KILL_SECONDS  # late, as all of the client is

    if pid is None:
        return
    deadline = time.monotonic() + KILL_SECONDS
    with exit_watch(pid) as has_ended:
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            os.kill(pid, signal.SIGTERM)
        while not has_ended():
            if time.monotonic() >= deadline:
                raise CallTimeout(f"the session's host (process {pid}) has not ended within {KILL_SECONDS:.0f} s")


@contextlib.contextmanager
def at_work(name: str) -> Iterator[Session]:
    """A session with its state; one that did not run does not run afterwards."""
    was_running = is_running(name)
    with starting.connect_or_start(name, client=client_name()) as session:
        try:
            session.wait_up()
            yield session
        finally:
            if not was_running:
                session.kill()


def client_name() -> str:
    return f"console {os.getpid()}"


def print_lines(lines: Iterable[str]) -> None:
    """Lines that end where the terminal does."""
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else 1000
    print("".join(f"{line}\n" for line in cut(lines, columns)), end="")


def short(directory: str) -> str:
    """As shells show it: `~` for the person's own."""
    home = str(Path.home())
    return f"~{directory[len(home) :]}" if directory == home or directory.startswith(f"{home}/") else directory


def what_runs(status: Status) -> str:
    """`In[7] runs`, or which cells do in the background; nothing if none does."""
    if status.cell is not None:
        return f"In[{status.cell}] runs"
    cells = ", ".join([f"In[{cell}]" for cell in status.background])
    return cells and f"{cells} {'runs' if len(status.background) == 1 else 'run'} in the background"


def agreed(question: str) -> bool:
    """The same where nobody is there to be asked: then not."""
    return sys.stdin.isatty() and confirmed(question)


def line(prompt: str, is_password: bool) -> str | None:
    """What the person answers to a cell; None: nothing, or nobody is there."""
    if not sys.stdin.isatty():
        return None
    import getpass  # few commands let a cell ask

    try:
        return getpass.getpass(prompt) if is_password else input(prompt)
    except EOFError:
        return None


def confirmed(question: str, option: str = "-f") -> bool:
    if not sys.stdin.isatty():
        raise UsageError(f"{question} Say {option} to do it without being asked")
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
