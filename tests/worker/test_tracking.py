"""What is saved without being read is what reading it would have saved, whoever wrote to it and how.

Runs in: tests.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import random
import socket
import threading
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyshell.store import Binding, Group, Store
from pyshell.store.layout import buffer_chunk_size, hash_chunk
from pyshell.worker.checkpoints import reusing, tracking
from pyshell.worker.checkpoints.pages import PAGE, PageWatch, open_watch
from pyshell.worker.checkpoints.reusing import Account, BufferWriter
from pyshell.worker.checkpoints.tracking import SMALLEST, Tracking

np = pytest.importorskip("numpy")
pytestmark = pytest.mark.science
needs_kernel = pytest.mark.skipif(open_watch() is None, reason="the kernel does not tell which pages were written")

_libc = ctypes.CDLL(None)
_libc.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


def content(size: int, seed: int = 0) -> Any:
    return np.frombuffer(random.Random(seed).randbytes(size), "u1").copy()


def aligned(size: int, seed: int = 0) -> Any:
    """With pages of its own: what the allocator notes beside a value counts as written to the value."""
    room = np.zeros(size + PAGE, "u1")
    value = room[-room.ctypes.data % PAGE :][:size]
    value[:] = content(size, seed)
    return value


def by_hashing(view: memoryview) -> tuple[bytes, ...]:
    step = buffer_chunk_size(view.nbytes)
    return tuple([hash_chunk(view[at : at + step]) for at in range(0, view.nbytes, step)])


class Saver:
    """Saves buffers as the worker and its child do, in one process; each save is checked against plain hashing."""

    def __init__(self, directory: Path, watch: Callable[[], PageWatch | None] = open_watch) -> None:
        self.store = Store.open(directory, key=b"k" * 32, writer=True)
        self.tracking = Tracking(watch)
        self.numbers = count(1)
        self.refuted = False

    def save(self, values: dict[str, Any], reads_all: bool = False, touched: set[str] | None = None) -> Account:
        seen = self.tracking.look(touched)
        name = f"s{next(self.numbers)}"
        writer = self.store.pack_writer(name)
        work = BufferWriter(self.store, seen, reads_all)
        for name, value in values.items():
            if touched is None or name in touched:
                view = memoryview(value).cast("B")
                buffers = work.write(writer, [view])
                assert [buffer.chunks for buffer in buffers] == [by_hashing(view)], name
                group = Group((Binding(name, 0, ""),), "data", "pickle", (), (), buffers, "", None, view.nbytes)
                writer.put_group(group)
                work.note(group)
        writer.close()
        writer.abandon()
        self.store.refresh()
        account = Account.from_plain(work.account().to_plain())
        self.tracking.saved(touched, account.spots)
        self.refuted = self.tracking.is_refuted(account.refuted)
        return account

    def close(self) -> None:
        """Two watches on the same memory are refused, and freed memory comes again."""
        if self.tracking._watch is not None:
            self.tracking._watch.close()
        self.store.close()


@pytest.fixture
def saver(tmp_path: Path) -> Iterator[Saver]:
    made = Saver(tmp_path / "store")
    yield made
    made.close()


# --- what it is for ---------------------------------------------------------------------------------------


@needs_kernel
def test_only_the_chunks_that_were_written_are_read(saver: Saver) -> None:
    a, b = aligned(20 << 20), aligned(5 << 20, 1)
    assert saver.save({"a": a, "b": b}).unhashed == 0
    account = saver.save({"a": a, "b": b})
    assert (account.unread, account.unhashed) == (0, a.nbytes + b.nbytes), "compared"
    saver.save({"a": a, "b": b})
    assert saver.save({"a": a, "b": b}).unread == a.nbytes + b.nbytes
    a[17 << 20] ^= 1
    assert saver.save({"a": a, "b": b}).unread == a.nbytes + b.nbytes - buffer_chunk_size(a.nbytes)
    assert saver.save({"a": a, "b": b}, touched={"b"}).unread == b.nbytes


@needs_kernel
def test_whose_own_pages_were_written_is_told_and_a_neighbour_does_not_count(saver: Saver) -> None:
    room = np.zeros((8 << 20) + PAGE, "u1")
    start = -room.ctypes.data % PAGE + 100
    a, b = room[start : start + (3 << 20)], room[start + (3 << 20) : start + (6 << 20)]
    a[:], b[:] = content(3 << 20), content(3 << 20, 1)
    assert saver.tracking.written() == set()
    for _ in range(4):
        saver.save({"a": a, "b": b})
    assert saver.tracking.written() == set()
    room[start - 1] ^= 1
    b[1] ^= 1  # in the page that both have a part of
    assert saver.tracking.written() == set()
    a[1 << 20] ^= 1
    assert saver.tracking.written() == {"a"}
    assert saver.tracking.written() == {"a"}, "the kernel tells once, and it is remembered"
    saver.save({"a": a, "b": b}, touched={"a"})
    assert saver.tracking.written() == set()
    account = saver.save({"a": a, "b": b})
    assert account.unread == a.nbytes + b.nbytes - buffer_chunk_size(b.nbytes)


@needs_kernel
def test_an_audit_reads_everything(saver: Saver) -> None:
    values = {"a": aligned(3 << 20)}
    for _ in range(4):
        saver.save(values)
    account = saver.save(values, reads_all=True)
    assert (account.unread, account.unhashed, account.refuted) == (0, 0, ())


@needs_kernel
def test_what_is_written_to_all_over_is_left_alone_longer_each_time(saver: Saver) -> None:
    a = aligned(2 << 20)
    waits = []
    for _ in range(3):
        saves = 0
        while not saver.save({"a": a}).unread:
            saves += 1
        waits.append(saves)
        a += 1
    assert waits == [3, 4, 6]


def test_a_refused_kernel_means_comparing(tmp_path: Path) -> None:
    saver = Saver(tmp_path / "store", lambda: None)
    a = aligned(20 << 20)
    saver.save({"a": a})
    for number in range(4):
        a[number << 20] ^= 1
        account = saver.save({"a": a})
        assert (account.unread, account.unhashed) == (0, a.nbytes - buffer_chunk_size(a.nbytes))
    a += 1
    assert saver.save({"a": a}).unhashed == 0
    saver.close()


@needs_kernel
def test_where_the_last_chunks_are_not_to_be_had_all_is_hashed_and_written(saver: Saver) -> None:
    """A checkpoint may be refused, and a pack be pruned."""
    a = aligned(4 << 20)
    for _ in range(4):
        saver.save({"a": a})
    first = set(saver.store.index.packs)
    a[5] ^= 1
    saver.save({"a": a})
    last = set(saver.store.index.packs) - first
    for gone in (first, last):
        saver.store.index.remove(gone)
        saver.save({"a": a})
        assert all(chunk in saver.store.known() for chunk in by_hashing(memoryview(a)))


@needs_kernel
def test_what_one_save_is_told_of_shared_memory_the_other_knows(saver: Saver) -> None:
    a = aligned(4 << 20)
    values = {"a": a, "part": a[100 : 100 + (2 << 20)]}
    for _ in range(4):
        saver.save(values)
    a[1 << 20] ^= 1
    for name in ("part", "a", "part"):
        saver.save(values, touched={name})
    a[1 << 20] ^= 1
    for name in ("a", "part", "a"):
        account = saver.save(values, touched={name})
    assert account.unread == a.nbytes


def test_what_the_disk_has_lost_is_hashed(tmp_path: Path) -> None:
    saver = Saver(tmp_path / "store", lambda: None)
    a = aligned(4 << 20)
    saver.save({"a": a})
    pack = next((tmp_path / "store" / "packs").glob("*.pack"))
    content = bytearray(pack.read_bytes())
    content[1 << 20] ^= 1
    pack.write_bytes(content)
    assert saver.save({"a": a}).unhashed == a.nbytes - buffer_chunk_size(a.nbytes)
    pack.unlink()
    saver.tracking.look(None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(saver.store.index, "refresh", lambda: None)
        assert saver.save({"a": a}).unhashed == 0
    saver.close()


@needs_kernel
@pytest.mark.parametrize("refuse", [OSError("no"), KeyboardInterrupt()])
def test_an_answer_that_is_lost_on_the_way_is_not_taken_for_clean(saver: Saver, refuse: BaseException) -> None:
    a = aligned(3 << 20)
    for _ in range(4):
        saver.save({"a": a})
    watch = saver.tracking._watch
    assert watch is not None
    ask, watch.written = watch.written, None  # type: ignore[method-assign, assignment]

    def interrupted(span: Any) -> Any:
        ask(span)
        raise refuse

    watch.written = interrupted  # type: ignore[method-assign]
    a[5] ^= 1
    try:
        saver.tracking.look(None)
    except KeyboardInterrupt:
        pass
    watch.written = ask  # type: ignore[method-assign]
    saver.save({"a": a})


@needs_kernel
def test_a_save_that_came_to_nothing_forgets_nothing(saver: Saver) -> None:
    a = aligned(3 << 20)
    for _ in range(4):
        saver.save({"a": a})
    a[5] ^= 1
    saver.tracking.look(None)
    a[2 << 20] ^= 1
    saver.tracking.look(None)
    assert saver.save({"a": a}).unread == a.nbytes - 2 * buffer_chunk_size(a.nbytes)


class Liar(PageWatch):
    def written(self, span: Any) -> Any:
        return []


@needs_kernel
def test_an_audit_finds_a_kernel_that_is_wrong_and_it_is_not_asked_again(tmp_path: Path) -> None:
    saver = Saver(tmp_path / "store", Liar)
    a = aligned(3 << 20)
    for _ in range(3):
        saver.save({"a": a})
    a[7] ^= 1
    saver.save({"a": a}, reads_all=True)
    assert saver.refuted
    a[8] ^= 1
    account = saver.save({"a": a})
    assert (account.unread, saver.refuted) == (0, False)
    saver.close()


@needs_kernel
def test_what_a_thread_writes_between_the_question_and_the_save_refutes_nothing(
    saver: Saver, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = aligned(3 << 20)
    for _ in range(4):
        saver.save({"a": a})
    look = saver.tracking.look

    def look_and_write(touched: Any) -> Any:
        seen = look(touched)
        a[9] ^= 1
        return seen

    monkeypatch.setattr(saver.tracking, "look", look_and_write)
    assert saver.save({"a": a}, reads_all=True).refuted
    assert not saver.refuted
    monkeypatch.undo()
    assert saver.save({"a": a}).unread == a.nbytes - buffer_chunk_size(a.nbytes)


@needs_kernel
def test_memory_that_a_device_may_write_to_is_compared(saver: Saver, monkeypatch: pytest.MonkeyPatch) -> None:
    a = aligned(3 << 20)
    for _ in range(3):
        saver.save({"a": a})
    monkeypatch.setattr(tracking, "has_pinned", lambda: True)
    assert (saver.save({"a": a}).unread, saver.save({"a": a}).unhashed) == (0, a.nbytes)
    monkeypatch.undo()
    assert saver.save({"a": a}).unread == 0, "it may have been written to while it was pinned"
    assert saver.save({"a": a}).unread == a.nbytes


def test_only_memory_of_pythons_and_numpys_own_is_watched(tmp_path: Path) -> None:
    own = content(SMALLEST)
    frame = np.asfortranarray(np.ones((1200, 1000)))
    mapped = mmap.mmap(-1, SMALLEST, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    file = np.memmap(tmp_path / "file", "u1", "w+", shape=(SMALLEST,))
    held = (ctypes.c_char * SMALLEST)()
    ours = [own, own[5:], own.reshape(2, -1)[1], frame.T, np.frombuffer(bytes(SMALLEST)), bytearray(SMALLEST)]
    others = [mapped, np.frombuffer(mapped, "u1"), file, file[7:], np.frombuffer(held, "u1"), held]
    assert [reusing.is_ours(memoryview(value)) for value in ours] == [True] * len(ours)
    assert [reusing.is_ours(memoryview(value)) for value in others] == [False] * len(others)


def test_addresses() -> None:
    a = aligned(SMALLEST)
    view = memoryview(a)
    assert reusing.address_of(view) == a.ctypes.data
    assert reusing.address_of(view[100:].toreadonly()) == a.ctypes.data + 100
    assert ctypes.string_at(reusing.address_of(memoryview(b"abcdef")), 6) == b"abcdef"


# --- trying hard to make it wrong -------------------------------------------------------------------------

Values = dict[str, Any]


def view_of(values: Values, name: str) -> memoryview:
    return memoryview(values[name]).cast("B")


def at(values: Values, name: str, where: float) -> int:
    return int(where * (view_of(values, name).nbytes - 1))


def by_item(values: Values, name: str, where: float) -> None:
    view_of(values, name)[at(values, name, where)] ^= 1


def by_slice_of_a_view(values: Values, name: str, where: float) -> None:
    flat = np.frombuffer(values[name], "u1")
    flat.flags.writeable = True
    part = flat[at(values, name, where) :][:: max(1, flat.size // 5)]
    part ^= 0xFF


def by_c_code(values: Values, name: str, where: float) -> None:
    start = reusing.address_of(view_of(values, name)) + at(values, name, where)
    ctypes.memset(start, random.randrange(256), 1)


def by_reading_a_file(values: Values, name: str, where: float) -> None:
    begin = at(values, name, where)
    with open("/dev/urandom", "rb", buffering=0) as file:
        file.readinto(view_of(values, name)[begin : begin + 3 * PAGE])


def by_receiving(values: Values, name: str, where: float) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(os.urandom(100))
        ours.recv_into(view_of(values, name)[at(values, name, where) :])


def by_another_thread(values: Values, name: str, where: float) -> None:
    thread = threading.Thread(target=by_c_code, args=(values, name, where))
    thread.start()
    thread.join()


def by_debugger(values: Values, name: str, where: float) -> None:
    with open("/proc/self/mem", "r+b", buffering=0) as itself:
        itself.seek(reusing.address_of(view_of(values, name)) + at(values, name, where))
        itself.write(os.urandom(1))


def by_writing_beside_a_fork(values: Values, name: str, where: float) -> None:
    if not (pid := os.fork()):
        by_c_code(values, name, 1 - where)
        os._exit(0)
    by_c_code(values, name, where)
    os.waitpid(pid, 0)


def by_dropping_pages(values: Values, name: str, where: float) -> None:
    """As an allocator gives memory back without unmapping it."""
    view = view_of(values, name)
    first = -(-reusing.address_of(view) // PAGE)
    pages = (reusing.address_of(view) + view.nbytes) // PAGE - first
    _libc.madvise((first + int(where * (pages - 2))) * PAGE, 2 * PAGE, mmap.MADV_DONTNEED)


def by_another_of_its_size(values: Values, name: str, where: float) -> None:
    """Which the allocator likes to put in the same place."""
    size = view_of(values, name).nbytes
    del values[name]
    values[name] = np.empty(size, "u1")
    by_item(values, name, where)


def by_growing(values: Values, name: str, where: float) -> None:
    """With mremap, if it is large."""
    more = bytearray(values.pop(name))
    more.extend(os.urandom(10 + int(where * (1 << 20))))
    values[name] = more


def by_swapping(values: Values, name: str, where: float) -> None:
    other = sorted(values)[int(where * len(values)) % len(values)]
    values[name], values[other] = values[other], values[name]


def by_sharing_pages(values: Values, name: str, where: float) -> None:
    """Another value in the same memory."""
    base = np.frombuffer(values[name], "u1")
    if base.size > SMALLEST + 8:
        values["part"] = base[7 : 7 + SMALLEST]


def by_rewriting(values: Values, name: str, where: float) -> None:
    np.frombuffer(values[name], "u1")[:] ^= 0x55


def by_removing(values: Values, name: str, where: float) -> None:
    if len(values) > 1:
        del values[name]


WAYS: dict[str, Callable[[Values, str, float], None]] = {
    name: way for name, way in list(globals().items()) if name.startswith("by_") and name != "by_hashing"
}
STEP = st.one_of(
    st.tuples(st.sampled_from(sorted(WAYS)), st.integers(0, 9), st.floats(0, 1)),
    st.sampled_from(["save", "save one", "audit", "fail"]).map(lambda kind: (kind, 0, 0.0)),
)


@needs_kernel
@settings(max_examples=60, deadline=None)
@given(st.lists(STEP, max_size=25))
def test_saves_are_right_whoever_writes(steps: list[tuple[str, int, float]]) -> None:
    values: Values = {
        "mapped": content(5 << 20),
        "small": content(SMALLEST + 777, 1),
        "bytes": bytearray(random.Random(2).randbytes(2 << 20)),
        "zeros": np.zeros(3 << 20, "u1"),
    }
    with TemporaryDirectory() as directory:
        saver = Saver(Path(directory, "store"))
        for _ in range(3):
            saver.save(values)
        for kind, number, where in steps:
            name = sorted(values)[number % len(values)]
            if kind == "save":
                saver.save(values)
            elif kind == "save one":
                saver.save(values, touched={name})
            elif kind == "audit":
                saver.save(values, reads_all=True)
            elif kind == "fail":
                saver.tracking.look(None)
            else:
                WAYS[kind](values, name, where)
            assert not saver.refuted
        saver.save(values)
        saver.save(values, reads_all=True)
        assert not saver.refuted
        saver.close()


@needs_kernel
def test_threads_that_write_all_the_time(saver: Saver) -> None:
    """What is saved meanwhile may be of any moment; when they are done, it is right, whatever was looked at before."""
    a = content(6 << 20)
    for _ in range(4):
        saver.save({"a": a})
    started, over = threading.Event(), threading.Event()

    def write() -> None:
        numbers = random.Random(0)
        while not over.is_set():
            np.copyto(a[numbers.randrange(a.size - 5000) :][:5000], numbers.randrange(256))
            started.set()

    threads = [threading.Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
    started.wait()
    for _ in range(300):
        saver.tracking.look(None)
    over.set()
    for thread in threads:
        thread.join()
    saver.save({"a": a})
