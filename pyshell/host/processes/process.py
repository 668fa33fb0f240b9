"""Watch a worker process, signal it, and say why it ended.

Runs in: host.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pyshell import handshake
from pyshell.blackbox import BlackBox
from pyshell.errors import ConnectionLost, PyshellError
from pyshell.frozen import dataclass
from pyshell.host.processes.birth import PACKAGE, Newborn
from pyshell.host.processes.ordering import Shown
from pyshell.host.processes.stacks import tidy
from pyshell.host.processes.terminal import Terminal
from pyshell.protocol import REPORT_OPERATIONS, WORKER_OPERATIONS, ExitInfo, Nothing, Reports
from pyshell.transport import Link

LAST_WORDS_SECONDS = 0.3
"""How long a dead worker's links may stay open, held by a process that it forked."""
MAX_STACK = 1 << 20
"""Bytes that are read of what faulthandler has written."""
OTHERS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
"""Signals that come from outside; the others say that the worker's own code has failed."""
START_SECONDS = 60.0
"""How long an interpreter may take to come up; on a slow network disk it takes many seconds."""


@dataclass(frozen=True)
class Listener:
    """Whom a worker's threads call; every function is called on one of theirs."""

    on_piece: Callable[[Shown | int], None]
    on_reports: Callable[[Reports], None]
    on_exit: Callable[[], None]


class WorkerProcess:
    """One worker. Methods are called on the supervisor's thread, unless they say otherwise."""

    def __init__(self, listener: Listener, newborn: Newborn) -> None:
        self._listener = listener
        self._oom_kills = oom_kills()
        self._crash_seen = 0
        self._usage_peak = 0
        self._process = newborn.process
        self.terminal = Terminal(listener.on_piece, newborn.master, newborn.process.pid)
        self.box = BlackBox(newborn.box)
        os.close(newborn.box)
        self._crash = newborn.crash
        # Not closed at its end: its last words are asked for after that, more than once.
        weakref.finalize(self, os.close, newborn.crash)
        self.pid = self._process.pid
        self.exit_status: int | None = None
        self.was_ended = False
        """Whether we have killed it."""
        self.unwritten = ""
        """After the exit: output that the terminal never got."""
        self._readers: list[threading.Thread] = []
        self.control: Link | None = None
        """None until the worker has made itself known."""
        self._reports: Link | None = None
        self.terminal.start()
        self._connector = threading.Thread(
            target=self._connect, args=(newborn.control, newborn.reports), name="worker-connect", daemon=True
        )
        self._connector.start()
        threading.Thread(target=self._reap, name="worker-exit", daemon=True).start()

    def _connect(self, control: socket.socket, reports: socket.socket) -> None:
        begun = time.monotonic()
        try:
            for sock in (control, reports):
                handshake.admit(sock, b"", START_SECONDS)
        except PyshellError as exc:
            # It died before it spoke (its exit is reported by _reap), or it hangs.
            control.close()
            reports.close()
            self.kill()
            self.was_ended = not isinstance(exc, ConnectionLost) or time.monotonic() - begun >= START_SECONDS
            return
        # The way to it first: its first report is answered by a request.
        self.control = Link(control, asks=WORKER_OPERATIONS)
        self._readers.append(self.control.start("worker-replies"))
        answers = {"report": self._on_reports}
        self._reports = Link(reports, operations=REPORT_OPERATIONS, answers=answers)
        self._readers.append(self._reports.start("worker-reports"))

    def _on_reports(self, reports: Reports) -> Nothing:
        self._listener.on_reports(reports)
        return Nothing()

    def _reap(self) -> None:
        _, status, usage = os.wait4(self.pid, 0)
        self._process.returncode = 0  # Popen must not wait again
        self._usage_peak = usage.ru_maxrss * 1024
        self.exit_status = status
        # All that it said on either way is handed on before its end is: the links end by themselves.
        self._connector.join()
        for thread in self._readers:
            thread.join(LAST_WORDS_SECONDS)
        for link in (self.control, self._reports):
            if link is not None:
                link.close()
        self.unwritten = self.terminal.finish(self.box.unwritten)
        self._listener.on_exit()

    def count_anew(self) -> None:
        """It was a spare and works from here on: what the kernel killed before was somebody else."""
        self._oom_kills = oom_kills()

    def discount_oom_kill(self) -> None:
        """The kernel killed another process of ours: that is not to be taken for this one's end."""
        self._oom_kills += 1

    def interrupt(self) -> bool:
        """Ctrl-C: to whatever is in front on the terminal; whether that is the worker itself."""
        group = self.terminal.foreground()
        return self._signal(group if group > 1 else self.pid, signal.SIGINT) == self.pid

    def can_interrupt(self, cell: int) -> bool:
        """Whether a signal would reach that cell: between the host's word and its first line it would be lost."""
        return self.box.running == cell

    def ask_for_stack(self) -> None:
        """Let faulthandler write the main thread's stack; it answers while C code holds the GIL, too."""
        if self.exit_status is None:
            _signal_main_thread(self.pid, signal.SIGUSR1)

    def read_stack(self) -> str:
        """What faulthandler has written since the last call."""
        new = os.pread(self._crash, MAX_STACK, self._crash_seen)
        self._crash_seen += len(new)
        return tidy(new.decode("utf-8", "replace"), str(PACKAGE))

    def kill(self) -> None:
        """End the worker and what it started in the foreground, at once. Any thread."""
        front = self.terminal.foreground()
        self.was_ended = True
        self._signal(self.pid, signal.SIGKILL)
        if front > 1 and front != self.pid:  # a program of `!`, which may take no notice of the terminal's end
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(front, signal.SIGKILL)

    def _signal(self, group: int, number: signal.Signals) -> int:
        """Who got it: the group, or the worker where that is not there; 0 if nobody did."""
        if self.exit_status is not None:
            return 0
        for send, target in ((os.killpg, group), (os.kill, self.pid)):
            try:
                send(target, number)
            except (ProcessLookupError, PermissionError):
                continue  # before the worker leads its own group, or when the group has just ended
            return target
        return 0

    @property
    def was_killed(self) -> bool:
        """Whether it ended as what somebody else ends does; the kernel out of memory counts. Call it after the exit."""
        status = self.exit_status or 0
        return os.WIFSIGNALED(status) and os.WTERMSIG(status) in OTHERS

    def exit_info(self, cell: int | None) -> ExitInfo:
        """Why it ended. Call it after the exit."""
        status = self.exit_status or 0
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
        oom = number == signal.SIGKILL and oom_kills() > self._oom_kills
        name = _signal_name(number)
        reason = _reason(name, code, oom)
        return ExitInfo(reason, name, code, oom, self._usage_peak, self.read_stack(), cell)


