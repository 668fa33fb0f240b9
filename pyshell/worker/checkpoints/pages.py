"""Ask the kernel which pages of this process were written since it was asked last.

Runs in: worker, on its main thread.

Linux 6.7 and newer: `userfaultfd` marks pages in its asynchronous mode, where a write takes the mark away without a
signal or a fault that anybody has to answer, and `PAGEMAP_SCAN` lists the pages without a mark and marks them in the
same instant. Neither needs a privilege.

A page counts as clean only where the kernel says so: it is there, it has its mark, and what is mapped there is what was
registered. The opposite question would take for clean what was dropped (MADV_DONTNEED), unmapped, moved or mapped anew:
there is no mark then, but nothing that was written either.
"""

from __future__ import annotations

import bisect
import ctypes
import errno
import fcntl
import mmap
import os
import struct
import sys
import threading
from contextlib import suppress

from pyshell.frozen import dataclass

Span = tuple[int, int]
"""Addresses: the first, and the one behind the last."""

PAGE = mmap.PAGESIZE
MAX_SPANS = 20_000
"""Of written pages in one answer: so scattered, to read the buffer costs no more than to keep account of it."""
MAX_MAPPINGS = 30_000
"""Of the whole process. Linux allows 65,530, and to watch part of one splits it."""

_SYSCALLS = {"x86_64": 323, "aarch64": 282, "riscv64": 282}
_USER_MODE_ONLY = 1
_API, _REGISTER = 0xC018AA3F, 0xC020AA00
_PROTOCOL, _WP_UNPOPULATED, _WP_ASYNC = 0xAA, 1 << 13, 1 << 15
_MODE_WP = 2
_SCAN = 0xC0606610
_MARK_MATCHING, _REFUSE_OTHERS = 1, 2
_MARKABLE, _WRITTEN, _PRESENT, _SWAPPED = 1, 2, 8, 16
_VECTOR = 1024
_HUGE = 2 << 20
_MADV_COLLAPSE = 25


@dataclass(frozen=True)
class _Question:
    """The pages of which all and any of these categories hold, or do not hold if they are inverted."""

    all_of: int
    any_of: int = 0
    inverted: int = 0
    flags: int = _REFUSE_OTHERS


_WRITTEN_AND_MARK = _Question(_WRITTEN | _PRESENT, flags=_REFUSE_OTHERS | _MARK_MATCHING)
_CLEAN = _Question(_WRITTEN | _MARKABLE, _PRESENT | _SWAPPED, inverted=_WRITTEN)

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_libc.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


class PageWatch:
    """Owner: the main thread. Every method raises OSError where the kernel refuses."""

    def __init__(self) -> None:
        number = _SYSCALLS.get(os.uname().machine) if sys.platform == "linux" and sys.maxsize > 1 << 32 else None
        if number is None:
            raise OSError("there is no userfaultfd here")
        self._fd = _libc.syscall(number, os.O_CLOEXEC | os.O_NONBLOCK | _USER_MODE_ONLY)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "userfaultfd")
        try:
            # WP_UNPOPULATED only because there is no WP_ASYNC without it. What was never there is not marked: that
            # would cost a huge page its hugeness before it exists.
            fcntl.ioctl(self._fd, _API, bytearray(struct.pack("QQQ", _PROTOCOL, _WP_ASYNC | _WP_UNPOPULATED, 0)))
            self._name = os.readlink(f"/proc/self/fd/{self._fd}")
        except OSError:
            os.close(self._fd)
            raise
        self._vector = (ctypes.c_uint64 * (3 * _VECTOR))()

    def watch(self, span: Span) -> None:
        """Begin with these pages; nothing is clean before `written` was asked once."""
        if not self._is_there():
            raise OSError("somebody has closed the descriptor")
        start, end = span
        fcntl.ioctl(self._fd, _REGISTER, bytearray(struct.pack("QQQQ", start, end - start, _MODE_WP, 0)))

    def written(self, span: Span) -> list[Span]:
        """Pages that are not known to be as they were when this was asked last. From now on they are watched again.

        After an OSError nothing is known of any page of the span.
        """
        # Opened each time: a descriptor kept could be another file's by now.
        pagemap = os.open("/proc/self/pagemap", os.O_RDONLY | os.O_CLOEXEC)
        try:
            # What is written between the two questions loses its mark: it is dirty now and in the next answer, too.
            marked = self._scan(pagemap, span, _WRITTEN_AND_MARK)
            clean = self._scan(pagemap, span, _CLEAN)
        finally:
            os.close(pagemap)
        return marked + _between(clean, span)

    def _scan(self, pagemap: int, span: Span, question: _Question) -> list[Span]:
        found: list[Span] = []
        at, end = span
        while at < end:
            argument = bytearray(
                struct.pack(
                    "12Q", 96, question.flags, at, end, 0, ctypes.addressof(self._vector), _VECTOR, 0,
                    question.inverted, question.all_of, question.any_of, _PRESENT,
                )
            )  # fmt: skip
            count = fcntl.ioctl(pagemap, _SCAN, argument)
            regions = self._vector[: 3 * count]
            found += zip(regions[::3], regions[1::3])
            behind = struct.unpack_from("Q", argument, 32)[0]
            if behind <= at or len(found) > MAX_SPANS:
                raise OSError("the answer does not come to an end")
            at = behind
        return found

    def close(self) -> None:
        """Nothing is watched any more."""
        if self._is_there():
            os.close(self._fd)

    def _is_there(self) -> bool:
        """Whether the descriptor is still what it was: a cell may have closed it, and opened something else."""
        try:
            return os.readlink(f"/proc/self/fd/{self._fd}") == self._name
        except OSError:
            return False


