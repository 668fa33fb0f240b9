"""Somebody else on the same machine, who tries all that may lead into a session: `python -m tests.stranger`.

Runs in: tests, as a process of its own, as root.

It reads from standard input what there is to try, tries it as the owner, becomes the stranger, tries it again, and
prints for both what came of each attempt: `in`, or the name of the error.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import os
import pty
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import pyshell
from pyshell import cli, handshake
from pyshell.errors import PyshellError

SECONDS = 20.0
MAX_FD = 40
_NEW_USERS, _NEW_NETWORK = 0x10000000, 0x40000000  # linux/sched.h
_DUMPABLE = 4  # PR_SET_DUMPABLE
_PIDFD_GETFD = 438
_libc = ctypes.CDLL(None, use_errno=True)


class Target(NamedTuple):
    """What there is of the session."""

    name: str
    socket: str
    bridge: str
    token: str
    files: list[str]
    directories: list[str]
    terminals: list[str]
    processes: list[int]


class Refused(Exception):
    """It was tried, and nothing came of it."""


def attempts(target: Target) -> Iterator[tuple[str, Callable[[], object]]]:
    yield "the session's socket", lambda: introduce(target.socket, target.token)
    yield "the socket of JSON-RPC", lambda: speak(target.bridge, target.token)
    yield "pyshell.connect", lambda: pyshell.connect(target.name).close()
    for command in (["log", "-t"], ["check", "-t"], ["delete", "-f", "-t"]):
        if command[0] != "delete" or os.geteuid():  # the owner would have no session left
            yield f"pyshell {command[0]}", lambda command=command: run([*command, target.name])  # type: ignore[misc]
    for path in target.files:
        yield f"read {path}", lambda path=path: read(path)  # type: ignore[misc]
        yield f"write {path}", lambda path=path: os.close(os.open(path, os.O_WRONLY))  # type: ignore[misc]
    for path in target.directories:
        yield f"list {path}", lambda path=path: os.listdir(path)  # type: ignore[misc]
        yield f"write into {path}", lambda path=path: make(f"{path}/planted")  # type: ignore[misc]
    for path in target.terminals:
        yield f"the terminal {path}", lambda path=path: os.close(os.open(path, os.O_RDWR | os.O_NOCTTY))  # type: ignore[misc]
    for pid in target.processes:
        for part in ("environ", "mem", "maps", "cwd/.", "exe"):
            yield f"{part} of {pid}", lambda pid=pid, part=part: look(f"/proc/{pid}/{part}")  # type: ignore[misc]
        yield f"what {pid} has open", lambda pid=pid: os.listdir(f"/proc/{pid}/fd")  # type: ignore[misc]
        yield f"what {pid} shares", lambda pid=pid: share(pid)  # type: ignore[misc]
        yield f"take from {pid}", lambda pid=pid: take(pid)  # type: ignore[misc]
        yield f"signal {pid}", lambda pid=pid: os.kill(pid, 0)  # type: ignore[misc]


def introduce(path: str, token: str) -> None:
    """As a client of the session does, but without its look at the directory."""
    with dialled(path) as sock:
        handshake.introduce(sock, secret(token))


def speak(path: str, token: str) -> None:
    """As an editor does."""
    params = {"client": "stranger", "token": secret(token).hex()}
    with dialled(path) as sock, sock.makefile("rb") as stream:
        sock.sendall(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}).encode() + b"\n")
        answer = stream.readline()
        if b'"result"' not in answer:
            raise Refused(answer)


@contextlib.contextmanager
def dialled(path: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(SECONDS)
        sock.connect(path)
        yield sock


def secret(token: str) -> bytes:
    try:
        return Path(token).read_bytes()
    except OSError:
        return bytes(32)


def run(command: list[str]) -> None:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as told:
        status = cli.main(command)
    if status:
        assert "Traceback" not in told.getvalue(), told.getvalue()
        raise Refused(told.getvalue())


def read(path: str) -> None:
    with open(path, "rb") as file:
        file.read(1)


def look(path: str) -> object:
    if path.endswith("/exe"):
        return os.readlink(path)
    if path.endswith("/."):
        return os.stat(path)
    return os.close(os.open(path, os.O_RDONLY))


def make(path: str) -> None:
    with open(path, "x"):
        pass
    os.unlink(path)


def share(pid: int) -> None:
    """Open what only its file descriptors name: the black box, and what the worker says when it dies."""
    shared = [f"/proc/{pid}/fd/{fd}" for fd in range(MAX_FD)]
    opened = [path for path in shared if succeeds(lambda path=path: os.close(os.open(path, os.O_RDONLY)))]  # type: ignore[misc]
    if not opened:
        raise Refused("none can be opened")


def take(pid: int) -> None:
    """Its connections, by the number that they have there: those between the host and the worker have no other name."""
    process = os.pidfd_open(pid)
    try:
        taken = [_libc.syscall(_PIDFD_GETFD, process, fd, 0) for fd in range(MAX_FD)]
    finally:
        os.close(process)
    found = [fd for fd in taken if fd >= 0]
    for fd in found:
        os.close(fd)
    if not found:
        raise Refused("none can be taken")


def succeeds(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except OSError:
        return False
    return True


def outcome(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except (OSError, PyshellError, Refused) as exc:
        return type(exc).__name__
    return "in"


def attach(name: str) -> str:
    """What `pyshell attach` says in a terminal of its own, until it ends or shows a prompt."""
    pid, fd = pty.fork()
    if not pid:
        end(cli.main(["attach", "-t", name]))
    told = b""
    with contextlib.suppress(OSError):  # as a terminal's end is told
        while b"In [" not in told and (part := os.read(fd, 4096)):
            told += part
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(fd)
    return told.decode(errors="replace")


def end(status: int) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


# --- becoming somebody else ---------------------------------------------------------------------------------------


def become(user: int, place: str) -> None:
    """That user, in our network, in one of its own, or as the root of a world of its own."""
    if place == "own network":
        unshare(_NEW_NETWORK)
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
    if place == "own root":
        _libc.prctl(_DUMPABLE, 1, 0, 0, 0)  # or its own entries in /proc would be root's
        unshare(_NEW_USERS | _NEW_NETWORK)
        Path("/proc/self/setgroups").write_text("deny")
        for kind in ("uid", "gid"):
            Path(f"/proc/self/{kind}_map").write_text(f"0 {user} 1")
        assert os.getuid() == 0


def unshare(what: int) -> None:
    if _libc.unshare(what):
        raise OSError(ctypes.get_errno(), "unshare")


def main(given: dict[str, Any]) -> dict[str, Any]:
    target = Target(**given["target"])
    found = {"owner": {name: outcome(attempt) for name, attempt in attempts(target)}}
    try:
        become(given["user"], given["place"])
    except OSError as exc:
        return {"impossible": str(exc)}
    found["stranger"] = {name: outcome(attempt) for name, attempt in attempts(target)}
    return {**found, "attach": attach(target.name)}


if __name__ == "__main__":
    # Imported by now is all that will be needed: the interpreter's own files may be out of the stranger's reach.
    told = json.dumps(main(json.load(sys.stdin)))
    print(told, flush=True)
