"""Values that only seem to come back, and what to say of them instead of saving them.

Runs in: worker, and the forked child that saves.

Every one of these is part of something outside of the namespace: a process, a connection, a place in running code.
A copy of it would pass for the real thing and not be it.
"""

from __future__ import annotations

from pyshell.worker.kinds import home_of, mro_of, qualname_of

_POSITION = "its place in running code cannot be saved; make it again"
_FILE = "what it wrote would be lost or written twice; open it again"
_CONNECTION = "its other end is outside of this session; connect again"
_PROCESS = "it stands for a process that a restored session does not own"
_THREAD = "a thread cannot be saved; start it again"
_WAITING = "what it waits for runs outside of the namespace; make it again"
_VIEW = "its view in the notebook ends with this process; make it again"
_MEMORY = "it stands for memory that only this process has"

REASONS = {
    "builtins.generator": _POSITION,
    "builtins.coroutine": _POSITION,
    "builtins.async_generator": _POSITION,
    "builtins.coroutine_wrapper": _POSITION,
    "builtins.frame": _POSITION,
    "_io.FileIO": _FILE,
    "_io.TextIOWrapper": _FILE,
    "_io.BufferedReader": _FILE,
    "_io.BufferedWriter": _FILE,
    "_io.BufferedRandom": _FILE,
    "_io.BufferedRWPair": _FILE,
    "tempfile._TemporaryFileWrapper": "the file is deleted when this process ends; make it again",
    "tempfile.TemporaryDirectory": "the directory is deleted when this process ends; make it again",
    "_socket.socket": _CONNECTION,
    "_ssl._SSLSocket": _CONNECTION,
    "sqlite3.Connection": _CONNECTION,
    "sqlite3.Cursor": _CONNECTION,
    "select.epoll": _CONNECTION,
    "select.poll": _CONNECTION,
    "subprocess.Popen": _PROCESS,
    "multiprocessing.process.BaseProcess": _PROCESS,
    "multiprocessing.pool.Pool": _PROCESS,
    "multiprocessing.synchronize.SemLock": _PROCESS,
    "multiprocessing.queues.Queue": _PROCESS,
    "multiprocessing.queues.SimpleQueue": _PROCESS,
    "multiprocessing.connection._ConnectionBase": _CONNECTION,
    "multiprocessing.managers.BaseManager": _PROCESS,
    "concurrent.futures._base.Executor": _THREAD,
    "threading.Thread": _THREAD,
    "_thread._localdummy": _THREAD,
    "concurrent.futures._base.Future": _WAITING,
    "_asyncio.Future": _WAITING,
    "_asyncio.Task": _WAITING,
    "asyncio.futures.Future": _WAITING,
    "asyncio.events.AbstractEventLoop": _WAITING,
    "comm.base_comm.BaseComm": _VIEW,
    "ipywidgets.widgets.widget.Widget": _VIEW,
    "mmap.mmap": _MEMORY,
    "ctypes.CDLL": "it stands for code that was loaded into this process; load it again",
    "builtins.PyCapsule": _MEMORY,
    "multiprocessing.shared_memory.SharedMemory": _MEMORY,
}


def refusal(kind: type) -> str | None:
    """Why values of this type are not saved, or None. Runs no code of the type."""
    for cls in mro_of(kind):
        reason = REASONS.get(f"{home_of(cls)}.{qualname_of(cls)}")
        if reason is not None:
            return f"{type_name(kind)}: {reason}"
    return None


def type_name(kind: type) -> str:
    """The name of a type as its author wrote it, whatever its metaclass says."""
    name: str = qualname_of(kind)
    return name


def describe(exc: BaseException) -> str:
    """An exception in one line; its own `__str__` may fail."""
    try:
        text = str(exc)
    except BaseException:  # the exception's own __str__ may raise anything
        text = ""
    name = type_name(type(exc))
    return (f"{name}: {text}" if text else name).replace("\n", " ")[:300]
