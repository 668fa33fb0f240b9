"""`pyshell serve`: a session over JSON-RPC, on standard input and output or on a socket.

Runs in: clients (Python 3.11 and newer).
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
from pathlib import Path

from pyshell import choosing, handshake, starting
from pyshell.bridges.admitting import Gate
from pyshell.bridges.jsonrpc import Conversation
from pyshell.client import Session
from pyshell.errors import PyshellError, SessionExists, SessionNotFound, UsageError
from pyshell.paths import SessionPaths, check_name

MAX_CONVERSATIONS = 16
ADMISSION_SECONDS = 5.0


def main(arguments: list[str]) -> int:
    """The command."""
    parser = choosing.parser("serve", "Serve a session to other programs by JSON-RPC 2.0; see docs/jsonrpc.md.")
    parser.add_argument("name", metavar="NAME", help="the session; it is started if it does not run")
    parser.add_argument("--stdio", action="store_true", help="on standard input and output")
    parser.add_argument("--socket", nargs="?", const="", metavar="PATH", help="on a unix socket")
    parser.add_argument("--attach", action="store_true", help="only if the session runs")
    parser.add_argument("--python", metavar="EXE", help="the interpreter, or its environment, of one that is started")
    options = parser.parse_args(arguments)
    if options.stdio == (options.socket is not None):
        raise UsageError("say either --stdio or --socket")
    session = _open(check_name(options.name), options.attach, options.python)
    return _on_stdio(session) if options.stdio else _on_socket(session, options.socket)


def _open(name: str, must_run: bool, python: str | None) -> Session:
    client = f"serve {os.getpid()}"
    try:
        return starting.connect(name, client=client)
    except SessionNotFound:
        if must_run:
            raise
    return starting.start_or_connect(name, python=python, client=client)


def _on_stdio(session: Session) -> int:
    # Ctrl-C in a terminal goes to the editor and to all that it has started.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Unbuffered: at the end no thread may hold a lock of the stream's. And a stray print must not get in between.
    with open(os.dup(1), "wb", buffering=0) as out:
        os.dup2(2, 1)

        def send(data: bytes) -> None:
            left = memoryview(data)
            while left:
                left = left[out.write(left) :]

        return Conversation(session, sys.stdin.buffer, send, Gate()).serve()


def _on_socket(session: Session, given: str) -> int:
    paths = session.paths
    session.close()
    path = Path(given).absolute() if given else paths.bridge
    _refuse_served(path)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt), contextlib.closing(_listener(path)) as listener:
        try:
            print(path, flush=True)
            _accept(listener, paths)
        finally:
            path.unlink(missing_ok=True)
    return 0


def _listener(path: Path) -> socket.socket:
    try:
        return handshake.listen(path)
    except OSError as exc:
        raise UsageError(f"no socket can be made at {path}: {exc}") from None


def _refuse_served(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, contextlib.suppress(OSError):
        probe.connect(str(path))
        raise SessionExists(f"{path} is served already; connect to it, or give another path")


def _accept(listener: socket.socket, paths: SessionPaths) -> None:
    free = threading.Semaphore(MAX_CONVERSATIONS)
    while True:
        sock, _ = listener.accept()
        if not free.acquire(blocking=False):
            sock.close()
            continue
        threading.Thread(target=_converse, args=(sock, paths, free), daemon=True).start()


def _converse(sock: socket.socket, paths: SessionPaths, free: threading.Semaphore) -> None:
    try:
        with sock, sock.makefile("rb") as stream:
            pid = handshake.check_peer(sock)
            sock.settimeout(ADMISSION_SECONDS)
            session = Session(paths, f"serve {pid}")
            Conversation(session, stream, sock.sendall, Gate(paths.token, lambda: sock.settimeout(None))).serve()
    except (PyshellError, OSError) as exc:
        print(f"pyshell serve: refused a client: {exc}", file=sys.stderr)
    finally:
        free.release()
