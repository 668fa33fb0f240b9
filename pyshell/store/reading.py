"""Read a store: its checkpoints, their groups, the chunks of these.

Runs in: host and worker (Python 3.10 and newer).

A process that only reads needs no lock and holds no open file of the store between calls, so a fork inherits none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from pyshell.errors import CheckpointNotFound
from pyshell.store import format
from pyshell.store.claims import Proposals
from pyshell.store.files import Files, errors_named
from pyshell.store.format import ChunkId, Environment, Group, Manifest, Note
from pyshell.store.index import Index
from pyshell.store.log import Log
from pyshell.store.timeline import Timeline


class Reader:
    """The reading half of `Store`, and the parts that checking and pruning work on."""

    def __init__(self, path: Path, key: bytes | None, files: Files) -> None:
        self.path, self.files = path, files
        self.log = Log(path / "log", key, files)
        self.timeline = Timeline(self.log)
        self.index = Index(path / "packs", files)
        self.proposals = Proposals(path, files)

    @property
    def head(self) -> Manifest | None:
        """The checkpoint that a new worker gets, and (0 apart) the only possible parent of the next."""
        return self.timeline.head

    @property
    def damage(self) -> tuple[str, ...]:
        """What was found broken so far, as sentences; what is not named here works, unless `check` finds more."""
        return (*self.log.damage, *self.timeline.damage, *self.index.damage.values())

    @property
    def is_full(self) -> bool:
        """The last record went into the reserve, and the disk has no room for another reserve."""
        return self.log.is_full

    def refresh(self) -> None:
        """Look for packs and records that others added or removed."""
        if not self.files.exists(self.path / "log"):
            raise CheckpointNotFound(f"there is no store in {self.path}")
        with errors_named(f"read the store {self.path}"):
            self.index.refresh()
            self.timeline.load()

    def manifest(self, sequence: int) -> Manifest:
        """CheckpointNotFound if there is none of that number."""
        return self.timeline.manifest(sequence)

    def manifests(self) -> list[Manifest]:
        """All checkpoints, oldest first."""
        return [self.timeline.manifest(sequence) for sequence in self.timeline.sequences]

    def parent(self, sequence: int) -> int:
        """The nearest ancestor of a checkpoint that can be asked for; 0: there is none."""
        self.manifest(sequence)
        return self.timeline.parent(sequence)

    def members(self, manifest: Manifest) -> dict[str, int]:
        """Ids of all groups of a checkpoint -> the cell after which each was last verified."""
        return dict(self.timeline.members(manifest.sequence))

    def groups(self, manifest: Manifest) -> dict[str, Group]:
        """All groups of a checkpoint by id. StoreCorrupt if one cannot be read: then try `group` one by one."""
        return self.read_groups(self.timeline.members(manifest.sequence))

    def group(self, group_id: str) -> Group:
        """StoreCorrupt if it cannot be read."""
        return self.read_groups([group_id])[group_id]

    def modules(self, manifest: Manifest) -> list[Group]:
        """Those groups of a checkpoint that are modules: a few of thousands, and only these are taken apart."""
        found = self.read_groups(self.timeline.members(manifest.sequence), b"module").values()
        return [group for group in found if group.kind == "module"]

    def read_groups(self, group_ids: Iterable[str], containing: bytes = b"") -> dict[str, Group]:
        """By id; only those that are written with these bytes in them."""
        wanted = list(group_ids)
        with errors_named("read groups"):
            contents = zip(wanted, self.index.read(bytes.fromhex(group) for group in wanted))
            return {group: format.decode_group(data, group) for group, data in contents if containing in data}

    def environment(self, manifest: Manifest) -> Environment:
        return format.decode_environment(self.read([manifest.environment]))

    def notes(self) -> list[Note]:
        """What `note` wrote, oldest first."""
        return list(self.timeline.notes)

    def known(self) -> Index:
        """The chunks that need not be written again; sure only between `pack_writer` and `propose`."""
        return self.index

    def read(self, chunks: Iterable[ChunkId]) -> bytes:
        """The content of these chunks, joined. StoreCorrupt if one is missing or is not what was written."""
        with errors_named("read chunks"):
            return b"".join(self.index.read(chunks))

    def pieces(self, chunks: Iterable[ChunkId]) -> Iterator[bytes]:
        """The same, one after the other."""
        with errors_named("read chunks"):
            yield from self.index.read(chunks)

    def parts(self) -> list[str]:
        """Names of the proposals and packs that a living process is still writing."""
        with errors_named("list what is being written"):
            return self.proposals.parts()

    def waiting(self) -> list[str]:
        """Names of the proposals that can be committed or discarded."""
        with errors_named("list the proposals"):
            return self.proposals.waiting()
