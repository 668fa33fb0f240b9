"""Write large buffers without reading what has not changed.

Runs in: the forked child that saves; worker (`spots_of`).

A chunk is taken over from the last save if the kernel says that none of its pages was written since (tracking.py), or
if it is equal to what lies in the store. All else is hashed. Whoever writes the pack sees that the chunk is there.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple
from typing import Any

from pyshell.errors import StoreError
from pyshell.frozen import dataclass
from pyshell.store import Buffer, Group, PackWriter, Store
from pyshell.store.format import ChunkId
from pyshell.store.layout import RAW
from pyshell.store.packs import Reuse
from pyshell.worker.checkpoints.tracking import SMALLEST, Earlier, Key, Spot

MAX_MISSES = 4
"""Chunks in a row that turned out to be others; then the rest of the buffer will have changed, too."""
CALM = 7 / 8

_libc = ctypes.CDLL(None)
_libc.memcmp.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t)


class _Buffer(ctypes.Structure):
    """`Py_buffer`."""

    _fields_ = (
        ("buf", ctypes.c_void_p), ("obj", ctypes.c_void_p), ("len", ctypes.c_ssize_t), ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int), ("ndim", ctypes.c_int), ("format", ctypes.c_char_p), ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p), ("suboffsets", ctypes.c_void_p), ("internal", ctypes.c_void_p),
    )  # fmt: skip


_get_buffer, _release_buffer = ctypes.pythonapi.PyObject_GetBuffer, ctypes.pythonapi.PyBuffer_Release
_get_buffer.argtypes = (ctypes.py_object, ctypes.POINTER(_Buffer), ctypes.c_int)
_release_buffer.argtypes, _release_buffer.restype = (ctypes.POINTER(_Buffer),), None


def address_of(view: memoryview) -> int:
    """Where it lies in memory, read-only or not."""
    found = _Buffer()
    _get_buffer(view, ctypes.byref(found), 0)
    try:
        return found.buf or 0
    finally:
        _release_buffer(ctypes.byref(found))


def is_ours(view: memoryview) -> bool:
    """Whether Python or numpy took the memory, and not the user's code or another library."""
    owner: Any = view.obj
    array: Any = getattr(sys.modules.get("numpy"), "ndarray", None)
    while array is not None and isinstance(owner, array):
        base = array.base.__get__(owner)
        if base is None:
            return bool(array.flags.__get__(owner).owndata)
        owner = base
    return type(owner) in (bytes, bytearray)


def spots_of(group: Group, buffers: Sequence[Any]) -> list[Spot]:
    """Where the large ones of a group lie that was just loaded. They are the pack's, so they are not watched."""
    views = [(number, memoryview(buffer)) for number, buffer in enumerate(buffers)]
    return [
        Spot((address_of(view), view.nbytes), group.names, group.id, number, is_ours=False, is_calm=False)
        for number, view in views
        if view.nbytes >= SMALLEST
    ]


@dataclass(frozen=True)
class Account:
    """What the worker must know of the buffers that were saved."""

    spots: tuple[Spot, ...]
    unread: int
    """Bytes that were saved without being looked at."""
    unhashed: int
    """These, and those that were compared."""
    refuted: tuple[tuple[Key, int], ...]
    """Chunks that had changed although the kernel called them clean."""

    def to_plain(self) -> list[Any]:
        return [[astuple(spot) for spot in self.spots], self.unread, self.unhashed, self.refuted]

    @classmethod
    def from_plain(cls, plain: list[Any]) -> Account:
        spots, unread, unhashed, refuted = plain
        found = [Spot((*key,), (*names,), *rest) for key, names, *rest in spots]
        return cls(tuple(found), unread, unhashed, tuple([((*key,), number) for key, number in refuted]))


