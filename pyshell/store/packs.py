"""Write packs, the files that hold chunks.

Runs in: host and worker (Python 3.10 and newer).

A pack is written once, under a name that ends in `.part` and with its writer's lock on it, and never changes after it
has its final name. It may be unlinked, but it is never truncated: somebody may have mapped it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pyshell.errors import StoreError
from pyshell.store import layout
from pyshell.store.claims import Claim, check_name
from pyshell.store.files import OS_FILES, Files, errors_named, write_all
from pyshell.store.format import ChunkId, Environment, Group, encode_environment, encode_group

SUFFIX = ".pack"

_GATHER = 1 << 20
"""Small pieces are gathered up to this many bytes, so that a small pack is one write."""

_DIRECT = 64 << 10
"""Pieces from this size on are written from where they lie."""

_SMALLEST_COMPRESSED = 128
_SAMPLE = 16 << 10
_WORTH_IT = 0.9

Reuse = Callable[[int, memoryview], "ChunkId | None"]
"""Given the number of a chunk and its bytes: the chunk that is known to hold them, or None."""


class PackWriter:
    """Writes one pack; belongs to the thread that made it.

    After StoreFull or StoreError it has abandoned itself: nothing is left behind.
    """

    def __init__(
        self,
        directory: Path,
        name: str,
        known: Container[ChunkId],
        files: Files = OS_FILES,
        claim: Claim | None = None,
    ) -> None:
        self.written = 0
        """Bytes of the pack so far, index and padding included."""
        self.between: Callable[[], object] = _nothing
        """Called before each chunk; it may raise, and what was put so far stays."""
        self._directory, self._known, self._files, self._claim = directory, known, files, claim
        self._part = directory / f"{check_name(name)}.part"
        self._final = directory / f"{name}{SUFFIX}"
        self._entries: dict[ChunkId, bytes] = {}
        self._gathered = bytearray()
        self._flushed = 0
        self._fd = -1
        with self._or_abandon():
            if files.exists(self._final):
                raise StoreError(f"there is a pack of the name {name} already: take another name")
            self._fd = files.create(self._part)
            files.lock(self._fd, wait=True)
            self._append(layout.PACK_HEADER.struct.pack(layout.PACK_MAGIC, layout.VERSION, layout.PAGE))

    def put(
        self, data: bytes | bytearray | memoryview, align: bool = False, reuse: Reuse | None = None
    ) -> tuple[ChunkId, ...]:
        """Cut `data` (C-contiguous) into chunks and write those that nobody has; their ids in order.

        `align`: a buffer, to be mapped some day: page-aligned and never compressed. `reuse`: saves hashing.
        """
        return (*self.put_each(data, align, reuse),)

    def put_each(
        self, data: bytes | bytearray | memoryview, align: bool = False, reuse: Reuse | None = None
    ) -> Iterator[ChunkId]:
        """The same, one chunk for each `next`: who stops in between has lost nothing."""
        view = memoryview(data)
        if not view.nbytes:
            return
        view = view.cast("B")
        step = layout.buffer_chunk_size(view.nbytes) if align else layout.STREAM_CHUNK
        for number, at in enumerate(range(0, view.nbytes, step)):
            self.between()
            with self._or_abandon():
                chunk = self._put_piece(number, view[at : at + step], align, reuse)
            yield chunk

    def _put_piece(self, number: int, piece: memoryview, align: bool, reuse: Reuse | None) -> ChunkId:
        chunk = reuse(number, piece) if reuse is not None else None
        # Its checkpoint may have been refused, or pruned: then nobody has it any more.
        return chunk if chunk is not None and chunk in self else self.put_chunk(piece, align)

    def __contains__(self, chunk: object) -> bool:
        """Whether it is here, or in a pack that was there before."""
        return chunk in self._entries or chunk in self._known

    def put_chunk(self, piece: bytes | memoryview, align: bool) -> ChunkId:
        """Write one chunk as it is cut already."""
        digest = layout.hash_chunk(piece)
        if digest in self:
            return digest
        payload, codec = (piece, layout.RAW) if align else compress(piece)
        if align:
            self._append(bytes(-self.written % layout.PAGE))
        self._entries[digest] = layout.PACK_ENTRY.struct.pack(
            digest, self.written, len(payload), len(piece), codec, align, b"\0\0"
        )
        self._append(payload)
        return digest

    def put_group(self, group: Group) -> str:
        """Write the group's document; the group's id, for `Proposal.added`."""
        self.put(encode_group(group))
        return group.id

    def put_environment(self, environment: Environment) -> ChunkId:
        """Write the environment's document; its id, for `Proposal.environment`."""
        data = encode_environment(environment)
        self.put(data)
        return layout.hash_chunk(data)

    def close(self) -> None:
        """Make the pack durable and visible. Without a new chunk there is no pack. Then `Store.propose`."""
        if not self._entries:
            self._leave()
            return
        with self._or_abandon():
            self._finish_index()
            self._flush()
            self._files.sync(self._fd)
            self._files.rename(self._part, self._final)
            self._files.sync_directory(self._directory)
        self._files.close(self._fd)
        self._fd = -1

    def abandon(self) -> None:
        """Leave nothing behind, and give up the proposal. Harmless after close."""
        self._leave()
        if self._claim is not None:
            self._claim.release()

    def _leave(self) -> None:
        if self._fd < 0:
            return
        # A part that cannot be removed now is removed by the next writer that opens the store.
        with suppress(OSError):
            self._files.unlink(self._part)
        self._files.close(self._fd)
        self._fd = -1

    @contextmanager
    def _or_abandon(self) -> Iterator[None]:
        try:
            with errors_named(f"write the pack {self._final.name}"):
                yield
        except BaseException:  # whatever it is, it goes on when this is tidied up
            self.abandon()
            raise

    def _append(self, data: bytes | memoryview) -> None:
        if self._fd < 0:
            raise StoreError(f"the pack {self._final.name} is closed")
        self.written += len(data)
        if len(data) < _DIRECT:
            self._gathered += data
        if len(data) >= _DIRECT or len(self._gathered) >= _GATHER:
            self._flush()
        if len(data) >= _DIRECT:
            self._flushed = write_all(self._files, self._fd, data, self._flushed)

    def _flush(self) -> None:
        self._flushed = write_all(self._files, self._fd, bytes(self._gathered), self._flushed)
        self._gathered.clear()

    def _finish_index(self) -> None:
        start, index = self.written, b"".join(self._entries.values())
        trailer = layout.PACK_TRAILER.struct.pack(
            layout.TRAILER_MAGIC, start, len(self._entries), zlib.crc32(index), bytes(4), 0
        )
        self._append(index + layout.add_crc(trailer, b""))


def _nothing() -> None:
    """Nobody wants to know."""


def compress(piece: bytes | memoryview) -> tuple[bytes | memoryview, int]:
    """The payload for a chunk of a stream, and its codec: compressed where that saves a tenth."""
    if len(piece) < _SMALLEST_COMPRESSED:
        return piece, layout.RAW
    if len(piece) > 4 * _SAMPLE and len(zlib.compress(piece[:_SAMPLE], 1)) > _WORTH_IT * _SAMPLE:
        return piece, layout.RAW
    packed = zlib.compress(piece, 1)
    if len(packed) > _WORTH_IT * len(piece):
        return piece, layout.RAW
    return packed, layout.ZLIB
