"""The door of a host: who is let in, and what the others hear.

Runs in: tests.
"""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from pyshell import handshake
from pyshell.errors import ConnectionLost
from pyshell.host import door
from pyshell.host.service import HostService
from pyshell.private import new_secret
from tests.sessions import SECONDS, becomes_true


class Service:
    """One that lets everybody wait."""

    def came(self, pid: int) -> None: ...
    def went(self, pid: int) -> None: ...
    def answers(self, is_gone: Callable[[], bool]) -> dict[str, Any]:
        return dict.fromkeys(door.HOST_OPERATIONS, lambda _: None)


Dial = Callable[[], socket.socket]


@contextmanager
def opened(root: Path, log: list[str]) -> Iterator[Dial]:
    """Knock at a door."""
    sockets: list[socket.socket] = []
    path, token = root / "pyshell" / "s", root / "token"
    made = door.Door(path, new_secret(token), cast(HostService, Service()), log.append)

    def dial() -> socket.socket:
        sockets.append(handshake.dial(path, token))
        return sockets[-1]

    try:
        yield dial
    finally:
        made.close()
        for sock in sockets:
            sock.close()


def test_who_comes_too_many_at_once_all_hear_why(xdg: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "MAX_CLIENTS", 2)
    with opened(xdg, []) as dial:
        turn_away(dial)


def turn_away(dial: Dial) -> None:
    """Two are in, ten more come, one goes."""
    first, _ = dial(), dial()
    told: list[str] = []

    def try_it() -> None:
        try:
            dial()
        except ConnectionLost as exc:
            told.append(str(exc))

    threads = [threading.Thread(target=try_it) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert len(told) == 10 and {"too many clients; close one" in text for text in told} == {True}
    first.close()

    def is_let_in() -> bool:
        try:
            dial()
        except ConnectionLost:
            return False
        return True

    assert becomes_true(is_let_in)


def test_a_host_without_free_descriptors_lets_in_when_there_are_some(
    xdg: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.socket.accept
    failures = [OSError(errno.EMFILE, "Too many open files")]

    def accept(listener: socket.socket) -> Any:
        if failures:
            raise failures.pop()
        return real(listener)

    monkeypatch.setattr(door, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(socket.socket, "accept", accept)
    log: list[str] = []
    with opened(xdg, log) as dial:
        dial()
    assert [line.partition(":")[0] for line in log] == ["nobody can be let in at the moment"]