class BufferWriter:
    """The large buffers of one save. `reads_all`: take nothing over, but see whether that would have been right."""

    def __init__(self, store: Store, earlier: Mapping[Key, Earlier], reads_all: bool) -> None:
        self._store = store
        self._earlier = earlier
        self._reads_all = reads_all
        self._fds: dict[str, int] = {}
        self._begun: dict[tuple[int, Key], list[ChunkId]] = {}
        """Of the group in work: which buffer, and the chunks that it has so far, should somebody stop in the middle."""
        self._pending: list[tuple[Key, int, bool, bool]] = []
        self._spots: list[Spot] = []
        self._unread = self._unhashed = 0
        self._refuted: list[tuple[Key, int]] = []

    def write(self, writer: PackWriter, views: Sequence[memoryview]) -> tuple[Buffer, ...]:
        """The buffers of one group; `note` must follow."""
        self._pending.clear()
        return tuple([
            Buffer(self._write(writer, view, number), view.nbytes, view.readonly) for number, view in enumerate(views)
        ])

    def note(self, group: Group) -> None:
        """This is the group whose buffers were written last."""
        self._spots += [
            Spot(key, group.names, group.id, number, ours, calm) for key, number, ours, calm in self._pending
        ]
        self._pending.clear()
        self._begun.clear()

    def forget_begun(self) -> None:
        """What was begun may have changed since."""
        self._begun.clear()

    def close(self) -> None:
        """Let go of the packs; whoever writes on opens them again."""
        for fd in self._fds.values():
            os.close(fd)
        self._fds.clear()

    def account(self) -> Account:
        """When all is written."""
        self.close()
        return Account(tuple(self._spots), self._unread, self._unhashed, tuple(self._refuted))

    def _write(self, writer: PackWriter, view: memoryview, number: int) -> tuple[ChunkId, ...]:
        if view.nbytes < SMALLEST:
            return writer.put(view, align=True)
        key = address_of(view), view.nbytes
        before = self._before(key)
        chunks = self._put(writer, view, (number, key), None if before is None or self._reads_all else before.reuse)
        if before is not None:
            self._unread += before.unread
            self._unhashed += before.unread + before.compared
            self._refuted += [(key, number) for number in before.refuted_by(chunks)]
        calm = before is not None and before.share_of(chunks) >= CALM
        self._pending.append((key, number, is_ours(view), calm))
        return chunks

    def _put(
        self, writer: PackWriter, view: memoryview, place: tuple[int, Key], reuse: Reuse | None
    ) -> tuple[ChunkId, ...]:
        begun = self._begun.setdefault(place, [])

        def known(number: int, piece: memoryview) -> ChunkId | None:
            if number < len(begun):
                return begun[number]
            return reuse(number, piece) if reuse is not None else None

        for number, chunk in enumerate(writer.put_each(view, align=True, reuse=known)):
            begun[number : number + 1] = [chunk]
        return tuple(begun)

    def _before(self, key: Key) -> _Before | None:
        earlier = self._earlier.get(key)
        if earlier is None:
            return None
        try:
            chunks = self._store.group(earlier.group).buffers[earlier.number].chunks
        except (StoreError, IndexError):  # pruned, or never committed
            return None
        return _Before(chunks, earlier.written, self._holds)

    def _holds(self, chunk: ChunkId, piece: memoryview) -> bool:
        """Whether the store's chunk is these very bytes."""
        try:
            pack, offset, stored, size, codec = self._store.index.place(chunk)
            if codec != RAW or size != piece.nbytes:
                return False
            if pack not in self._fds:
                self._fds[pack] = self._store.index.open_pack(pack)
            content = self._store.files.read(self._fds[pack], stored, offset)
        except (OSError, StoreError):
            return False  # hashed, it is written again
        return len(content) == size and not _libc.memcmp(address_of(piece), content, size)


class _Before:
    """What one buffer held when it was saved last."""

    def __init__(
        self,
        chunks: Sequence[ChunkId],
        written: frozenset[int] | None,
        holds: Callable[[ChunkId, memoryview], bool],
    ) -> None:
        self.unread = self.compared = 0
        self._chunks = chunks
        self._written = written
        self._holds = holds
        self._misses = 0

    def reuse(self, number: int, piece: memoryview) -> ChunkId | None:
        """The chunk that holds this piece; None: it is to be hashed. Ask for one after the other."""
        chunk = self._chunks[number]
        if self._written is not None:
            if number in self._written:
                return None
            self.unread += piece.nbytes
            return chunk
        if self._misses >= MAX_MISSES:
            return None
        if self._holds(chunk, piece):
            self._misses = 0
            self.compared += piece.nbytes
            return chunk
        self._misses += 1
        return None

    def share_of(self, chunks: Sequence[ChunkId]) -> float:
        """How much is the same now."""
        return sum(map(bytes.__eq__, self._chunks, chunks)) / len(chunks)

    def refuted_by(self, chunks: Sequence[ChunkId]) -> list[int]:
        """Chunks that are others now, although nothing is said to have been written there."""
        written = self._written
        if written is None:
            return []
        pairs = enumerate(zip(self._chunks, chunks))
        return [number for number, (before, now) in pairs if before != now and number not in written]