def _signal_main_thread(pid: int, number: int) -> None:
    """A signal to the process goes to any thread where another one is pending for the main thread."""
    import ctypes  # late: 10 ms of every start, for what is needed once in a while

    tgkill = getattr(ctypes.CDLL(None), "tgkill", None)  # glibc 2.30 and newer
    if tgkill is None or tgkill(pid, pid, number):
        os.kill(pid, number)


def oom_kills() -> int:
    """How many processes of our control group the kernel has killed for memory; 0 where that is not told."""
    try:
        groups = Path("/proc/self/cgroup").read_text()
    except OSError:
        return 0
    for line in groups.splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            return _oom_count(Path(f"/sys/fs/cgroup/memory{path}/memory.oom_control"))
        if controllers == "" and (unified := Path(f"/sys/fs/cgroup{path}/memory.events")).exists():
            return _oom_count(unified)
    return 0


def _oom_count(file: Path) -> int:
    try:
        found = re.search(r"^oom_kill (\d+)", file.read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found.group(1)) if found else 0


def _signal_name(number: int | None) -> str | None:
    if number is None:
        return None
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


_MEANINGS = {
    "SIGSEGV": "a segmentation fault: native code used memory that it does not own",
    "SIGABRT": "an abort: native code found its own state broken and gave up",
    "SIGBUS": "a bus error: a mapped file shrank, or memory is broken",
    "SIGILL": "an illegal instruction: native code was built for another processor",
    "SIGFPE": "an arithmetic fault in native code",
    "SIGKILL": "somebody killed it",
    "SIGTERM": "somebody asked it to end",
}


def _reason(name: str | None, code: int | None, oom: bool) -> str:
    if oom:
        return "The worker was killed by the kernel because memory ran out (SIGKILL)."
    if name is not None:
        meaning = _MEANINGS.get(name)
        return f"The worker died of {name}{f' ({meaning})' if meaning else ''}."
    return f"The worker ended by itself with exit code {code}; only os._exit and native code can do that."