def open_watch() -> PageWatch | None:
    """None where the kernel refuses, or does not do what it says."""
    try:
        watch = PageWatch()
    except OSError:
        return None
    with suppress(OSError):
        if _is_right(watch):
            return watch
    watch.close()
    return None


def _is_right(watch: PageWatch) -> bool:
    """Try it on pages that are left alone (0 and 3), written to (1), dropped (2), and never there (4)."""
    with mmap.mmap(-1, 5 * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        holder = ctypes.c_char.from_buffer(memory)
        start = ctypes.addressof(holder)
        del holder  # it keeps the mapping from being closed
        span = (start, start + 5 * PAGE)
        for number in range(4):
            memory[number * PAGE] = 1
        watch.watch(span)
        first, second = _numbers(watch.written(span), start), _numbers(watch.written(span), start)
        memory[PAGE] = 1
        memory.madvise(mmap.MADV_DONTNEED, 2 * PAGE, PAGE)
        third = _numbers(watch.written(span), start) if memory[0] else set()
    return (first, second, third) == ({0, 1, 2, 3, 4}, {4}, {1, 2, 4})


def _numbers(spans: list[Span], start: int) -> set[int]:
    return {number for low, high in spans for number in range((low - start) // PAGE, (high - start) // PAGE)}


def _between(spans: list[Span], whole: Span) -> list[Span]:
    """The rest of `whole`; the spans are in order."""
    found = []
    at = whole[0]
    for start, end in spans:
        if at < start:
            found.append((at, start))
        at = end
    if at < whole[1]:
        found.append((at, whole[1]))
    return found


# --- afterwards -------------------------------------------------------------------------------------------


def join_pages(spans: list[Span]) -> threading.Thread | None:
    """Make huge pages again of those that were split when somebody wrote to them, in the background.

    Else every fork from here on would take ten times as long for that memory. Whose it is by now does not matter: what
    is in it stays. None where the system wants no huge pages.
    """
    try:
        with open("/sys/kernel/mm/transparent_hugepage/enabled") as enabled:
            if "[never]" in enabled.read():
                return None
        thread = threading.Thread(target=_join_pages, args=(spans,), name="pyshell-pages", daemon=True)
        thread.start()
    except (OSError, RuntimeError):  # no such file, or no room for a thread
        return None
    return thread


def _join_pages(spans: list[Span]) -> None:
    with suppress(OSError):  # whoever works goes first; on Linux this is the thread's own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
    for start, end in spans:
        for at in range(-(-start // _HUGE) * _HUGE, end - _HUGE + 1, _HUGE):
            if _libc.madvise(at, _HUGE, _MADV_COLLAPSE) and ctypes.get_errno() not in (errno.EINVAL, errno.EAGAIN):
                break  # there is no room for huge pages, or none of that memory


# --- what may be watched ----------------------------------------------------------------------------------


class OwnMemory:
    """The memory that nobody else can write to, and no file: private, anonymous, as malloc takes it."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        with open("/proc/self/maps") as maps:
            lines = maps.readlines()
        for line in lines if len(lines) < MAX_MAPPINGS else ():
            where, access, _, _, inode = line.split(None, 5)[:5]
            if access == "rw-p" and inode == "0":
                self._add(*[int(address, 16) for address in where.split("-")])

    def _add(self, start: int, end: int) -> None:
        if self._ends and self._ends[-1] == start:
            self._ends[-1] = end
        else:
            self._starts.append(start)
            self._ends.append(end)

    def __contains__(self, span: Span) -> bool:
        number = bisect.bisect_right(self._starts, span[0]) - 1
        return number >= 0 and span[1] <= self._ends[number]


def has_pinned() -> bool:
    """Whether a device may write to memory of this process behind the page tables' back."""
    try:
        with open("/proc/self/status") as status:
            return any(line.startswith("VmPin:") and line.split()[1] != "0" for line in status)
    except OSError:
        return True
