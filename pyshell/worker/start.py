"""Put the worker together: links, streams, namespace, executor; then run it.

Runs in: worker.
"""

from __future__ import annotations

import atexit
import faulthandler
import fcntl
import os
import signal
import socket
import sys
import termios
import threading
import types
import warnings
from pathlib import Path
from typing import Any

from pyshell import handshake, transport
from pyshell.blackbox import BlackBox
from pyshell.protocol import REPORT_OPERATIONS, WORKER_OPERATIONS, ReportBody
from pyshell.worker import plotting, spawning, stepping, streams
from pyshell.worker.checkpoints.by_hand import SavingByHand
from pyshell.worker.checkpoints.saving import Saving
from pyshell.worker.executor import Executor
from pyshell.worker.interrupts import Interrupts
from pyshell.worker.introspection import class_files
from pyshell.worker.introspection.hurrying import SWITCH_INTERVAL
from pyshell.worker.namespace import Namespace
from pyshell.worker.pickles.limits import Limits
from pyshell.worker.sender import Sender
from pyshell.worker.service import WorkerService
from pyshell.worker.surroundings import Borrow, Surroundings
from pyshell.worker.tasks import Stop


def run(settings: dict[str, Any], variables: dict[str, Any], borrow_dill: Borrow) -> None:
    """Serve the host until it goes away. `settings` are described in host/processes/birth.py."""
    own_terminal()
    crash: int = settings["crash"]
    os.set_inheritable(crash, False)
    faulthandler.enable(crash)
    # Answers also while C code holds the GIL: the interrupt ladder asks for it. The main thread alone: the stacks of
    # threads that run meanwhile change while they are read, which killed one worker in some thousand times.
    faulthandler.register(signal.SIGUSR1, crash, all_threads=False)
    # A killed host hangs the terminal up; the cell goes on. Not SIG_IGN, which programs would inherit.
    signal.signal(signal.SIGHUP, lambda *_: None)
    sys.setswitchinterval(SWITCH_INTERVAL)
    # From 3.12 on os.fork warns where there are threads. Ours let go in the child, and are not the user's.
    warnings.filterwarnings("ignore", r"This process \(pid=\d+\) is multi-threaded", DeprecationWarning)
    box = BlackBox(settings["box"])
    os.close(settings["box"])  # the mapping keeps it; programs that the user starts would inherit the number
    interrupts = Interrupts(box)
    interrupts.install()
    namespace = Namespace(variables)
    control = _accept(settings["control"])
    reports = _accept(settings["reports"])
    report_link = transport.Link(reports, asks=REPORT_OPERATIONS)
    report_link.start("pyshell-replies")
    sender = Sender(report_link, Path(settings["orphan"]))
    executor: Executor | None = None

    def announce(body: ReportBody, fence: int = 0) -> None:
        sender.report(body, executor.cell if executor else None, fence)

    plotting.install()
    spawning.install(Path(settings["store"]).parent / "spawned")
    class_files.install()
    stepping.install()
    output = streams.install(box, announce, interrupts)
    executor = Executor(namespace, sender, output, interrupts)
    service = WorkerService(executor, namespace)
    control_link = transport.Link(control, operations=WORKER_OPERATIONS, answers=service.answers())
    limits, store = Limits.of(settings["saving"]), Path(settings["store"])
    startup = Surroundings(store, settings["startup"], borrow_dill, limits, interrupts, executor.has_tasks)
    kind = SavingByHand if limits.mode == "manual" else Saving
    saving = kind(startup, namespace, box, sender, executor.submit)

    def serve() -> None:
        control_link.serve()
        executor.submit(Stop())

    threading.Thread(target=serve, name="pyshell-rpc", daemon=True).start()
    atexit.register(sender.close, 1.0)
    executor.autosaving.start(limits.autosave_seconds)
    executor.run(saving)


_kept: list[dict[str, types.ModuleType]] = []


def keep(modules: dict[str, types.ModuleType]) -> None:
    """Keep modules alive that are no longer in sys.modules; a module that dies clears its variables."""
    _kept.append(modules)


def own_terminal() -> None:
    """Make the pty the controlling terminal, so that Ctrl-C and job control reach what runs in front."""
    try:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    except OSError as exc:
        sys.stderr.write(f"pyshell: no controlling terminal ({exc}); Ctrl-C will not reach subprocesses\n")


def _accept(fd: int) -> socket.socket:
    sock = socket.socket(fileno=fd)
    sock.set_inheritable(False)
    handshake.introduce(sock, b"")
    return sock
