"""Files for the cells that print much: the journal's database keeps where in them an event's text lies.

Runs in: host.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

INLINE = 1 << 20
"""Characters of a cell's output that are kept in the database; what follows lies here."""
SMALL = 4 << 20
"""Bytes of a file that are not worth asking how much room there is."""
HALF = (
    "{} has printed {:,} MB, as much as the disk has left: what it prints from here on is neither kept nor shown, "
    "so that there is room for what is saved."
)
LEFT_OUT = "{:,} characters that were printed after that were not kept."


class Spool:
    """Owner: the supervisor's thread. `read` may be called from any thread."""

    def __init__(self, directory: Path, tell: Callable[[int | None, str], None]) -> None:
        self._directory = directory
        self._tell = tell
        """Of a cell: what its person is to hear."""
        self._inline: dict[int | None, int] = {}
        self._left_out: dict[int | None, int] = {}

    def add(self, cell: int | None, text: str) -> tuple[int, int] | None:
        """Where in the cell's file it begins and how many bytes it has; None: it goes into the database."""
        used = self._inline.get(cell, 0)
        if used + len(text) <= INLINE:
            self._inline[cell] = used + len(text)
            return None
        data = text.encode("utf-8", "replace")
        try:
            with open(self._file(cell), "ab", opener=_open_private) as file:
                offset = file.tell()
                file.write(data)
        except OSError:  # no room, most likely: the database has a reserve
            return None
        return offset, len(data)

    def takes(self, cell: int | None, text: str) -> bool:
        """Whether the cell has not had half of the room yet, the half that is left being for what is saved."""
        if cell in self._left_out:
            self._left_out[cell] += len(text)
            return False
        if self._inline.get(cell, 0) + len(text) <= INLINE:
            return True
        size = self._size(cell)
        if size < SMALL or size < self._room():
            return True
        self._left_out[cell] = len(text)
        self._tell(cell, HALF.format(f"In[{cell}]" if cell else "What runs between cells", size >> 20))
        return False

    def _size(self, cell: int | None) -> int:
        """Bytes in the cell's file."""
        try:
            return self._file(cell).stat().st_size
        except OSError:
            return 0

    def _room(self) -> int:
        disk = os.statvfs(self._directory)
        return disk.f_bavail * disk.f_frsize

    def end(self, cell: int | None) -> None:
        """Nothing more comes of the cell."""
        self._inline.pop(cell, None)
        if left_out := self._left_out.pop(cell, 0):
            self._tell(cell, LEFT_OUT.format(left_out))

    def read(self, cell: int | None, offset: int, length: int) -> str:
        """What `add` took, or words about what is missing of it."""
        path = self._file(cell)
        try:
            with path.open("rb") as file:
                file.seek(offset)
                data = file.read(length)
        except OSError as exc:  # a person may have tidied up; the other events are still there
            return f"[{length} bytes of output were in {path}: {exc.strerror}]\n"
        missing = length - len(data)
        return data.decode("utf-8", "replace") + (f"[{missing} bytes are missing in {path}]\n" if missing else "")

    def _file(self, cell: int | None) -> Path:
        return self._directory / f"{cell or 0}.txt"


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
