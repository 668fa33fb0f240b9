"""Fork the worker without its cooperation, and make the child a quiet one that hurts nobody.

Runs in: worker (its main thread forks), and the forked child.

`os.fork` runs libc's own atfork handlers; OpenBLAS has one that waits for its threads, and with those busy the *parent*
deadlocks holding the GIL. So libc's `_Fork`, which runs none, is called between CPython's own preparations. Where libc
has no `_Fork` (glibc before 2.34, macOS) `fork` falls back to `os.fork` with that risk.

`_Fork` leaves malloc's locks as they are: a child forked while another thread was inside malloc may hang in it. Nothing
can be done about that from here, so every child has an alarm, who waits for it has a clock, and it is tried once more.
"""

from __future__ import annotations

import _thread
import ctypes
import faulthandler
import gc
import io
import os
import queue
import select
import signal
import stat
import sys
from collections.abc import Callable
from itertools import chain, starmap
from typing import Any

from pyshell.frozen import dataclass
from pyshell.memory import room

STACK_SIZE = 512 << 20
RECURSION_LIMIT = 100_000
"""Deep enough for nested data; about 5 KB of the stack for each level."""

NICENESS = 10
"""A tenth of what a process gets that the user waits for. With 19 it is a seventieth: beside busy threads on all
processors a child that needs 15 ms took seconds, and two sessions' children minutes."""

MEMORY_RESERVE = 512 << 20
"""What is to be left beside the child; in a small container a quarter of what there is. Should it not do, the kernel
takes the child and not the session, which it would if the same were pickled there."""
HEAP_SHARE = 0.75
"""Pickling touches reference counts, so this part of the Python heap is copied page by page."""
BLOCK_SIZE = 80
"""Bytes of an average block of Python's allocator, to estimate the heap from the number of blocks."""
BLOCK_SECONDS = 10e-6
"""How long pickling may take for each of them. It takes a fifth of that where nobody else computes."""

_python = ctypes.PyDLL(None, use_errno=True)
HAS_RAW_FORK = all(hasattr(_python, name) for name in ("_Fork", "PyOS_BeforeFork", "PyOS_AfterFork_Child"))
if HAS_RAW_FORK:
    _fork = _python._Fork
    _before, _parent, _child = _python.PyOS_BeforeFork, _python.PyOS_AfterFork_Parent, _python.PyOS_AfterFork_Child
    for _function in (_before, _parent, _child):
        _function.restype = None


class NoFork(Exception):
    """No process can be forked to save what was touched (None: everything), and why. What is small was tried."""

    def __init__(self, reason: str, touched: frozenset[str] | None) -> None:
        super().__init__(reason)
        self.touched = touched


def fork() -> int:
    """Return 0 in the child and its pid in the parent; raise OSError if there can be no child.

    The child inherits a disabled garbage collector.
    """
    was_enabled = gc.isenabled()
    gc.disable()  # a collection in the middle of the fork would run Python code there
    pid = _raw_fork() if HAS_RAW_FORK else os.fork()
    if pid != 0 and was_enabled:
        gc.enable()
    if pid < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"fork: {os.strerror(number)}")
    return pid


def _raw_fork() -> int:
    # One expression whose steps are all C: between two statements the GIL may change hands, and then the child
    # waits for ever for a thread that it does not have. `iter(_fork, 0)` ends at once in the child, so that there
    # `zip` yields nothing and `chain` goes on to `_child`; in the parent `zip` yields (pid, None).
    made = next(
        chain(filter(None, starmap(_before, [()])), zip(iter(_fork, 0), starmap(_parent, [()])), starmap(_child, [()]))
    )
    return 0 if made is None else int(made[0])


# --- when not to ------------------------------------------------------------------------------------------


