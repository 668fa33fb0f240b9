"""Build small stores: every name is a group of its own, its value the bytes of the group's stream.

Runs in: tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pyshell.store import Binding, Buffer, Environment, Files, Group, Manifest, Missing, Proposal, Store, changes

KEY = b"k" * 32
ENVIRONMENT = Environment("3.11.7", "cpython-311", "linux", "/usr/bin/python", ("/a", "/b"), (("numpy", "1.26"),))

Values = Mapping[str, bytes]


def open_store(path: Path, *, writer: bool = True, key: bytes | None = KEY, files: Files | None = None) -> Store:
    return Store.open(path, key=key, writer=writer, files=files or Files())


def make_group(name: str, stream: tuple[bytes, ...], size: int, buffers: tuple[Buffer, ...] = ()) -> Group:
    return Group((Binding(name, 1, "bytes"),), "data", "pickle", (), stream, buffers, "", 1, size)


def propose(
    store: Store, name: str, values: Values, *, parent: int | None = None, missing: tuple[Missing, ...] = (),
    time: float = 1.0,
) -> Proposal:  # fmt: skip
    """What a checkpoint child does. A value that starts with `[` also becomes an aligned buffer."""
    head = store.head.sequence if store.head else 0
    parent = head if parent is None else parent
    before = store.members(store.manifest(parent)) if parent else {}
    writer = store.pack_writer(name)
    after = {}
    for key, value in values.items():
        buffers = (Buffer(writer.put(value, align=True), len(value), False),) if value[:1] == b"[" else ()
        group = make_group(key, writer.put(value), len(value), buffers)
        after[writer.put_group(group)] = 1
    environment = writer.put_environment(ENVIRONMENT)
    writer.close()
    added, dropped = changes(before, after)
    proposal = Proposal(parent, 1, time, 0.5, None, environment, added, dropped, missing, writer.written)
    store.propose(name, proposal)
    return proposal


def save(store: Store, name: str, values: Values, **more: object) -> Manifest:
    propose(store, name, values, **more)  # type: ignore[arg-type]
    return store.commit(name)


def load(store: Store, manifest: Manifest | None = None) -> dict[str, bytes]:
    """All values of a checkpoint, HEAD's unless another is given; verified by reading them."""
    manifest = manifest or store.head
    if manifest is None:
        return {}
    found = {}
    for group in store.groups(manifest).values():
        value = store.read(group.stream)
        for buffer in group.buffers:
            assert store.read(buffer.chunks) == value
        for binding in group.bindings:
            found[binding.name] = value
    assert store.environment(manifest) == ENVIRONMENT
    return found
