"""Bring large buffers back by mapping the packs that hold them: at once, and read only where they are touched.

Runs in: worker; `Mapper` on the main thread, what `verify` does on a thread of its own.

The mappings are private: a page that is written to is copied, the pack never changes. A pack may be unlinked while
it is mapped, but nobody truncates one. What is mapped has not been verified when it is used. That is done afterwards,
by reading the pack: the mapped pages may have been changed by then, and to touch them would bring them into memory.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from pyshell.errors import StoreCorrupt
from pyshell.frozen import dataclass
from pyshell.store import Buffer, Place, Store, read_chunk
from pyshell.store.layout import RAW

SMALLEST = 1 << 20
"""Smaller buffers are read: a page fault for every 4 KiB costs more than reading all of it."""
MAX_EXTENTS = 16_384
"""Mappings in all. Linux allows a process 65,530, and the user's code wants some."""
MAX_PACKS = 64
"""Packs that may be open until they are verified."""
CAN_MAP = sys.platform == "linux" and ctypes.sizeof(ctypes.c_void_p) == 8
_MAP_FIXED = 0x10

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = (
    ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long,
)  # fmt: skip


@dataclass
class Extent:
    """Bytes of a buffer that lie in one piece in one pack."""

    pack: str
    offset: int
    start: int
    """Where they belong in the buffer."""
    length: int

    @property
    def end(self) -> tuple[str, int]:
        return self.pack, self.offset + self.length


@dataclass(frozen=True)
class Mapped:
    """A buffer that is mapped, and not yet verified."""

    names: tuple[str, ...]
    buffer: Buffer


class Mapper:
    """The buffers of one restore. Owner: the main thread, until `verify` is called; call that once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._mapped: list[Mapped] = []
        self._places: dict[bytes, Place] = {}
        self._fds: dict[str, int] = {}
        self._left = MAX_EXTENTS

    def bring(self, buffer: Buffer, names: tuple[str, ...]) -> Any:
        """The buffer's content, in memory that can be written to unless the buffer was read-only.

        StoreError if it cannot be read, or is small and damaged.
        """
        memory = self._map(buffer) if buffer.size >= SMALLEST and CAN_MAP else None
        if memory is None:
            content = self._store.read(buffer.chunks)
            return content if buffer.readonly else bytearray(content)
        self._mapped.append(Mapped(names, buffer))
        return memoryview(memory).toreadonly() if buffer.readonly else memory

    def _map(self, buffer: Buffer) -> mmap.mmap | None:
        """None where it has to be read."""
        try:
            extents = self._extents(buffer)
            if extents is None or len(extents) > self._left:
                return None
            for extent in extents:
                self._open(extent.pack)
            if any(self._size(extent.pack) < extent.end[1] for extent in extents):
                return None
            # Not mmap(fd, …): that would keep a descriptor open for every buffer.
            memory = mmap.mmap(-1, buffer.size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        except (OSError, StoreCorrupt):  # pruned or damaged: whoever reads it looks for a copy, and says what is wrong
            return None
        self._left -= len(extents)
        address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        return memory if all(self._place(extent, address) for extent in extents) else None

    def _extents(self, buffer: Buffer) -> list[Extent] | None:
        """Where the buffer lies; None if part of it is stored in a way that cannot be mapped."""
        found: list[Extent] = []
        start = 0
        for chunk in buffer.chunks:
            place = self._places[chunk] = self._store.index.place(chunk)
            pack, offset, _, size, codec = place
            # A chunk of a stream with the same content may be compressed, or lie anywhere.
            if codec != RAW or offset % mmap.PAGESIZE or start % mmap.PAGESIZE:
                return None
            if found and found[-1].end == (pack, offset):
                found[-1].length += size
            else:
                found.append(Extent(pack, offset, start, size))
            start += size
        return found if start == buffer.size else None

    def _open(self, pack: str) -> None:
        if pack not in self._fds:
            if len(self._fds) >= MAX_PACKS:
                raise OSError("too many packs")
            self._fds[pack] = self._store.index.open_pack(pack)

    def _size(self, pack: str) -> int:
        return self._store.files.size(self._fds[pack])

    def _place(self, extent: Extent, address: int) -> bool:
        access, flags = mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | _MAP_FIXED
        where = address + extent.start
        got = _libc.mmap(where, extent.length, access, flags, self._fds[extent.pack], extent.offset)
        return bool(got == where)

    # --- afterwards

    def verify(self, report: Callable[[str], None]) -> threading.Thread | None:
        """Read in the background what was mapped; `report` is told of what is damaged. None if nothing was mapped."""
        if not self._mapped:
            self._close()
            return None
        thread = threading.Thread(target=self._verify, args=(report,), name="pyshell-verifier", daemon=True)
        thread.start()
        return thread

    def _verify(self, report: Callable[[str], None]) -> None:
        with suppress(OSError):  # whoever works goes first; on Linux this is the thread's own
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        for text in self._findings():
            report(text)
        self._close()

    def _findings(self) -> Iterator[str]:
        verdicts: dict[bytes, str] = {}
        for mapped in self._mapped:
            for chunk in mapped.buffer.chunks:
                if chunk not in verdicts:
                    verdicts[chunk] = self._reason_against(chunk)
                if verdicts[chunk]:
                    yield f"what came back as {', '.join(mapped.names)} is not what was saved: {verdicts[chunk]}"
                    break

    def _reason_against(self, chunk: bytes) -> str:
        place = self._places[chunk]
        try:
            read_chunk(self._store.files, self._fds[place[0]], chunk, place)
        except (OSError, StoreCorrupt) as exc:
            return str(exc)
        return ""

    def _close(self) -> None:
        for fd in self._fds.values():
            os.close(fd)
        self._fds = {}