def why_not_fork(root: str = "/") -> str | None:
    """A sentence if there is too little memory for a child beside this process, or it must not be forked, else None."""
    cuda = sys.modules.get("torch.cuda")
    if cuda is not None and vars(cuda).get("_initialized") is True:
        return "the session uses CUDA, which does not work in a forked process"
    memory = room(root)
    if memory is None:
        return None
    needed = min(MEMORY_RESERVE, memory.total // 4) + int(HEAP_SHARE * BLOCK_SIZE * sys.getallocatedblocks())
    if memory.free >= needed:
        return None
    return f"{memory.free >> 20} MB of memory are free and saving may take {needed >> 20}; free some and save again"


# --- when it has ended --------------------------------------------------------------------------------------


def wait_for(pid: int, seconds: float = 1000.0) -> int | None:
    """The child's status; None if somebody else has asked for it first. After the time it is killed.

    It can hang before it has set its alarm, in the first `free` of all, and the host that would notice can be dead.
    """
    _end_after(pid, seconds)
    try:
        return os.waitpid(pid, 0)[1]
    except ChildProcessError:
        return None


def _end_after(pid: int, seconds: float) -> None:
    try:
        fd = os.pidfd_open(pid)
    except (AttributeError, OSError):  # macOS, or the user has used up what may be open: then nobody looks at the clock
        return
    try:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        if not poll.poll(seconds * 1000):
            signal.pidfd_send_signal(fd, signal.SIGKILL)
        os.close(fd)
    except OSError:  # the user has closed it
        return


def describe_status(status: int | None) -> str:
    """How a child ended that did not say it itself."""
    if status is None:
        return "the process that saves ended, and other code took its exit status"
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        is_time_up = number in (signal.SIGALRM, signal.SIGPROF)
        return "saving took too long" if is_time_up else f"the process that saves was killed by signal {number}"
    return f"the process that saves left with code {os.WEXITSTATUS(status)}"


def was_ended(status: int | None) -> bool:
    """Whether a child was ended because it did not come to an end, and not by what its own code did."""
    if status is None or not os.WIFSIGNALED(status):
        return False
    return os.WTERMSIG(status) in (signal.SIGKILL, signal.SIGALRM, signal.SIGPROF)


# --- in the child -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ChildRules:
    """What one child may keep."""

    keep: frozenset[int] = frozenset()
    """Sockets, pipes and terminals among the file descriptors that stay open."""
    faults: int = -1
    """Where faulthandler writes if the child crashes; -1: nowhere."""
    seconds: int = 900
    """After this time the kernel kills the child, whatever it waits for: nobody else may be left to notice."""
    processor_seconds: int = 100
    """After so much computing, too. A child gives way to everybody, so it may take long and be at work all the time."""


def rules_for_heap() -> ChildRules:
    """The usual rules, with enough time to pickle all that there is."""
    return ChildRules(processor_seconds=ChildRules.processor_seconds + int(BLOCK_SECONDS * sys.getallocatedblocks()))


class _Nowhere(io.TextIOBase):
    """What a print in the child goes to."""

    encoding = "utf-8"

    def write(self, text: str, /) -> int:
        return len(text)

    def read(self, size: int | None = -1, /) -> str:
        return ""

    def readline(self, size: int = -1, /) -> str:  # type: ignore[override]
        return ""

    def fileno(self) -> int:
        return 1


_nowhere = _Nowhere()


def become_child(rules: ChildRules) -> None:
    """Call this first in a forked child: from here on it is heard and seen by nobody."""
    gc.disable()
    gc.freeze()
    _reset_signals(rules)
    os.setsid()
    _silence(rules.keep)
    sys.setrecursionlimit(RECURSION_LIMIT)
    os.nice(NICENESS)
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
    except OSError:
        return  # not Linux: then the kernel chooses by itself


def run_in_child(work: Callable[[], int]) -> None:
    """Run `work` on a big stack and leave with what it returns as exit code. Never returns."""
    codes = [70]  # EX_SOFTWARE, should `work` raise after all

    def body() -> None:
        _big.append(_thread.get_ident())
        try:
            codes.append(work())
        finally:
            _asked.put(None)

    try:
        _thread.stack_size(STACK_SIZE)
        _thread.start_new_thread(body, ())
        while (task := _asked.get()) is not None:
            task()
    except RuntimeError:  # no room for such a stack
        body()
    finally:
        # Not sys.exit: finalising would flush, close and delete what belongs to the parent.
        os._exit(codes[-1])


_asked: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
_big: list[int] = []
"""The thread with the big stack."""


def on_main_thread(ask: Callable[[], Any]) -> Any:
    """What `ask` returns or raises on the thread that ran the cells: some values answer no other."""
    if _thread.get_ident() not in _big:
        return ask()
    answers: list[tuple[Any, BaseException | None]] = []
    done = _thread.allocate_lock()
    done.acquire()

    def task() -> None:
        try:
            answers.append((ask(), None))
        except BaseException as exc:  # raised again where it was asked
            answers.append((None, exc))
        done.release()

    _asked.put(task)
    done.acquire()
    answer, error = answers[0]
    if error is not None:
        raise error
    return answer


def _reset_signals(rules: ChildRules) -> None:
    # The wakeup descriptor is a socket of the user's event loop; its number is about to mean something else.
    signal.set_wakeup_fd(-1)
    if faulthandler.is_enabled():
        faulthandler.disable()
    if rules.faults >= 0:
        faulthandler.enable(rules.faults, all_threads=False)
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    for number in (signal.SIGALRM, signal.SIGPROF):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM, signal.SIGPROF])
    signal.alarm(rules.seconds)
    signal.setitimer(signal.ITIMER_PROF, rules.processor_seconds)


def _silence(keep: frozenset[int]) -> None:
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for fd in _open_descriptors():
        if fd != null and fd not in keep and (fd <= 2 or _is_connection(fd)):
            # Covered, not closed: a socket object that still knows the number could close our own file later.
            # No shutdown(): the connection itself belongs to the parent.
            os.dup2(null, fd)
    streams: Any = sys
    for name in ("stdin", "stdout", "stderr"):
        setattr(streams, name, _nowhere)
        setattr(streams, f"__{name}__", _nowhere)
    sys.unraisablehook = lambda unraisable: None


def _open_descriptors() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        return list(range(1024))


def _is_connection(fd: int) -> bool:
    """Whether somebody at the other end would notice that the descriptor stays open."""
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        return False
    return stat.S_ISSOCK(mode) or stat.S_ISFIFO(mode) or (stat.S_ISCHR(mode) and os.isatty(fd))
