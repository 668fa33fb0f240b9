"""Find chunks in packs and read them, verified.

Runs in: host and worker (Python 3.10 and newer).

A pack's index is read from its end in one read: 200 packs of 100 chunks are open in some milliseconds. A damaged index
costs its pack; a damaged payload costs its chunk, unless another pack has a copy.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

from pyshell.errors import StoreCorrupt, StoreFull
from pyshell.frozen import dataclass
from pyshell.store import layout
from pyshell.store.files import Files
from pyshell.store.format import ChunkId
from pyshell.store.packs import SUFFIX, PackWriter

_OPEN_PACKS = 32
"""While reading; there may be more packs than a process may have open files."""

Place = tuple[str, int, int, int, int]
"""Where a chunk lies: pack, offset, stored bytes, size, codec."""

_Entry = tuple[str, tuple[Any, ...]]
"""The pack, and the fields of the pack_entry."""


def read_chunk(files: Files, fd: int, chunk: ChunkId, place: Place) -> bytes:
    """The chunk of that name from an open pack; StoreCorrupt if its place does not hold it."""
    pack, offset, stored, size, codec = place
    data = payload = files.read(fd, stored, offset)
    if codec == layout.ZLIB:
        engine = zlib.decompressobj()
        try:
            data = engine.decompress(payload, size + 1)  # never more, whatever a damaged payload unpacks to
        except zlib.error:
            data = b""
    if len(payload) != stored or len(data) != size or layout.hash_chunk(data) != chunk:
        raise StoreCorrupt(f"chunk {chunk.hex()[:16]} in pack {pack} is damaged")
    return data


@dataclass(frozen=True)
class Pack:
    """One pack's index as it was read; `raw` are its pack_entry records, kept as bytes because there are thousands."""

    name: str
    size: int
    raw: bytes

    def entries(self) -> Iterator[tuple[ChunkId, Place, bool]]:
        """(chunk, place, aligned) of each entry."""
        name = self.name
        for digest, offset, stored, size, codec, aligned, _ in layout.PACK_ENTRY.struct.iter_unpack(self.raw):
            yield digest, (name, offset, stored, size, codec), bool(aligned)


def read_pack(files: Files, directory: Path, name: str) -> Pack:
    """Read a pack's index; StoreCorrupt says what is wrong with it."""
    fd = files.open_read(directory / f"{name}{SUFFIX}")
    try:
        size = files.size(fd)
        tail = files.read(fd, min(size, 16 << 10), max(0, size - (16 << 10)))
        start, count, crc = _trailer(tail, name)
        length = count * layout.PACK_ENTRY.size
        if start + length + layout.PACK_TRAILER.size != size:
            raise StoreCorrupt(f"pack {name} has another length than its trailer says")
        end = len(tail) - layout.PACK_TRAILER.size
        entries = tail[end - length : end] if length <= end else files.read(fd, length, start)
    finally:
        files.close(fd)
    if zlib.crc32(entries) != crc:
        raise StoreCorrupt(f"the index of pack {name} is damaged")
    return Pack(name, size, entries)


def _trailer(tail: bytes, name: str) -> tuple[int, int, int]:
    data = tail[-layout.PACK_TRAILER.size :]
    if len(data) < layout.PACK_TRAILER.size or not data.startswith(layout.TRAILER_MAGIC):
        raise StoreCorrupt(f"pack {name} does not end in a trailer")
    if not layout.is_intact(data):
        raise StoreCorrupt(f"the trailer of pack {name} is damaged")
    _, start, count, crc, _, _ = layout.PACK_TRAILER.struct.unpack(data)
    return start, count, crc


def read_header(files: Files, fd: int, name: str) -> Iterator[str]:
    """What is wrong with the header of an open pack. Nothing depends on it but other programs."""
    header = files.read(fd, layout.PACK_HEADER.size, 0)
    if header != layout.PACK_HEADER.struct.pack(layout.PACK_MAGIC, layout.VERSION, layout.PAGE):
        yield f"the header of pack {name} is damaged"


