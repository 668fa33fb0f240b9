"""Large buffers come back as mappings of their packs: at once, writable, apart from the file, and verified later.

Runs in: tests.
"""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyshell.errors import StoreCorrupt
from pyshell.protocol import Notice
from pyshell.store import Buffer, Group, Store
from pyshell.worker.checkpoints import mapping
from pyshell.worker.checkpoints.mapping import Mapper
from tests.sessions import started, until

ARRAY = "import numpy as np\na = np.frombuffer(os.urandom(20 << 20), 'u1').copy()"
HOLDER = """
import os, pickle
class Holder:
    def __init__(self, data): self.data = data
    def __reduce_ex__(self, protocol): return Holder, (pickle.PickleBuffer(self.data),)
h = Holder(bytearray(os.urandom(3 << 20)))
"""


def mappings(session: Any) -> list[str]:
    """What the worker has mapped of packs: permissions of each piece."""
    lines = Path(f"/proc/{session.process.pid}/maps").read_text().splitlines()
    return [line.split()[1] for line in lines if ".pack" in line]


def packs(session: Any) -> dict[Path, str]:
    directory = session.store.path / "packs"
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in directory.glob("*.pack")}


def group_of(session: Any, name: str) -> Group:
    return next(g for g in session.store.groups(session.store.head).values() if name in g.names)


@pytest.fixture
def array(session: Any) -> Any:
    """A session with a large array `a`, restored in another worker; `first` and `last` are what they should be."""
    session.run(f"import os\n{ARRAY}\nfirst, last, total = a[:5].tolist(), a[-5:].tolist(), int(a.sum())")
    session.save()
    session.restart()
    return session


def test_an_array_is_mapped_and_writable_and_the_file_stays(array: Any) -> None:
    before = packs(array)
    assert mappings(array) == ["rw-p"]
    assert array.ask("(a[:5].tolist(), a[-5:].tolist(), int(a.sum())) == (first, last, total)") == "True"
    array.run("a[:] = 7; a[0] = 8")
    assert array.ask("int(a.sum()) == 7 * (len(a) - 1) + 8") == "True"
    assert packs(array) == before
    assert array.call("verify") == [], "what the user writes is not damage"


def test_saving_what_was_mapped_stores_nothing_again(array: Any) -> None:
    buffers = group_of(array, "a").buffers
    array.run("other = 1")
    array.save()
    assert group_of(array, "a").buffers == buffers
    assert array.store.head.written < 50_000


def test_a_changed_array_is_mapped_from_several_packs(array: Any) -> None:
    array.run("a[1_000_000] ^= 1; a[9_000_000] ^= 1; digest = __import__('hashlib').sha256(a).hexdigest()")
    array.save()
    assert array.store.head.written < 2_000_000
    array.restart()
    assert mappings(array) == ["rw-p"] * 5
    assert array.ask("__import__('hashlib').sha256(a).hexdigest() == digest") == "True"
    assert array.call("verify") == []


def test_a_content_that_repeats_is_mapped_as_often(session: Any) -> None:
    session.run("import numpy as np\na = np.zeros(3 << 20, 'u1'); b = np.ones((3 << 20) + 5, 'u1')")
    session.save()
    session.restart()
    session.run("a[0] = 9")
    assert session.ask("a.sum() == 9, b.sum() == (3 << 20) + 5") == "(np.True_, np.True_)"


def test_views_go_on_sharing(session: Any) -> None:
    session.run(f"import os\n{ARRAY}\nv = a[5:10]; m = a.reshape(2, -1)")
    session.save()
    session.restart()
    session.run("v[0] = 1; m[0, 6] = 2; a[7] = 3")
    assert session.ask("a[5:8].tolist(), v[:3].tolist(), m[0, 5:8].tolist()") == "([1, 2, 3], [1, 2, 3], [1, 2, 3])"
    assert mappings(session) == ["rw-p"]


def test_what_was_read_only_stays_so(session: Any) -> None:
    session.run(f"import os\n{ARRAY}\na.flags.writeable = False")
    session.save()
    session.restart()
    assert mappings(session) and session.ask("a.flags.writeable") == "False"
    assert "read-only" in session.call("run", 9, "a[0] = 1")


def test_small_ones_are_read_at_once(session: Any) -> None:
    session.run("import os, numpy as np\na = np.frombuffer(os.urandom(1 << 19), 'u1').copy()")
    session.save()
    session.restart()
    assert mappings(session) == []
    assert session.ask("a.flags.writeable, len(a)") == f"(True, {1 << 19})"


