"""Every exception that pyshell raises on purpose, as one tree.

Runs in: every process.

    PyshellError
    ├── UsageError               an argument that cannot be meant (also a ValueError)
    ├── SessionError
    │   ├── SessionNotFound      no session of that name, running or saved
    │   ├── SessionExists        a session of that name is running already
    │   └── SessionStopped       the session ended while somebody was using it
    ├── TransportError
    │   ├── ConnectionLost       the other process went away
    │   ├── AuthenticationFailed another user, or the wrong token
    │   ├── VersionMismatch      the other side speaks another protocol version
    │   ├── CallTimeout          no answer within the time given (also a TimeoutError)
    │   └── ProtocolError        bytes or values that no honest peer sends
    ├── RemoteError              the other process failed in a way that has no class here
    ├── WorkerError
    │   ├── WorkerStartFailed    the interpreter could not be started as a worker
    │   └── WorkerBusy           the request needs an idle worker
    └── StoreError
        ├── CheckpointNotFound   no checkpoint of that number
        ├── StoreCorrupt         a file of the store is not what was written
        ├── StoreFull            the disk or the budget is full
        └── StoreLocked          another process writes to this store
"""

from __future__ import annotations


class PyshellError(Exception):
    """The root: whatever pyshell raises on purpose is one of these."""


class UsageError(PyshellError, ValueError):
    """An argument that cannot be meant."""


class SessionError(PyshellError):
    """Something is wrong with a session as a whole."""


class SessionNotFound(SessionError):
    """There is no session of that name."""


class SessionExists(SessionError):
    """A session of that name is running already."""


class SessionStopped(SessionError):
    """The session has ended; its saved state may still be there."""


class TransportError(PyshellError):
    """Something is wrong between two processes."""


class ConnectionLost(TransportError):
    """The other process went away, or closed the connection."""


class AuthenticationFailed(TransportError):
    """The peer is another user, or does not know the token."""


class VersionMismatch(TransportError):
    """The two sides speak different versions of the protocol."""

    pid: int | None = None
    """The process at the other end, where it is a session's host."""


class CallTimeout(TransportError, TimeoutError):
    """The other process did not answer in the time given."""


class ProtocolError(TransportError):
    """A message that no honest peer sends."""


class RemoteError(PyshellError):
    """A failure in the other process that has no class of its own here."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message


class WorkerError(PyshellError):
    """Something is wrong with the process that runs the code."""


class WorkerStartFailed(WorkerError):
    """The interpreter could not be started as a worker."""


class WorkerBusy(WorkerError):
    """The request needs an idle worker."""


class StoreError(PyshellError):
    """Something is wrong with the files that hold checkpoints."""


class CheckpointNotFound(StoreError):
    """There is no checkpoint of that number."""


class StoreCorrupt(StoreError):
    """A file of the store does not hold what was written to it."""


class StoreFull(StoreError):
    """No room is left for another checkpoint."""


class StoreLocked(StoreError):
    """Another process is writing to this store."""


def _subclasses(cls: type[PyshellError]) -> dict[str, type[PyshellError]]:
    found = {cls.__name__: cls}
    for sub in cls.__subclasses__():
        found.update(_subclasses(sub))
    return found


def from_remote(kind: str, message: str) -> PyshellError:
    """Rebuild an error that the other process described by its class name and message.

    Only classes of this tree are rebuilt: a peer cannot choose what is raised here.
    """
    cls = _subclasses(PyshellError).get(kind)
    if cls is None or cls is RemoteError:
        return RemoteError(kind, message)
    return cls(message)