class Index:
    """Which chunk lies where, over all packs of a directory. `chunk in index` asks for one."""

    def __init__(self, directory: Path, files: Files) -> None:
        self.packs: dict[str, Pack] = {}
        self.damage: dict[str, str] = {}
        """Pack -> why nothing in it can be read."""
        self.rotten: set[str] = set()
        """Packs in which a chunk was found damaged."""
        self._unsynced: set[str] = set()
        """Packs that were seen since `sync`."""
        self.directory, self._files = directory, files
        self._places: dict[ChunkId, _Entry] = {}
        self._kept: dict[str, int] | None = None
        # Copies of the same chunk in other packs, for when the first turns out to be damaged.
        self._copies: dict[ChunkId, list[_Entry]] = {}

    def __contains__(self, chunk: object) -> bool:
        return chunk in self._places

    def __len__(self) -> int:
        return len(self._places)

    def place(self, chunk: ChunkId) -> Place:
        try:
            pack, entry = self._places[chunk]
        except KeyError:
            raise StoreCorrupt(f"chunk {chunk.hex()[:16]} is in no pack") from None
        return pack, *entry[1:5]

    def refresh(self) -> None:
        """Take up packs that others added, and let go of those that are gone."""
        names = self._files.names(self.directory)
        found = {name[: -len(SUFFIX)] for name in names if name.endswith(SUFFIX)}
        gone = self.packs.keys() - found
        for name in gone:
            del self.packs[name]
        for name in self.damage.keys() - found:
            del self.damage[name]
        self.rotten &= found
        if gone:
            self._places, self._copies = {}, {}
            for pack in self.packs.values():
                self._take(pack)
        for name in sorted(found - self.packs.keys() - self.damage.keys()):
            self._add(name)

    def _add(self, name: str) -> None:
        self._unsynced.add(name)
        try:
            pack = read_pack(self._files, self.directory, name)
        except FileNotFoundError:
            return  # pruned since the directory was listed
        except StoreCorrupt as exc:
            self.damage[name] = str(exc)
            return
        self.packs[name] = pack
        self._take(pack)

    def _take(self, pack: Pack) -> None:
        # Unpacked entries as they come: making a Place of each took four times as long for 20,000 chunks.
        name = pack.name
        places = {entry[0]: (name, entry) for entry in layout.PACK_ENTRY.struct.iter_unpack(pack.raw)}
        for chunk in places.keys() & self._places.keys():
            self._copies.setdefault(chunk, []).append(places.pop(chunk))
        self._places.update(places)

    def sync(self) -> None:
        """Make sure that every pack seen so far is durable under its name, whoever wrote it."""
        for name in self._unsynced & self.packs.keys():
            fd = self._files.open_read(self.directory / f"{name}{SUFFIX}")
            try:
                self._files.sync(fd)  # nothing to do, unless a worker wrote it inline
            finally:
                self._files.close(fd)
        if self._unsynced:
            self._files.sync_directory(self.directory)
            self._unsynced.clear()

    def read(self, chunks: Iterable[ChunkId]) -> Iterator[bytes]:
        """Each chunk's content, verified. A pack that was pruned away meanwhile is looked for once more."""
        fds: dict[str, int] = {} if self._kept is None else self._kept
        try:
            for chunk in chunks:
                yield self._read_chunk(chunk, fds)
        finally:
            if fds is not self._kept:
                self._close(fds)

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """Keep packs open from one `read` to the next: to open one takes longer than to read a small group."""
        self._kept = {}
        try:
            yield
        finally:
            fds, self._kept = self._kept, None
            self._close(fds)

    def _close(self, fds: dict[str, int]) -> None:
        for fd in fds.values():
            self._files.close(fd)

    def _read_chunk(self, chunk: ChunkId, fds: dict[str, int]) -> bytes:
        while True:
            place = self.place(chunk)
            try:
                return self._read_place(chunk, place, fds)
            except FileNotFoundError:
                self.refresh()
                if chunk in self and self.place(chunk) == place:
                    raise
            except StoreCorrupt:
                # Forgotten here, a damaged chunk is written again by whoever has its content next.
                self.rotten.add(place[0])
                copies = self._copies.get(chunk)
                if not copies:
                    del self._places[chunk]
                    raise
                self._places[chunk] = copies.pop()

    def _read_place(self, chunk: ChunkId, place: Place, fds: dict[str, int]) -> bytes:
        pack = place[0]
        if pack not in fds:
            if len(fds) >= _OPEN_PACKS:
                self._files.close(fds.pop(next(iter(fds))))
            fds[pack] = self.open_pack(pack)
        return read_chunk(self._files, fds[pack], chunk, place)

    def open_pack(self, pack: str) -> int:
        """A descriptor to read from, or to map; whoever asks for it closes it."""
        return self._files.open_read(self.directory / f"{pack}{SUFFIX}")

    def copy(self, packs: Iterable[Pack], wanted: Callable[[ChunkId, Pack], bool], name: str) -> bool:
        """Copy the readable chunks that are wanted from these packs to a new one. False: there is no room for it."""
        writer = None
        try:
            writer = PackWriter(self.directory, name, (), self._files)
            for pack in packs:
                for chunk, _, aligned in pack.entries():
                    if wanted(chunk, pack):
                        with suppress(StoreCorrupt):  # what cannot be read is lost already
                            writer.put_chunk(b"".join(self.read([chunk])), aligned)
            writer.close()
        except StoreFull:
            return False
        finally:
            if writer is not None:
                writer.abandon()
        return True

    def remove(self, names: Iterable[str]) -> None:
        """Unlink packs; whoever has one mapped keeps what is mapped."""
        for name in names:
            self._files.unlink(self.directory / f"{name}{SUFFIX}")
        self._files.sync_directory(self.directory)
        self.refresh()

    def retire_rotten(self) -> None:
        """Replace packs with damaged chunks by packs without them.

        Other processes would go on to take such a chunk for known, and never write it again. What can be read stays
        readable all the time, so this needs no lock but the writer's.
        """
        for name in sorted(self.rotten):
            if self.copy([self.packs[name]], lambda chunk, pack: chunk in self, self.free_name(name)):
                self.remove([name])

    def free_name(self, stem: str) -> str:
        """A name for a pack that is made from others."""
        stem = stem[:40].split("-copy")[0]
        return next(name for name in (f"{stem}-copy{number}" for number in count(1)) if name not in self.packs)
