"""Who may come in, and how long somebody may take to say who it is.

Runs in: tests.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pyshell import handshake, protocol
from pyshell.errors import AuthenticationFailed, ConnectionLost, TransportError, VersionMismatch
from pyshell.private import ensure_private, new_secret
from pyshell.protocol import Code, Operation
from pyshell.transport import Link

PATIENCE = 20.0
OPERATIONS = {"echo": Operation(Code, Code, "Give it back.")}

HELLO = struct.Struct("!8sH32s")


def run_handshake(admitting: Callable[[socket.socket], object], peer: Callable[[socket.socket], object]) -> list[Any]:
    """Both sides at once; what each of them raised or returned."""
    pair = socket.socketpair()
    outcome: list[Any] = [None, None]

    def run(index: int, function: Callable[[socket.socket], object]) -> None:
        try:
            outcome[index] = function(pair[index])
        except Exception as exc:  # it is what the test looks at
            outcome[index] = exc
            pair[index].close()

    threads = [threading.Thread(target=run, args=(i, f)) for i, f in enumerate((admitting, peer))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    for sock in pair:
        sock.close()
    return outcome


def test_who_knows_the_token_is_let_in() -> None:
    both = run_handshake(lambda s: handshake.admit(s, b"secret"), lambda s: handshake.introduce(s, b"secret"))
    assert both == [None, None]


def test_who_does_not_is_told_so() -> None:
    admitted, introduced = run_handshake(
        lambda s: handshake.admit(s, b"secret"), lambda s: handshake.introduce(s, b"guess")
    )
    assert isinstance(admitted, AuthenticationFailed) and isinstance(introduced, AuthenticationFailed)


def test_another_version_is_refused_by_either_side(monkeypatch: pytest.MonkeyPatch) -> None:
    def introduce(sock: socket.socket) -> bytes:
        sock.recv(HELLO.size)
        sock.sendall(HELLO.pack(b"pyshell\0", protocol.VERSION + 1, b"x" * 32))
        return sock.recv(1)

    admitted, verdict = run_handshake(lambda s: handshake.admit(s, b""), introduce)
    assert isinstance(admitted, VersionMismatch) and verdict == b"\1"

    def admit(sock: socket.socket) -> None:
        sock.sendall(HELLO.pack(b"pyshell\0", protocol.VERSION + 1, b"x" * 32))
        sock.recv(HELLO.size)
        sock.sendall(b"\1")

    _, introduced = run_handshake(admit, lambda s: handshake.introduce(s, b""))
    assert isinstance(introduced, VersionMismatch) and "ends it" in str(introduced)


@pytest.mark.parametrize("data", [b"", b"GET / HTTP/1.1\r\n", b"\0" * 100, b"pyshell\0" + b"\0" * 34])
def test_garbage_in_the_handshake_is_refused(data: bytes) -> None:
    def peer(sock: socket.socket) -> None:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)

    admitted, _ = run_handshake(lambda s: handshake.admit(s, b"secret"), peer)
    assert isinstance(admitted, TransportError)
    introduced, _ = run_handshake(lambda s: handshake.introduce(s, b"secret"), peer)
    assert isinstance(introduced, TransportError)


def test_a_silent_peer_is_given_up() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(ConnectionLost):
        handshake.admit(ours, b"", timeout=0.05)


def test_a_peer_that_dribbles_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every byte comes in time, all of them do not: a fake clock passes a second with each."""
    ours, theirs = socket.socketpair()
    clock = iter(range(10_000))
    monkeypatch.setattr(handshake, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    with ours, theirs:
        theirs.sendall(b"p")
        writer = threading.Thread(target=lambda: [theirs.send(b"p") for _ in range(30)])
        writer.start()
        with pytest.raises(ConnectionLost):
            handshake.admit(ours, b"", timeout=3.0)
        writer.join()


# --- unix sockets -----------------------------------------------------------------------------------------


@pytest.fixture
def runtime(xdg: Path) -> Path:
    directory = xdg / "run"
    directory.mkdir(mode=0o700)
    return directory


def answer_once(listener: socket.socket, token: bytes) -> threading.Thread:
    def serve() -> None:
        sock, _ = listener.accept()
        with contextlib.suppress(TransportError):
            handshake.check_peer(sock)
            handshake.admit(sock, token)
            Link(sock, operations={"echo": OPERATIONS["echo"]}, answers={"echo": lambda r: r}).serve()
        sock.close()

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def test_a_client_finds_its_host(runtime: Path) -> None:
    token = new_secret(runtime / "token")
    with handshake.listen(runtime / "sock") as listener:
        thread = answer_once(listener, token)
        link = Link(handshake.dial(runtime / "sock", runtime / "token"), asks=OPERATIONS)
        serving = link.start("client")
        assert link.call("echo", Code("x", 0)) == Code("x", 0)
        link.close()
        serving.join(PATIENCE)
        thread.join(PATIENCE)
    assert (runtime / "sock").stat().st_mode & 0o777 == 0o600
    assert (runtime / "token").stat().st_mode & 0o777 == 0o600


def test_a_stale_socket_is_replaced_and_refuses_before(runtime: Path) -> None:
    handshake.listen(runtime / "sock").close()
    new_secret(runtime / "token")
    with pytest.raises(ConnectionRefusedError):
        handshake.dial(runtime / "sock", runtime / "token")
    token = new_secret(runtime / "token")
    with handshake.listen(runtime / "sock") as listener:
        thread = answer_once(listener, token)
        handshake.dial(runtime / "sock", runtime / "token").close()
        thread.join(PATIENCE)


def test_where_there_is_no_host_there_is_no_file(runtime: Path) -> None:
    with pytest.raises(FileNotFoundError):
        handshake.dial(runtime / "sock", runtime / "token")


def test_a_stopped_host_does_not_hang_its_clients(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody accepts: first the handshake times out, then the queue of connections is full."""
    monkeypatch.setattr(handshake, "HANDSHAKE_SECONDS", 0.05)
    new_secret(runtime / "token")
    with handshake.listen(runtime / "sock"), contextlib.ExitStack() as waiting:
        with pytest.raises(ConnectionLost):
            handshake.dial(runtime / "sock", runtime / "token")
        with pytest.raises(BlockingIOError):
            while True:
                sock = waiting.enter_context(socket.socket(socket.AF_UNIX))
                sock.setblocking(False)
                sock.connect(str(runtime / "sock"))
        with pytest.raises(ConnectionLost, match="does not take connections"):
            handshake.dial(runtime / "sock", runtime / "token")


def test_the_directory_must_be_ours_alone(xdg: Path) -> None:
    open_to_others = xdg / "open"
    open_to_others.mkdir()
    open_to_others.chmod(0o755)
    with pytest.raises(AuthenticationFailed, match="chmod 700"):
        handshake.listen(open_to_others / "sock")
    private = xdg / "private"
    ensure_private(private)
    assert private.stat().st_mode & 0o777 == 0o700
    (xdg / "link").symlink_to(private)
    (xdg / "dangling").symlink_to(xdg / "nowhere")
    (xdg / "file").touch()
    for name in ("link", "dangling", "file"):
        with pytest.raises(AuthenticationFailed, match="not a directory of yours"):
            handshake.dial(xdg / name / "sock", xdg / "token")


def test_a_token_is_not_written_through_a_link(runtime: Path) -> None:
    (runtime / "elsewhere").touch()
    (runtime / "token").symlink_to(runtime / "elsewhere")
    token = new_secret(runtime / "token")
    assert len(token) == 32 and (runtime / "elsewhere").read_bytes() == b""
    assert not (runtime / "token").is_symlink()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_another_user_is_refused(xdg: Path) -> None:
    """Even where the directory does not keep it out: an inherited connection, or a wrong mode."""
    ours, theirs = socket.socketpair()
    listener = socket.socket(socket.AF_UNIX)
    path = xdg / "sock"
    listener.bind(str(path))
    listener.listen()
    path.chmod(0o777)
    xdg.chmod(0o755)
    pid = os.fork()
    if pid == 0:
        try:
            os.setuid(65534)
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(str(path))
            try:
                handshake.check_peer(sock)  # the host belongs to root
                refused = b"no"
            except AuthenticationFailed:
                refused = b"yes"
            try:
                ensure_private(xdg)
                refused += b" no"
            except AuthenticationFailed:
                refused += b" yes"
            theirs.sendall(refused)
            sock.recv(1)
        finally:
            os._exit(0)
    with listener, ours, theirs:
        sock, _ = listener.accept()
        with sock, pytest.raises(AuthenticationFailed, match="65534"):
            handshake.check_peer(sock)
        ours.settimeout(PATIENCE)
        assert ours.recv(100) == b"yes yes"
    os.waitpid(pid, 0)
