"""Let two processes find each other, and make sure that they are who they should be.

Runs in: every process (Python 3.10 and newer).

A private directory, a unix socket in it, the peer's user as the kernel knows it, and a challenge:

    accepting                         calling
    magic, version, nonce       ->
                                <-    magic, version, HMAC-SHA-256 of the nonce under the token
    one byte: 0 come in,        ->
    1 wrong version, 2 wrong token

The token itself is never on the wire. What follows are the frames of `transport`.
"""

from __future__ import annotations

import hmac
import os
import socket
import struct
import time
from contextlib import suppress
from pathlib import Path

from pyshell import protocol
from pyshell.errors import AuthenticationFailed, ConnectionLost, ProtocolError, VersionMismatch
from pyshell.private import ensure_private

HANDSHAKE_SECONDS = 5.0
_MAGIC = b"pyshell\0"
_HELLO = struct.Struct("!8sH32s")  # magic, protocol version, nonce or its HMAC
_ACCEPTED, _WRONG_VERSION, _WRONG_TOKEN = b"\0", b"\1", b"\2"
_BROKEN_OFF = "the other side closed the connection during the handshake"
_TURNED_AWAY = "the session let nobody in: it is ending, or has too many clients; close one, or try again"


def listen(path: Path) -> socket.socket:
    """A listening unix socket at `path`; a stale one is replaced, so hold the session's lock."""
    ensure_private(path.parent)
    path.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(str(path))
        path.chmod(0o600)
        sock.listen(64)
    except BaseException:  # whatever it is, it goes on when this is tidied up
        sock.close()
        raise
    return sock


def dial(path: Path, token_path: Path) -> socket.socket:
    """Connect to a listening host and prove who we are.

    FileNotFoundError or ConnectionRefusedError if none is there.
    """
    ensure_private(path.parent)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(HANDSHAKE_SECONDS)
        _connect(sock, path)
        pid = check_peer(sock)
        introduce(sock, token_path.read_bytes())
    except VersionMismatch as exc:
        exc.pid = pid
        sock.close()
        raise
    except ConnectionLost:
        sock.close()
        _knock(path)  # it may have died just now
        raise
    except BaseException:  # whatever it is, it goes on when this is tidied up
        sock.close()
        raise
    return sock


def _knock(path: Path) -> None:
    """FileNotFoundError or ConnectionRefusedError if nobody is there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(HANDSHAKE_SECONDS)
        with suppress(ConnectionLost):  # somebody is, and takes no more of them
            _connect(sock, path)


def _connect(sock: socket.socket, path: Path) -> None:
    try:
        sock.connect(str(path))
    except (FileNotFoundError, ConnectionRefusedError):
        raise
    except OSError as exc:  # EAGAIN: it is stopped, and enough others wait for it already
        raise ConnectionLost(f"{path} does not take connections: {exc}") from None


def check_peer(sock: socket.socket) -> int:
    """Raise AuthenticationFailed unless the process at the other end runs as this user; return its number."""
    pid, uid = _peer(sock)
    if uid != os.getuid():
        raise AuthenticationFailed(f"the other end of the socket belongs to user {uid}")
    return pid


def _peer(sock: socket.socket) -> tuple[int, int]:
    if hasattr(socket, "SO_PEERCRED"):
        pid, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
        return pid, uid
    # macOS and the BSDs, at level 0 (sys/un.h): LOCAL_PEERPID; LOCAL_PEERCRED gives a struct xucred: version, uid, …
    xucred = sock.getsockopt(0, 1, 76)
    return int(sock.getsockopt(0, 2)), int(struct.unpack_from("II", xucred)[1])


def admit(sock: socket.socket, token: bytes, timeout: float = HANDSHAKE_SECONDS) -> None:
    """The accepting side of the handshake; raises a TransportError for a peer that is not let in.

    A challenge goes out, its HMAC under the token comes back: the token itself is never on the wire.
    """
    deadline = time.monotonic() + timeout
    sock.settimeout(timeout)
    nonce = os.urandom(32)  # as `secrets` has it, which imports random numbers of all kinds
    try:
        sock.sendall(_HELLO.pack(_MAGIC, protocol.VERSION, nonce))
        magic, version, proof = _HELLO.unpack(_receive(sock, _HELLO.size, deadline))
        if magic != _MAGIC or version != protocol.VERSION:
            sock.sendall(_WRONG_VERSION)
            raise VersionMismatch(f"a client of protocol {version} was refused; this is {protocol.VERSION}")
        if not hmac.compare_digest(proof, hmac.digest(token, nonce, "sha256")):
            sock.sendall(_WRONG_TOKEN)
            raise AuthenticationFailed("a client with a wrong token was refused")
        sock.sendall(_ACCEPTED)
    except OSError as exc:
        raise ConnectionLost(f"the handshake broke off: {exc}") from None
    sock.settimeout(None)


def introduce(sock: socket.socket, token: bytes) -> None:
    """The calling side of the handshake; raises a TransportError if it is not let in."""
    deadline = time.monotonic() + HANDSHAKE_SECONDS
    sock.settimeout(HANDSHAKE_SECONDS)
    try:
        magic, version, nonce = _HELLO.unpack(_receive(sock, _HELLO.size, deadline, _TURNED_AWAY))
        if magic != _MAGIC:
            raise ProtocolError("whatever listens there is not pyshell")
        sock.sendall(_HELLO.pack(_MAGIC, protocol.VERSION, hmac.digest(token, nonce, "sha256")))
        verdict = _receive(sock, 1, deadline)
    except OSError as exc:
        raise ConnectionLost(f"the handshake broke off: {exc}") from None
    if verdict == _WRONG_VERSION or version != protocol.VERSION:
        raise VersionMismatch(
            f"the session runs under another version of pyshell (protocol {version}, this one speaks "
            f'{protocol.VERSION}): "pyshell kill" ends it, and attaching takes up its saved state'
        )
    if verdict != _ACCEPTED:
        raise AuthenticationFailed("the session refused the token")
    sock.settimeout(None)


def _receive(sock: socket.socket, size: int, deadline: float, if_closed: str = _BROKEN_OFF) -> bytes:
    data = b""
    while len(data) < size:
        # One deadline for all of it: a peer that sends a byte now and then must not stay for minutes.
        sock.settimeout(max(0.001, deadline - time.monotonic()))
        part = sock.recv(size - len(data))
        if not part:
            raise ConnectionLost(if_closed)
        data += part
    return data