def flip(session: Any, name: str, number: int) -> Callable[[], int]:
    """Flip a bit in the middle of a chunk of that name's buffer; the result mends it."""
    pack, offset, stored, *_ = session.store.index.place(group_of(session, name).buffers[0].chunks[number])
    return flip_at(session.store.path / "packs" / f"{pack}.pack", offset + stored // 2)


def flip_at(path: Path, place: int) -> Callable[[], int]:
    sound = path.read_bytes()
    path.write_bytes(sound[:place] + bytes([sound[place] ^ 1]) + sound[place + 1 :])
    return lambda: path.write_bytes(sound)


def test_damage_is_reported_by_name(session: Any) -> None:
    session.run(f"import os\n{ARRAY}\nb = a[3:]; c = [np.frombuffer(os.urandom(2 << 20), 'u1').copy()]")
    session.save()
    mend = flip(session, "a", 12)
    session.restart()
    assert session.missing == {}
    reports = session.call("verify")
    assert len(reports) == 1
    assert reports[0].startswith("what came back as a, b is not what was saved: chunk ")
    mend()


def test_a_pack_that_is_removed_can_still_be_read(array: Any) -> None:
    directory = array.store.path / "packs"
    sound = {path: path.read_bytes() for path in directory.glob("*.pack")}
    for path in sound:
        path.unlink()
    assert array.ask("(a[:5].tolist(), a[-5:].tolist(), int(a.sum())) == (first, last, total)") == "True"
    assert array.call("verify") == []
    for path, content in sound.items():
        path.write_bytes(content)


@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13"])
def test_every_python_maps(sessions: Any, pythons: dict[str, str], version: str) -> None:
    if version not in pythons:
        pytest.skip(f"needs Python {version}")
    session = sessions(pythons[version])
    session.run(HOLDER + "import hashlib\ndigest = hashlib.sha256(h.data).digest()")
    session.save()
    session.restart()
    assert mappings(session) == ["rw-p"]
    assert session.ask("hashlib.sha256(h.data).digest() == digest, type(h.data).__name__") == "(True, 'mmap')"
    session.run("h.data[:3] = b'xyz'; digest = hashlib.sha256(h.data).digest()")
    assert (session.call("verify"), session.save()) == ([], {})
    session.restart()
    assert session.ask("h.data[:3], hashlib.sha256(h.data).digest() == digest") == "(b'xyz', True)"
    assert session.store.check() == []


# --- what cannot be mapped


@pytest.fixture
def store(tmp_path: Path) -> Any:
    """A store with one large buffer: (store, the buffer, its content)."""
    store = Store.open(tmp_path, key=b"", writer=True)
    content = os.urandom(3 << 20)
    writer = store.pack_writer("p")
    buffer = Buffer(writer.put(content, align=True), len(content), False)
    writer.close()
    store.refresh()
    yield store, buffer, content
    store.close()


def test_a_buffer_is_read_where_it_cannot_be_mapped(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, buffer, content = store
    for name, value in (("MAX_EXTENTS", 0), ("MAX_PACKS", 0), ("CAN_MAP", False), ("SMALLEST", 4 << 20)):
        with monkeypatch.context() as patch:
            patch.setattr(mapping, name, value)
            mapper = Mapper(opened)
            found = mapper.bring(buffer, ("a",))
            assert type(found) is bytearray and found == content
            assert mapper.verify(print) is None
    found = Mapper(opened).bring(buffer, ("a",))
    assert type(found) is mmap.mmap and found[:] == content


def test_a_pack_that_has_become_too_short_is_not_mapped(store: Any) -> None:
    """A mapping beyond a file's end kills whoever reads it."""
    opened, buffer, _ = store
    path = opened.path / "packs" / "p.pack"
    os.truncate(path, 1 << 20)
    with pytest.raises(StoreCorrupt, match="damaged"):
        Mapper(opened).bring(buffer, ("a",))


def test_nothing_stays_open(store: Any) -> None:
    opened, buffer, _ = store
    before = sorted(os.listdir("/proc/self/fd"))
    mapper = Mapper(opened)
    kept = [mapper.bring(buffer, ("a",)) for _ in range(20)]
    thread = mapper.verify(print)
    assert thread is not None and len(kept) == 20
    thread.join()
    assert sorted(os.listdir("/proc/self/fd")) == before


# --- in a session


def test_a_session_tells_what_was_damaged() -> None:
    with started() as session:
        session.run(f"import os\n{ARRAY}")
        saved = until(session, lambda event: event.kind == "saved" and event.cell == 1)[-1]
        directory = session._paths.store / "packs"
        big = max(directory.glob("*.pack"), key=lambda path: path.stat().st_size)
        flip_at(big, 10 << 20)
        session.run("os._exit(1)")
        told = until(session, lambda event: event.kind == "notice", saved.seq)[-1].body
        assert isinstance(told, Notice)
        assert told.text.startswith("what came back as a is not what was saved: chunk ")
        assert session.run("a.shape").result == "(20971520,)"
