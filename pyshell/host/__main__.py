"""Start a session's host: become a daemon, lock the session, and serve until it is killed.

Runs in: host, as `python -m pyshell.host NAME` with the settings as JSON on its standard input. The rest
of the host is imported late, while a new session's worker comes up: that hides a fifth of the time to
the first result.
"""

from __future__ import annotations

import fcntl
import gc
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from pyshell.errors import PyshellError, SessionExists
from pyshell.host.processes.birth import Newborn, Place, bear
from pyshell.paths import Roots, SessionPaths
from pyshell.private import ensure_private

if TYPE_CHECKING:
    from pyshell.host.serving import Host

SWITCH_INTERVAL = 0.0005
"""Seconds. With Python's own 5 ms one client's long list would keep another's cell waiting."""
READY = "ready"
"""What the host writes to the descriptor that its starter gave it; anything else is an error."""


def main() -> None:
    """The settings are `name state runtime python cwd env saving report`; `report` is a descriptor to answer on."""
    gc.disable()  # until all is imported: to look through that, again and again, takes a tenth of the start
    settings = json.load(sys.stdin)
    if os.fork() != 0:
        # Nobody's child: a starter that lives long would keep a zombie of every host that ends before it.
        os._exit(0)
    report = os.fdopen(settings["report"], "w")
    try:
        host = _make_host(settings)
    except (PyshellError, OSError) as exc:
        print(type(exc).__name__, exc, sep="\n", file=report, flush=True)
        sys.exit(1)
    print(READY, file=report, flush=True)
    report.close()
    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.freeze()  # what is there now stays
    gc.enable()
    host.run()


def _make_host(settings: dict[str, Any]) -> Host:
    roots = Roots(Path(settings["state"]), Path(settings["runtime"]))
    paths = roots.session(settings["name"])
    own = Path(os.path.realpath(paths.directory))  # in the state directory, or where its person wants it
    for directory in (roots.state, roots.sessions, own, own / paths.output.name, roots.runtime):
        ensure_private(directory)
    lock = lock_session(paths)
    first: Newborn | None = None
    try:
        log = detach(paths.log)
        first = _first_worker(settings, paths)
        # RPyC imports it where it can, for connections that we do not make; it is as large as the host itself.
        sys.modules["ssl"] = None  # type: ignore[assignment]
        from pyshell.host.serving import Host

        return Host(settings, paths, lock, log, first)
    except BaseException:  # whatever it is, it goes on when this is tidied up
        if first is not None:
            first.abandon()
        os.close(lock)  # now: whoever is told why, and mends it, may start the session before this process has ended
        raise


def _first_worker(settings: dict[str, Any], paths: SessionPaths) -> Newborn | None:
    """A new session's worker; a saved session's journal must first be read to know which it was."""
    if paths.journal.exists():
        return None
    settings["python"] = settings["python"] or sys.executable
    settings["cwd"] = settings["cwd"] or os.getcwd()
    try:
        return bear(Place.of(settings, paths))
    except OSError:
        return None  # it is tried again when there is a journal to tell it in


def lock_session(paths: SessionPaths) -> int:
    """Hold the session as long as this process lives; SessionExists if another host does."""
    fd = os.open(paths.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise SessionExists(f'session "{paths.name}" is running already; "pyshell attach -t {paths.name}"') from None
    return fd


def detach(log: Path) -> TextIO:
    """Leave the starter's terminal: own session, no standard streams but the log."""
    if os.getsid(0) != os.getpid():
        os.setsid()
    for number in signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}:  # these Python gives back by itself
        if signal.getsignal(number) is signal.SIG_IGN:
            # As what a shell's script has begun with `&` ignores Ctrl-C and Ctrl-\. The session's programs need not.
            signal.signal(number, signal.SIG_DFL)
    for number in (signal.SIGHUP, signal.SIGINT):
        # A handler, not SIG_IGN: the programs that the worker starts would inherit that.
        signal.signal(number, lambda *_: None)
    file = os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600), "w")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(file.fileno(), 1)
    os.dup2(file.fileno(), 2)
    os.close(null)
    return file


if __name__ == "__main__":
    main()
