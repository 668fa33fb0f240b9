"""Let clients in: as many as there is room for, of this user, who know the token.

Runs in: host, one thread that accepts and one per connection.
"""

from __future__ import annotations

import errno
import math
import select
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from pyshell import handshake
from pyshell.errors import PyshellError
from pyshell.host.service import LOOK_SECONDS, HostService
from pyshell.protocol import HOST_OPERATIONS
from pyshell.transport import Link

MAX_CLIENTS = 256
"""Connections, of which a console has four and an editor six. Each takes a thread, and 50 kB."""
FULL = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
"""What the system says when it has no room for another connection."""


def has_hung_up(sock: socket.socket) -> bool:
    """Whether the other end is closed; what it sent before may still be unread."""
    poll = select.poll()
    poll.register(sock, getattr(select, "POLLRDHUP", 0))  # beside POLLHUP and POLLERR, which always count
    return bool(poll.poll(0))


class Door:
    """Accept clients on the session's socket. Owner: its own thread."""

    def __init__(self, path: Path, token: bytes, service: HostService, log: Callable[[str], None]) -> None:
        self._listener = handshake.listen(path)
        self._path = path
        self._token = token
        self._service = service
        self._log = log
        self._slots = threading.Semaphore(MAX_CLIENTS)
        self._was_full = -math.inf
        self._closed = False
        threading.Thread(target=self._run, name="door", daemon=True).start()

    def close(self) -> None:
        self._closed = True
        self._path.unlink(missing_ok=True)
        self._listener.shutdown(socket.SHUT_RDWR)  # closing alone would not wake who accepts
        self._listener.close()

    def _run(self) -> None:
        while not self._closed:
            try:
                sock, _ = self._listener.accept()
            except ConnectionAbortedError:
                continue  # it hung up before its turn
            except OSError as exc:
                if self._closed or exc.errno not in FULL:
                    return
                self._log(f"nobody can be let in at the moment: {exc}")
                time.sleep(LOOK_SECONDS)
                continue
            if not self._has_room():
                sock.close()
                continue
            threading.Thread(target=self._serve, args=(sock,), name="client", daemon=True).start()

    def _has_room(self) -> bool:
        """Who has just hung up may be noticed in a moment, for which one waits, and not each of those behind."""
        patience = 2 * LOOK_SECONDS
        is_waited_for = time.monotonic() - self._was_full > patience
        if self._slots.acquire(timeout=patience if is_waited_for else 0.0):
            return True
        self._was_full = time.monotonic()
        return False

    def _serve(self, sock: socket.socket) -> None:
        try:
            pid = handshake.check_peer(sock)
            handshake.admit(sock, self._token)
        except (PyshellError, OSError) as exc:
            self._log(f"refused a client: {exc}")
            sock.close()
        else:
            self._serve_admitted(sock, pid)
        finally:
            self._slots.release()

    def _serve_admitted(self, sock: socket.socket, pid: int) -> None:
        self._service.came(pid)
        try:
            answers = self._service.answers(partial(has_hung_up, sock))
            Link(sock, operations=HOST_OPERATIONS, answers=answers).serve()
        finally:
            self._service.went(pid)
