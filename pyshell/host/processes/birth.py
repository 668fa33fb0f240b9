"""Start a worker's process, with the terminal, the memory and the sockets that it shares with the host.

Runs in: host. It imports little: a new session's first worker is started before the rest of the host is
imported, so that the two overlap.
"""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import signal
import socket
import struct
import subprocess
import termios
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyshell import blackbox
from pyshell.frozen import dataclass, field
from pyshell.paths import SessionPaths

PACKAGE = Path(__file__).parents[2]
LENT = ("pyshell", "rpyc", "dill")
SIZE = (80, 24)
"""Columns and rows of a terminal that nobody looks at yet."""


@dataclass
class Place:
    """What a worker is started with, the same for each of a session's workers. Owner: the supervisor's thread."""

    session: str
    python: str
    """Another one when the person has chosen so: see `Supervisor.restart`."""
    cwd: str
    environment: tuple[tuple[str, str], ...]
    store: Path
    orphan: Path
    saving: Mapping[str, Any] = field(default_factory=dict)
    """What is not to be saved, as the person has configured it (see worker/pickles/limits.py)."""
    replay: str = "ask"
    """What follows a restore that did not bring everything back (see again.py)."""

    @classmethod
    def of(cls, settings: dict[str, Any], paths: SessionPaths) -> Place:
        """From what the host was started with (see __main__.py)."""
        environment = tuple(sorted((str(k), str(v)) for k, v in settings["env"].items()))
        return cls(
            session=paths.name, python=settings["python"], cwd=settings["cwd"], environment=environment,
            store=paths.store, orphan=paths.directory / "orphan", saving=settings["saving"],
            replay=settings.get("replay", "ask"),
        )  # fmt: skip


@dataclass(frozen=True)
class Newborn:
    """A process that comes up as a worker, and our ends of what it shares with us."""

    process: subprocess.Popen[bytes]
    master: int
    """The terminal's end that is ours."""
    box: int
    crash: int
    """A file without a path, for faulthandler. Each worker has its own: a spare one may live beside the present one."""
    control: socket.socket
    reports: socket.socket

    def abandon(self) -> None:
        """Nobody wants it after all: end it, and leave nothing open."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.control.close()
        self.reports.close()
        for fd in (self.master, self.box, self.crash):
            os.close(fd)


def bear(place: Place, size: tuple[int, int] = SIZE) -> Newborn:
    """Start the interpreter; OSError if that cannot be done, and then nothing stays open."""
    master, slave = open_terminal(size)
    box, crash = blackbox.create(), blackbox.create_file("pyshell-crash")
    ours_control, theirs_control = socket.socketpair()
    ours_reports, theirs_reports = socket.socketpair()
    try:
        process = _start(place, slave, (box, crash, theirs_control.fileno(), theirs_reports.fileno()))
    except OSError:
        ours_control.close()
        ours_reports.close()
        for fd in (master, box, crash):
            os.close(fd)
        raise
    finally:
        theirs_control.close()
        theirs_reports.close()
        os.close(slave)
    return Newborn(process, master, box, crash, ours_control, ours_reports)


def open_terminal(size: tuple[int, int]) -> tuple[int, int]:
    """A new terminal: our end, which does not block, and the programs'."""
    master, slave = os.openpty()
    os.set_blocking(master, False)
    set_size(master, *size)
    attributes = termios.tcgetattr(slave)
    # Its line editor erases whole UTF-8 characters. Python names the flag from 3.14 on; the value is Linux's.
    attributes[0] |= getattr(termios, "IUTF8", 0x4000)
    termios.tcsetattr(slave, termios.TCSANOW, attributes)
    return master, slave


def set_size(master: int, columns: int, rows: int) -> None:
    """Tell the terminal its size in character cells."""
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def _start(place: Place, slave: int, shared: tuple[int, int, int, int]) -> subprocess.Popen[bytes]:
    box, crash, control, reports = shared
    settings = {
        "entry": "start",
        "box": box,
        "crash": crash,
        "control": control,
        "reports": reports,
        "store": str(place.store),
        "orphan": str(place.orphan),
        "startup": dict(place.environment).get("PYTHONSTARTUP"),
        "saving": dict(place.saving),
        "argv": [""],
        "lend": lend_places(),
    }
    return subprocess.Popen(
        [place.python, str(PACKAGE / "worker" / "bootstrap.py"), json.dumps(settings)],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        pass_fds=shared,
        cwd=place.cwd,
        env=dict(place.environment),
        start_new_session=True,
    )


def lend_places() -> dict[str, str]:
    """Where the packages lie that a worker is lent: package → the directory that holds it."""
    places = {}
    for name in LENT:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(f"{name} is not installed beside pyshell")
        places[name] = str(Path(spec.origin).parent.parent)
    return places
