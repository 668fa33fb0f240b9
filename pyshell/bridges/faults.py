"""The error codes: the standard's own, language servers', and one for each of pyshell's errors.

Runs in: clients (Python 3.11 and newer).
"""

from __future__ import annotations

from pyshell import errors
from pyshell.errors import PyshellError

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
CANCELLED = -32800

CODES: dict[type[PyshellError], int] = {
    errors.UsageError: -32001,
    errors.SessionError: -32010,
    errors.SessionNotFound: -32011,
    errors.SessionExists: -32012,
    errors.SessionStopped: -32013,
    errors.TransportError: -32020,
    errors.ConnectionLost: -32021,
    errors.AuthenticationFailed: -32022,
    errors.VersionMismatch: -32023,
    errors.CallTimeout: -32024,
    errors.ProtocolError: -32025,
    errors.RemoteError: -32030,
    errors.WorkerError: -32040,
    errors.WorkerStartFailed: -32041,
    errors.WorkerBusy: -32042,
    errors.StoreError: -32050,
    errors.CheckpointNotFound: -32051,
    errors.StoreCorrupt: -32052,
    errors.StoreFull: -32053,
    errors.StoreLocked: -32054,
    PyshellError: -32099,
}
"""`data.kind` of the error has the class's name."""


class Fault(Exception):
    """What is answered in place of a result."""

    def __init__(self, code: int, message: str, kind: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.kind = kind

    def to_object(self) -> dict[str, object]:
        data = {"data": {"kind": self.kind}} if self.kind else {}
        return {"code": self.code, "message": self.message, **data}


def fault_of(exc: BaseException) -> Fault:
    """An exception as an answer. Never a traceback: what is ours and has no name here is a RemoteError."""
    if isinstance(exc, Fault):
        return exc
    for cls in type(exc).__mro__:
        if cls in CODES:
            return Fault(CODES[cls], str(exc), type(exc).__name__)
    return Fault(CODES[errors.RemoteError], f"{type(exc).__name__}: {exc}", "RemoteError")
