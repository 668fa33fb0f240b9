"""The kernel's account of written pages: whatever happens to a page, it is never called clean when it is not.

Runs in: tests.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pyshell.worker.checkpoints import pages
from pyshell.worker.checkpoints.pages import PAGE, OwnMemory, PageWatch, open_watch

PAGES = 16
SIZE = PAGES * PAGE
FIXED = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x10
MAYMOVE, MOVE_TO, DONTUNMAP = 1, 2, 4

_libc = ctypes.CDLL(None, use_errno=True)
for _name in ("mmap", "mremap", "munmap", "madvise", "mprotect"):
    getattr(_libc, _name).restype = ctypes.c_void_p
_libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long)
_libc.mremap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int, ctypes.c_void_p)
_libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
_libc.madvise.argtypes = _libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)

if open_watch() is None:
    pytest.skip("this kernel does not tell which pages were written", allow_module_level=True)


class Memory:
    """Pages of our own, all written to, watched and clean."""

    def __init__(self, watch: PageWatch) -> None:
        self.watch = watch
        self.start = _libc.mmap(None, SIZE, 3, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
        self.write(range(PAGES))
        watch.watch(self.span)
        assert self.dirty() == set(range(PAGES))
        assert self.dirty() == set()

    @property
    def span(self) -> tuple[int, int]:
        return self.start, self.start + SIZE

    def page(self, number: int) -> int:
        return self.start + number * PAGE

    def write(self, numbers: range) -> None:
        for number in numbers:
            ctypes.memset(self.page(number), 1 + number, PAGE)

    def dirty(self) -> set[int]:
        spans = self.watch.written(self.span)
        return {number for number in range(PAGES) if any(a <= self.page(number) < b for a, b in spans)}


@pytest.fixture
def memory() -> Iterator[Memory]:
    made = Memory(PageWatch())
    yield made
    _libc.munmap(made.start, SIZE)
    made.watch.close()


def by_kernel(memory: Memory) -> None:
    with open("/dev/zero", "rb", buffering=0) as zeros:
        zeros.readinto((ctypes.c_char * PAGE).from_address(memory.page(3)))  # type: ignore[arg-type]


def by_proc(memory: Memory) -> None:
    with open("/proc/self/mem", "r+b", buffering=0) as itself:
        itself.seek(memory.page(3) + 17)
        itself.write(b"x")


def by_thread(memory: Memory) -> None:
    thread = threading.Thread(target=memory.write, args=(range(3, 4),))
    thread.start()
    thread.join()


def by_dropping(memory: Memory) -> None:
    _libc.madvise(memory.page(3), PAGE, mmap.MADV_DONTNEED)


def by_dropping_and_reading(memory: Memory) -> None:
    by_dropping(memory)
    assert ctypes.string_at(memory.page(3), 1) == b"\0"


def by_mapping_anew(memory: Memory) -> None:
    _libc.mmap(memory.page(3), PAGE, 3, FIXED, -1, 0)


def by_unmapping(memory: Memory) -> None:
    _libc.munmap(memory.page(3), PAGE)


def by_moving_away(memory: Memory) -> None:
    elsewhere = _libc.mremap(memory.page(3), PAGE, PAGE, MAYMOVE | DONTUNMAP, 0)
    _libc.munmap(elsewhere, PAGE)


def by_moving_here(memory: Memory) -> None:
    """From pages that are watched and clean, too."""
    other = Memory(memory.watch)
    _libc.mremap(other.page(7), PAGE, PAGE, MAYMOVE | MOVE_TO, memory.page(3))
    assert ctypes.string_at(memory.page(3), 1) == b"\x08"
    _libc.munmap(other.start, SIZE)


def by_writing_after_a_fork(memory: Memory) -> None:
    if not (pid := os.fork()):
        memory.write(range(PAGES))
        os._exit(0)
    memory.write(range(3, 4))
    os.waitpid(pid, 0)


def by_writing_after_protection(memory: Memory) -> None:
    _libc.mprotect(memory.start, SIZE, 1)
    _libc.mprotect(memory.start, SIZE, 3)
    memory.write(range(3, 4))


WAYS: dict[str, Callable[[Memory], None]] = {
    name: way for name, way in list(globals().items()) if name.startswith("by_")
}


@pytest.mark.parametrize("way", WAYS)
def test_a_page_that_changed_is_never_clean(memory: Memory, way: str) -> None:
    WAYS[way](memory)
    try:
        dirty = memory.dirty()
    except OSError:
        return  # what is mapped there is another mapping: nothing is said of any page
    assert 3 in dirty
    if way in ("by_kernel", "by_proc", "by_thread", "by_writing_after_a_fork", "by_writing_after_protection"):
        assert dirty == {3}, "and the others are still known"
        assert memory.dirty() == set()


def test_what_another_process_does_after_a_fork_is_its_own(memory: Memory) -> None:
    if not (pid := os.fork()):
        memory.write(range(PAGES))
        os._exit(0)
    os.waitpid(pid, 0)
    assert memory.dirty() == set()


def test_a_page_that_was_never_there_is_not_clean() -> None:
    watch = PageWatch()
    start = _libc.mmap(None, SIZE, 3, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
    span = (start, start + SIZE)
    watch.watch(span)
    for _ in range(3):
        assert sum(high - low for low, high in watch.written(span)) == SIZE
    _libc.munmap(start, SIZE)
    watch.close()


def test_memory_of_which_nobody_said_to_watch_it_is_refused(memory: Memory) -> None:
    start = _libc.mmap(None, SIZE, 3, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
    with pytest.raises(OSError):
        memory.watch.written((start, start + SIZE))
    _libc.munmap(start, SIZE)


def test_huge_pages(memory: Memory) -> None:
    size, huge = 16 << 20, 2 << 20
    start = _libc.mmap(None, size + huge, 3, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
    first = -(-start // huge) * huge
    _libc.madvise(first, size, mmap.MADV_HUGEPAGE)
    ctypes.memset(first, 1, size)
    span = (first, first + size)
    memory.watch.watch(span)
    memory.watch.written(span)
    assert memory.watch.written(span) == []
    numbers = random.Random(0).sample(range(size // PAGE), 50)
    for number in numbers:
        ctypes.memset(first + number * PAGE + 5, 2, 1)
    spans = memory.watch.written(span)
    assert {page for a, b in spans for page in range((a - first) // PAGE, (b - first) // PAGE)} == set(numbers)
    _libc.munmap(start, size + huge)


def huge_bytes() -> int:
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("AnonHugePages:"))


def test_huge_pages_that_were_split_are_made_again(memory: Memory) -> None:
    size, huge = 16 << 20, 2 << 20
    without = huge_bytes()
    start = _libc.mmap(None, size + huge, 3, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
    first = -(-start // huge) * huge
    span = (first, first + size)
    _libc.madvise(first, size, mmap.MADV_HUGEPAGE)
    ctypes.memset(first, 1, size)
    if huge_bytes() - without < size:
        pytest.skip("there are no huge pages to be had")
    memory.watch.watch(span)
    memory.watch.written(span)
    for page in range(first, first + size, PAGE):
        ctypes.memset(page, 2, 1)
    assert huge_bytes() - without < size
    thread = pages.join_pages([(first + 5, first + size - 5), span, (PAGE, 9 * huge)])
    assert thread is not None
    thread.join()
    assert huge_bytes() - without == size
    assert ctypes.string_at(first, size) == (b"\2" + b"\1" * (PAGE - 1)) * (size // PAGE)
    _libc.munmap(start, size + huge)


def test_a_write_beside_the_questions_is_in_this_answer_or_in_the_next(memory: Memory) -> None:
    """A thread that runs without the interpreter's lock, as numpy's do."""
    told: set[int] = set()
    finished = threading.Event()

    def write() -> None:
        for _ in range(200):
            for number in range(PAGES):
                ctypes.memset(memory.page(number), 7, PAGE)
        finished.set()

    thread = threading.Thread(target=write)
    thread.start()
    while not finished.is_set():
        told |= memory.dirty()
    thread.join()
    assert told | memory.dirty() == set(range(PAGES))
    ctypes.memset(memory.page(5), 9, 1)
    assert memory.dirty() == {5}


def test_a_closed_descriptor_is_not_taken_for_another(memory: Memory) -> None:
    os.close(memory.watch._fd)
    other = os.open(os.devnull, os.O_RDONLY)
    assert other == memory.watch._fd
    with pytest.raises(OSError):
        memory.watch.watch(memory.span)
    with pytest.raises(OSError):
        memory.dirty()


def test_a_kernel_that_does_not_do_what_it_says_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PageWatch, "written", lambda self, span: [])
    assert open_watch() is None
    monkeypatch.undo()
    monkeypatch.setitem(pages._SYSCALLS, os.uname().machine, 100_000)
    assert open_watch() is None
    monkeypatch.setattr(pages, "_SYSCALLS", {})
    assert open_watch() is None


def test_only_memory_that_nobody_else_can_write_to_is_own(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(bytes(SIZE))
    with file.open("r+b") as opened:
        kinds = [
            mmap.mmap(-1, SIZE),
            mmap.mmap(opened.fileno(), SIZE, access=mmap.ACCESS_COPY),
            mmap.mmap(opened.fileno(), SIZE),
        ]
    starts = [ctypes.addressof(ctypes.c_char.from_buffer(kind)) for kind in kinds]
    private = _libc.mmap(None, SIZE, 3, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
    own = OwnMemory()
    assert [(start, start + SIZE) in own for start in starts] == [False] * 3
    assert (private, private + SIZE) in own
    assert (private - (1 << 40), private + SIZE) not in own
    _libc.munmap(private, SIZE)


def test_nothing_is_pinned_here() -> None:
    assert pages.has_pinned() is False
