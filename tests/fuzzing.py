"""Messages as they really are, recorded, and what becomes of them when they are changed here and there.

Runs in: tests. PYSHELL_FUZZ_SECONDS says for how long.

What is made up from nothing hardly comes past the first check. What was recorded comes past all of them, and one change
reaches what lies behind: another value in place of one, a part of another message, a part too few or too many, a length
that is not true, a bit.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from pyshell import Session, handshake
from pyshell.paths import SessionPaths

SECONDS = float(os.environ.get("PYSHELL_FUZZ_SECONDS", "60"))

TOUR: list[tuple[str, dict[str, Any]]] = [
    ("status", {}),
    ("complete", {"code": "table.ke", "cursor_pos": 8}),
    ("complete", {"code": "table['", "cursor_pos": 7, "detail": 1}),
    ("inspect", {"code": "len(table, ", "cursor_pos": 11, "detail": 1}),
    ("variables", {"start": 0, "count": 50}),
    ("children", {"path": "table['a'][1]", "start": 0, "count": 100}),
    ("children", {"path": "table", "start": 1}),
    ("table", {"path": "table", "first_row": 0, "rows": 50, "first_column": 0, "columns": 20}),
    ("history", {"limit": 100, "pattern": "table", "elsewhere": False}),
    ("events", {"after": 0, "cell": 1, "limit": 1000}),
    ("events", {"after": 3}),
    ("queue", {}),
    ("cancel", {"cell": 999}),
    ("move", {"cell": 999, "position": 0}),
    ("input", {"text": "Ada\u00e9\u6f22", "end": False}),
    ("keys", {"data": "YQ=="}),
    ("resize", {"columns": 100, "rows": 30}),
    ("comms", {}),
    ("checkpoints", {}),
    ("peek", {"checkpoint": 1}),
    ("diff", {"before": 1, "after": 2}),
    ("label", {"checkpoint": 1, "label": "named"}),
]
"""Requests that may be changed in any way: what becomes of them takes nothing from the session, runs no code, and
needs no time."""

STRANGE: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 255, 256, 2**31 - 1, -(2**31), 2**32, 2**53, 2**63, -(2**64), 10**300, 0.0, -0.0, 1.5,
    1e308, float("inf"), float("nan"), "", "0", "\0", "a" * 70_000, "\ud800", "\u202e", "\U0010ffff", "__class__",
    "../../etc/passwd", "a.b['c'][0]()", "[" * 300, "(" * 300 + ")" * 300, "'" * 99, "x" + ".y" * 5000, "\\N{", "f'{",
    b"", b"\xff\xfe", b"\0" * 5000,
)  # fmt: skip
_LENGTHS = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 8 << 20, (8 << 20) + 1024)


class Mutator:
    """Changes what was recorded. `parts` is every value in it. The same seed gives the same changes."""

    def __init__(self, seed: int, recorded: list[Any]) -> None:
        self.random = Random(seed)
        self._parts = [part for value in recorded for part in _parts(value)]

    def changed(self, value: Any) -> Any:
        """With one change or some more, anywhere in it."""
        for _ in range(self.random.choice((1, 1, 1, 2, 3, 6))):
            value = self._at(value, self.random.choice(_places(value)))
        return value

    def _at(self, value: Any, place: tuple[Any, ...]) -> Any:
        if not place:
            return self._instead(value)
        first, *rest = place
        if isinstance(value, dict):
            return {name: self._at(item, tuple(rest)) if name == first else item for name, item in value.items()}
        return type(value)(self._at(item, tuple(rest)) if n == first else item for n, item in enumerate(value))

    def _instead(self, value: Any) -> Any:
        way = self.random.randrange(8)
        if way == 0:
            return self.random.choice(STRANGE)
        if way == 1:
            return self.random.choice(self._parts)
        if isinstance(value, dict) and value:
            return self._other_object(value)
        if isinstance(value, (list, tuple)) and value:
            return type(value)(self._other_items(list(value)))
        if isinstance(value, (str, bytes)) and value and way < 6:
            return self._other_text(value)
        if type(value) is int and way < 6:
            return value + self.random.choice((-1, 1, 2**16, -(2**31), 2**40))
        return self._wrapped(value)

    def _other_object(self, value: dict[Any, Any]) -> dict[Any, Any]:
        names = list(value)
        name = self.random.choice(names)
        way = self.random.randrange(3)
        if way == 0:
            return {n: item for n, item in value.items() if n != name}
        if way == 1:
            return {**value, str(self.random.choice(self._parts))[:50]: self.random.choice(self._parts)}
        return {(n if n != name else f"{n} "): item for n, item in value.items()}

    def _other_items(self, items: list[Any]) -> list[Any]:
        at, way = self.random.randrange(len(items)), self.random.randrange(4)
        if way == 0:
            return items[:at] + items[at + 1 :]
        if way == 1:
            return items[:at] + [self.random.choice(self._parts)] + items[at:]
        if way == 2:
            return items + items[at : at + 1] * (1 if _parts(items[at])[1:] else self.random.choice((1, 300)))
        return items[at:] + items[:at]

    def _other_text(self, value: Any) -> Any:
        at, size = self.random.randrange(len(value)), self.random.randrange(1, 5)
        other = self.random.choice([part for part in (value, *STRANGE) if type(part) is type(value)])
        return self.random.choice(
            (value[:at], value[:at] + value[at + size :], value[:at] + other + value[at:], value * 3)
        )

    def _wrapped(self, value: Any) -> Any:
        for _ in range(self.random.choice((1, 2, 31, 32, 33, 200))):
            value = (value,)
        return value

    def garbled(self, data: bytes) -> bytes:
        """Bytes with some of them changed, cut out, doubled, or taken for a length."""
        for _ in range(self.random.choice((1, 1, 2, 5))):
            at = self.random.randrange(len(data) + 1)
            size = self.random.choice((1, 1, 2, 4, 16, 100))
            way = self.random.randrange(7)
            if way == 0 and at < len(data):
                data = data[:at] + bytes((data[at] ^ 1 << self.random.randrange(8),)) + data[at + 1 :]
            elif way == 1:
                data = data[:at] + data[at + size :]
            elif way == 2:
                data = data[:at] + data[at : at + size] * 2 + data[at + size :]
            elif way == 3:
                data = data[:at] + self.random.randbytes(size) + data[at + size :]
            elif way == 4:
                data = data[:at] + self.random.choice(_LENGTHS).to_bytes(4, "big") + data[at + 4 :]
            elif way == 5:
                data = data[:at] + data[self.random.randrange(len(data) + 1) :]
            else:
                data = data[:at]
        return data


def _parts(value: Any) -> list[Any]:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return [value, *(part for item in items for part in _parts(item))]


def _places(value: Any, depth: int = 6) -> list[tuple[Any, ...]]:
    """The ways to everything in a value, itself included."""
    named = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (list, tuple)) else ()
    return [(), *((name, *place) for name, item in named if depth for place in _places(item, depth - 1))]


def rounds(seconds: float = SECONDS) -> Iterator[int]:
    """Seeds, until the time is up; new ones in each run. A failure's is in what pytest shows of it."""
    until = time.monotonic() + seconds
    seed = int.from_bytes(os.urandom(4), "big")
    while time.monotonic() < until:
        seed += 1
        yield seed


