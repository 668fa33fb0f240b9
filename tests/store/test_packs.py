"""Packs: cutting, finding again, aligning, compressing; what is damaged is noticed and costs no more than it must.

Runs in: tests.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from pyshell.errors import StoreCorrupt, StoreError
from pyshell.store import Files, PackWriter
from pyshell.store.index import Index, read_chunk
from pyshell.store.layout import PAGE, RAW, STREAM_CHUNK, ZLIB
from tests.store.faults import FaultyFiles

NOISE = random.Random(1).randbytes(3 << 20)


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return Index(tmp_path, Files())


def write(index: Index, name: str, *data: bytes, align: bool = False) -> list[tuple[bytes, ...]]:
    writer = PackWriter(index.directory, name, index)
    chunks = [writer.put(item, align) for item in data]
    writer.close()
    index.refresh()
    assert index.packs.keys() | set() >= ({name} if writer.written > 16 else set())
    return chunks


def test_what_is_put_can_be_read(index: Index) -> None:
    data = [b"x", b"text " * 1000, NOISE, b""]
    chunks = write(index, "p", *data)
    assert [len(item) for item in chunks] == [1, 1, 3, 0]
    assert [b"".join(index.read(item)) for item in chunks] == data


def test_streams_are_compressed_when_that_is_worth_it(index: Index) -> None:
    (small,), (text,), noise = write(index, "p", b"s" * 100, b"text " * 1000, NOISE)
    assert index.place(small)[4] == RAW
    assert index.place(text)[4] == ZLIB and index.place(text)[2] < 200
    assert {index.place(chunk)[4] for chunk in noise} == {RAW}
    assert {index.place(chunk)[3] for chunk in noise} == {STREAM_CHUNK}


def test_buffers_lie_at_pages_and_as_they_are(index: Index) -> None:
    data = bytes(200_000)
    (chunks,) = write(index, "p", data, align=True)
    assert len(chunks) == 4 and len(set(chunks)) == 2
    pack = (index.directory / "p.pack").read_bytes()
    for chunk in chunks:
        _, offset, stored, size, codec = index.place(chunk)
        assert offset % PAGE == 0 and codec == RAW and stored == size
        assert pack[offset : offset + size] == data[:size]
    assert b"".join(index.read(chunks)) == data


def test_consecutive_chunks_of_a_buffer_are_contiguous(index: Index) -> None:
    """So that a new array can be mapped in one piece."""
    (chunks,) = write(index, "p", NOISE, align=True)
    offsets = [index.place(chunk)[1] for chunk in chunks]
    assert offsets == list(range(offsets[0], offsets[0] + len(NOISE), 64 << 10))


@pytest.mark.parametrize("data", [bytearray(b"abc" * 10), memoryview(b"abcdef").cast("H"), memoryview(b"")])
def test_any_contiguous_bytes(index: Index, data: bytearray | memoryview) -> None:
    (chunks,) = write(index, "p", data)  # type: ignore[arg-type]
    assert b"".join(index.read(chunks)) == bytes(data)


def test_what_is_known_is_not_written_again(index: Index) -> None:
    first = write(index, "one", b"same" * 100, NOISE)
    again = write(index, "two", NOISE, b"same" * 100, b"new")
    assert first == again[1::-1]
    assert sorted(os.listdir(index.directory)) == ["one.pack", "two.pack"]
    assert (index.directory / "two.pack").stat().st_size < 200
    write(index, "three", NOISE)
    assert sorted(os.listdir(index.directory)) == ["one.pack", "two.pack"]


def test_abandoned_packs_leave_nothing(index: Index) -> None:
    writer = PackWriter(index.directory, "p", ())
    writer.put(NOISE)
    assert os.listdir(index.directory) == ["p.part"]
    writer.abandon()
    writer.abandon()
    assert os.listdir(index.directory) == []
    with pytest.raises(StoreError, match="closed"):
        writer.put(b"more")


def test_names(index: Index) -> None:
    write(index, "p", b"x")
    with pytest.raises(StoreError, match="another name"):
        PackWriter(index.directory, "p", ())
    for name in ("", "a/b", "..", "a.b", "x" * 65):
        with pytest.raises(StoreError, match="cannot name"):
            PackWriter(index.directory, name, ())
    assert os.listdir(index.directory) == ["p.pack"]


def test_written_is_what_the_file_takes(index: Index) -> None:
    writer = PackWriter(index.directory, "p", ())
    writer.put(NOISE)
    writer.put(b"small")
    writer.put(b"b" * 5000, align=True)
    writer.close()
    assert writer.written == (index.directory / "p.pack").stat().st_size


def test_a_small_pack_is_one_write_and_two_syncs(index: Index) -> None:
    files = FaultyFiles()
    writer = PackWriter(index.directory, "p", (), files)
    for number in range(50):
        writer.put(b"%d" % number)
    writer.close()
    place = index.directory.name
    assert files.operations == ["create p.part", "write", "sync", "rename p.pack", f"sync_directory {place}"]


def test_packs_that_come_and_go(index: Index) -> None:
    (one,) = write(index, "one", b"first")
    (two,) = write(index, "two", b"second")
    (index.directory / "one.pack").unlink()
    index.refresh()
    assert one[0] not in index and two[0] in index
    with pytest.raises(StoreCorrupt, match="in no pack"):
        list(index.read(one))


def test_a_pack_that_is_gone_is_looked_for_once_more(index: Index) -> None:
    (chunks,) = write(index, "one", b"moved")
    write_elsewhere = PackWriter(index.directory, "two", ())
    write_elsewhere.put(b"moved")
    write_elsewhere.close()
    (index.directory / "one.pack").unlink()
    assert list(index.read(chunks)) == [b"moved"]


def test_a_damaged_chunk_is_read_from_its_copy_or_forgotten(index: Index) -> None:
    (chunks,) = write(index, "one", b"some bytes that will rot")
    damage(index.directory / "one.pack", b"rot", b"ROT")
    with pytest.raises(StoreCorrupt, match="in pack one is damaged"):
        list(index.read(chunks))
    assert chunks[0] not in index
    assert write(index, "two", b"some bytes that will rot") == [chunks]
    assert list(index.read(chunks)) == [b"some bytes that will rot"]
    fresh = Index(index.directory, Files())
    fresh.refresh()
    assert list(fresh.read(chunks)) == [b"some bytes that will rot"]


def test_many_packs_with_few_open_files(index: Index) -> None:
    chunks = [write(index, f"p{number}", b"%d" % number)[0][0] for number in range(80)]
    files = FaultyFiles()
    many = Index(index.directory, files)
    many.refresh()
    reading = many.read(chunks * 2)
    for number in range(160):
        assert next(reading) == b"%d" % (number % 80)
        assert len(files._open) <= 32
    reading.close()
    assert not files._open


def damage(path: Path, before: bytes, after: bytes) -> None:
    data = path.read_bytes()
    assert before in data
    path.write_bytes(data.replace(before, after))


def test_zip_bombs_are_not_unpacked(index: Index) -> None:
    """A payload may not unpack to more than its entry says, whatever it holds."""
    (chunks,) = write(index, "p", bytes(1000))
    pack, offset, stored, _, codec = index.place(chunks[0])
    with pytest.raises(StoreCorrupt), open(index.directory / "p.pack", "rb") as file:
        read_chunk(Files(), file.fileno(), chunks[0], (pack, offset, stored, 10, codec))
