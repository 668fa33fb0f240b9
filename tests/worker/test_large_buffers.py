"""Sessions with large arrays: what a save has not read is right after a kill.

Runs in: tests.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from pyshell.store.layout import buffer_chunk_size
from pyshell.worker.checkpoints.pages import open_watch

pytestmark = pytest.mark.science
needs_kernel = pytest.mark.skipif(open_watch() is None, reason="the kernel does not tell which pages were written")
SIZE = 40 << 20
CHUNK = buffer_chunk_size(SIZE)
# So large that the allocator gives it a mapping, and pages, of its own.
ARRAY = f"import hashlib, os, numpy as np\na = np.frombuffer(os.urandom({SIZE}), 'u1').copy()\nx = 1"
DIGEST = "hashlib.sha256(a).hexdigest()"


def settle(session: Any, code: str = "a[0]") -> None:
    """Save until the array is watched."""
    for _ in range(4):
        session.run(code)
        session.save()


def survives(session: Any) -> None:
    """What is saved is what is there now."""
    expected = session.ask(DIGEST)
    assert session.save() == {}
    session.restart()
    assert session.missing == {}
    assert session.ask(DIGEST) == expected


@pytest.fixture
def array(session: Any) -> Any:
    """A session that has saved an array `a` several times, touching it and changing nothing, by the touched rule."""
    session.call("incremental")
    session.call("forked")
    session.run(ARRAY)
    settle(session)
    return session


@needs_kernel
def test_one_element_costs_one_chunk(array: Any) -> None:
    array.run("a[1234567] ^= 1")
    array.save()
    unread, unhashed = array.call("taken_over")
    assert unread == unhashed >= SIZE - 2 * CHUNK  # two, where what the allocator notes lies in the last page
    assert array.store.head.written < 3 * CHUNK
    survives(array)


@needs_kernel
@pytest.mark.parametrize(
    "code",
    [
        "a[10] ^= 1; a[-1] ^= 1",
        "memoryview(a)[4_000_000:4_000_100] = bytes(100)",
        "import ctypes; ctypes.memset(a.ctypes.data + 9_000_000, 1, 5000)",
        "open('/dev/urandom', 'rb', buffering=0).readinto(a[20_000_000:20_100_000])",
        "v = a[7_000_000:].reshape(2, -1); v[1] = 3",
        "a.resize(len(a) + 5_000_000, refcheck=False); a[-3] = 7",
        "del a; a = np.ones(40 << 20, 'u1'); a[9] = 0",
        "a += 1",
        "a = np.concatenate([a[1000:], a[:1000]])",
        "b = a; a = a[::-1].copy(); b[5] = 1",
        "import os\nif not (pid := os.fork()):\n    a[:] = 0; os._exit(0)\nos.waitpid(pid, 0); a[17] ^= 1",
        "import threading; t = threading.Thread(target=a.fill, args=(5,)); t.start(); t.join(); del t",
        "import multiprocessing as m\nwith m.get_context('fork').Pool(2) as p: a[3:5] = p.map(abs, [1, 2])\ndel p",
    ],
)
def test_whatever_writes_is_saved(array: Any, code: str) -> None:
    array.run(code)
    survives(array)


@needs_kernel
def test_a_save_that_is_killed_takes_nothing_along(array: Any) -> None:
    array.run("a[99] ^= 1")
    pid, _ = array.begin()
    os.kill(pid, signal.SIGKILL)
    assert "killed" in array.call("finish")
    array.run("a[30_000_000] ^= 1")
    survives(array)


@needs_kernel
def test_a_save_that_is_refused_takes_nothing_along(array: Any) -> None:
    array.run("a[99] ^= 1")
    name, _ = array.propose()
    array.store.discard(name)
    array.call("refused")
    array.run("a[30_000_000] ^= 1")
    survives(array)


@needs_kernel
def test_it_goes_on_after_a_restart(array: Any) -> None:
    array.run("a[99] ^= 1")
    array.save()
    array.restart()
    array.run("a[5] ^= 1")
    array.save()
    assert array.call("taken_over") == [0, SIZE - CHUNK], "compared with what it came from"
    array.call("incremental")
    settle(array)
    array.run("a[123] ^= 1; a = a.copy()")
    settle(array)
    array.run("a[124] ^= 1")
    array.save()
    assert array.call("taken_over")[0] >= SIZE - 2 * CHUNK
    survives(array)


@needs_kernel
def test_an_audit_reads_what_a_save_has_not(array: Any) -> None:
    array.run("a[5] ^= 1")
    array.save()
    array.propose(scope="audit")
    assert array.call("taken_over") == [0, 0]
    assert array.call("trusts_pages")


def test_without_the_kernels_help_it_is_compared(session: Any) -> None:
    session.call("refuse_pages")
    session.run(ARRAY)
    settle(session)
    session.run("a[1234567] ^= 1")
    session.save()
    assert session.call("taken_over") == [0, SIZE - CHUNK]
    assert session.store.head.written < 2 * CHUNK
    survives(session)


@needs_kernel
def test_code_that_asks_for_written_pages_itself_is_not_disturbed(array: Any) -> None:
    """In memory that it has mapped itself."""
    array.run(
        "import mmap, ctypes\nm = mmap.mmap(-1, 4 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)\n"
        "b = np.frombuffer(m, 'u1'); b[:] = 1"
    )
    settle(array, "b[0]")
    if os.uname().machine != "x86_64":
        return  # the call has another number there
    array.run(
        "import fcntl, struct\nlibc = ctypes.CDLL(None)\nfd = libc.syscall(323, os.O_CLOEXEC | 1)\n"
        "fcntl.ioctl(fd, 0xc018aa3f, bytearray(struct.pack('QQQ', 0xaa, 0, 0)))\n"
        "fcntl.ioctl(fd, 0xc020aa00, bytearray(struct.pack('QQQQ', b.ctypes.data, 4 << 20, 2, 0)))"
    )


def test_a_session_without_large_buffers_asks_for_nothing(session: Any) -> None:
    session.run("small = list(range(1000))")
    for _ in range(3):
        session.run("small.append(0)")
        session.save()
    files = Path(f"/proc/{session.process.pid}/fd")
    assert not [file for file in files.iterdir() if "userfaultfd" in os.readlink(file)]


HOLDER = f"""
import hashlib, os, pickle
class Holder:
    def __init__(self, data): self.data = data
    def __reduce_ex__(self, protocol): return Holder, (pickle.PickleBuffer(self.data),)
h = Holder(bytearray(os.urandom({SIZE})))
"""


@needs_kernel
@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13"])
def test_every_python_watches(sessions: Any, pythons: dict[str, str], version: str) -> None:
    if version not in pythons:
        pytest.skip(f"needs Python {version}")
    session = sessions(pythons[version])
    session.call("incremental")
    session.run(HOLDER)
    settle(session, "h.data[0]")
    session.run("h.data[7_000_000:7_000_003] = b'xyz'; digest = hashlib.sha256(h.data).digest()")
    assert session.save() == {}
    assert SIZE - 3 * CHUNK <= session.call("taken_over")[0] < SIZE
    session.restart()
    assert session.ask("h.data[7_000_000:7_000_003], hashlib.sha256(h.data).digest() == digest") == "(b'xyz', True)"
    assert session.store.check() == []