# --- recording ----------------------------------------------------------------------------------------------------


class _ByProxy(SessionPaths):
    """Paths of a session whose socket is another one."""

    @property
    def socket(self) -> Path:
        return super().socket.with_suffix(".proxy")


class Tape:
    """What went over the connections of a client: from it and to it."""

    def __init__(self) -> None:
        self.sent: list[bytearray] = []
        self.received: list[bytearray] = []


@contextmanager
def recorded(session: Session) -> Iterator[tuple[Session, Tape]]:
    """Another client of the session, and what it says and hears."""
    paths, tape = _ByProxy(session.paths.roots, session.paths.name), Tape()
    with handshake.listen(paths.socket) as listener:
        accepting = threading.Thread(target=_accept, args=(listener, session.paths.socket, tape), daemon=True)
        accepting.start()
        with Session(paths, "recorded") as client:
            yield client, tape
        listener.shutdown(socket.SHUT_RDWR)
        accepting.join()


def _accept(listener: socket.socket, path: Path, tape: Tape) -> None:
    pumps = []
    try:
        while True:
            ours, _ = listener.accept()
            theirs = socket.socket(socket.AF_UNIX)
            theirs.connect(str(path))
            for source, target, copies in ((ours, theirs, tape.sent), (theirs, ours, tape.received)):
                copies.append(bytearray())
                pumps.append(threading.Thread(target=_pump, args=(source, target, copies[-1]), daemon=True))
                pumps[-1].start()
    except OSError:  # it is over
        for pump in pumps:
            pump.join()


def _pump(source: socket.socket, target: socket.socket, copy: bytearray) -> None:
    try:
        while data := source.recv(1 << 16):
            copy += data
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:  # the other side has hung up
        return
