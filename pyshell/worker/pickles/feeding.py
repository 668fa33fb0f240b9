"""Load a pickle piece by piece, with a look in between whether to go on, and note what it names.

Runs in: worker, on its main thread.

C's unpickler holds the interpreter's lock as long as it is fed. Between two frames of 64 KiB it asks for more by a
call of Python code: there signals are handled, other threads get their turn, and the loading can be given up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pyshell.worker.pickles.leaves import Unsavable
from pyshell.worker.pickles.pickling import Unpickler


class GivenWay(BaseException):
    """Something else is more urgent, and what is being loaded can be begun again. Guards against values' errors let it
    through."""


class Feed:
    """The file that an unpickler reads from. `look` is called before each piece, and may raise."""

    def __init__(self, pieces: Iterator[bytes], look: Callable[[], object]) -> None:
        self._pieces = pieces
        self._look = look
        self._piece = b""
        self._at = 0

    def read(self, count: int) -> bytes:
        self._look()
        found = self._piece[self._at : self._at + count]
        self._at += len(found)
        if len(found) == count:
            return found
        parts, missing = [found], count - len(found)
        while missing and (piece := next(self._pieces, b"")):
            self._piece, self._at = piece, min(missing, len(piece))
            parts.append(piece[: self._at])
            missing -= self._at
        return b"".join(parts)

    def readline(self) -> bytes:
        """Only pickles of old protocols have lines."""
        line = b""
        while not line.endswith(b"\n") and (byte := self.read(1)):
            line += byte
        return line


class _Noting(Unpickler):
    """Notes the full names of all functions and classes that a pickle refers to."""

    found: set[str]

    def find_class(self, module: str, name: str) -> Any:
        self.found.add(f"{module}.{name}")
        return super().find_class(module, name)


def load_noting(feed: Feed, buffers: Sequence[Any], found: set[str]) -> dict[str, Any]:
    """Bring one plain pickle's names back, as `pickling.load`; `found` gets what it refers to, before that is used."""
    unpickler = _Noting(feed, buffers=buffers)
    unpickler.found = found
    content = unpickler.load()
    if type(content) is not dict:
        raise Unsavable("the pickle does not hold names")
    return content
