"""The memory that survives the worker: whatever kills the writer, the reader gets each byte once.

Runs in: tests.
"""

from __future__ import annotations

import mmap
import os
import random
import signal
from collections.abc import Iterator

import pytest

from pyshell import blackbox
from pyshell.blackbox import LOADING, SAVING, TAIL_SIZE, BlackBox


@pytest.fixture
def fd() -> Iterator[int]:
    made = blackbox.create()
    yield made
    os.close(made)


@pytest.fixture
def box(fd: int) -> BlackBox:
    return BlackBox(fd)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    both = os.pipe()
    os.set_blocking(both[1], False)
    yield both
    for fd in both:
        os.close(fd)


def test_what_is_appended_is_seen_by_another_view(fd: int, box: BlackBox) -> None:
    box.append(b"one ")
    box.append(b"two")
    other = BlackBox(fd)
    assert other.unwritten(b"") == b"one two"
    assert other.take() == b"one two" and box.pending == 0


def test_what_does_not_fit_is_refused_whole(box: BlackBox) -> None:
    assert box.append(b"x" * (TAIL_SIZE - 1))
    assert not box.append(b"yy")
    assert box.append(b"y")
    assert box.take() == b"x" * (TAIL_SIZE - 1) + b"y"
    assert not box.append(b"x" * (TAIL_SIZE + 1))
    assert box.append(b"again")


def test_draining_writes_everything_once(box: BlackBox, pipe: tuple[int, int]) -> None:
    read, write = pipe
    box.append(b"hello")
    box.drain(write)
    assert os.read(read, 100) == b"hello" and box.unwritten(b"hello") == b""
    box.drain(write)
    with pytest.raises(BlockingIOError):
        os.set_blocking(read, False)
        os.read(read, 100)


def test_what_a_terminal_does_not_take_stays(box: BlackBox, pipe: tuple[int, int]) -> None:
    read, write = pipe
    data = random.Random(1).randbytes(TAIL_SIZE)
    box.append(data)
    os.write(write, b"-" * 20_000)
    with pytest.raises(BlockingIOError):
        box.drain(write)
    taken = os.read(read, 1 << 20)[20_000:]
    assert taken + box.unwritten(taken) == data
    assert box.pending == len(data) - len(taken)


def torn(box: BlackBox, data: bytes, taken: int, newline: bytes = b"\r\n", before: bytes = b"") -> bytes:
    """What the host recovers when death struck inside a write of which `taken` bytes arrived."""
    box.clear()
    box.append(data)
    box._words[2] = 1
    return box.unwritten(before + data[:taken].replace(b"\n", newline))


@pytest.mark.parametrize("newline", [b"\r\n", b"\n"])
def test_a_torn_write_is_completed(box: BlackBox, newline: bytes) -> None:
    data = b"".join([b"line %d\n" % i for i in range(200)])
    for taken in range(0, len(data) + 1, 7):
        assert torn(box, data, taken, newline, b"earlier\r\n") == data[taken:]


def test_a_torn_write_of_a_full_tail_of_equal_bytes(box: BlackBox) -> None:
    """The worst case for a search; which of them arrived cannot be told, so none is shown twice."""
    data = b"x" * TAIL_SIZE
    assert torn(box, data, 1000) == data[1000:]
    assert torn(box, data, 0, before=b"x" * 160_000) == b""
    pattern = (b"x" * 100 + b"\n") * (TAIL_SIZE // 101)
    assert torn(box, pattern, 30_000, before=b"y") == pattern[30_000:]


def test_the_longest_overlap_is_found() -> None:
    generator = random.Random(2)
    for _ in range(500):
        received = bytes(generator.choices(b"ab", k=generator.randrange(12)))
        text = bytes(generator.choices(b"ab", k=generator.randrange(1, 12)))
        longest = max(n for n in range(len(text) + 1) if received.endswith(text[:n]))
        assert blackbox._overlap(received, text) == longest


def test_a_writer_that_is_killed_leaves_a_readable_box(fd: int, box: BlackBox) -> None:
    for seed in range(10):
        box.clear()
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                writer = BlackBox(fd)
                number = 0
                while True:
                    while writer.append(b"%d\n" % number):
                        number += 1
                    writer.drain(write)
            finally:
                os._exit(1)
        os.close(write)
        received = b""
        while len(received) < 50_000 * (seed + 1) // 3:
            received += os.read(read, 65536)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        while part := os.read(read, 65536):
            received += part
        os.close(read)
        lines = (received + box.unwritten(received)).split(b"\n")
        assert lines[:-1] == [b"%d" % i for i in range(len(lines) - 1)]


def test_crumbs_are_kept_apart_and_cut(box: BlackBox) -> None:
    assert box.crumb(SAVING) == ""
    box.drop_crumb(SAVING, "group a")
    box.drop_crumb(LOADING, "x" * 5000)
    assert box.crumb(SAVING) == "group a" and box.crumb(LOADING) == "x" * 959
    box.drop_crumb(LOADING, "\u20ac" * 500)
    assert box.crumb(LOADING).rstrip("\ufffd") == "\u20ac" * 319
    box.drop_crumb(SAVING, "short\ud800")
    assert box.crumb(SAVING) == "short\\ud800"
    box.drop_crumb(SAVING, "")
    assert box.crumb(SAVING) == ""


def test_a_box_that_was_overwritten_is_read_all_the_same(fd: int, box: BlackBox) -> None:
    """A worker whose memory went wild may have left anything."""
    generator = random.Random(3)
    with mmap.mmap(fd, 0) as memory:
        for _ in range(20):
            memory[:] = generator.randbytes(len(memory))
            memory[8:12] = generator.choice([b"\0\0\0\0", b"\1\0\0\0"])
            assert isinstance(box.unwritten(b"abc" * 100), bytes)
            assert isinstance(box.crumb(SAVING) + box.crumb(LOADING), str)
            assert box.pending >= 0
        memory[:] = b"\xff" * len(memory)
        assert isinstance(box.unwritten(b""), bytes) and isinstance(box.crumb(SAVING), str)
        box.clear()
        assert box.take() == b""
