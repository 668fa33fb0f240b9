"""The checkpoints that the log's records add up to: who follows whom, what each holds, which one is HEAD.

Runs in: host and worker (Python 3.10 and newer).

Manifests are decoded when they are asked for: a session has thousands, and a restore needs one chain of them.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import fields, replace

from pyshell.errors import CheckpointNotFound
from pyshell.store import format, layout
from pyshell.store.format import Manifest, Missing, Note, Proposal
from pyshell.store.layout import Entry
from pyshell.store.log import Log


class Timeline:
    """A view of a log; `load` brings it up to date with the file, `take` with what this process appended."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._clear()

    def _clear(self) -> None:
        self.damage: list[str] = []
        """Checkpoints that are in the log and cannot be used, as sentences."""
        self.notes: list[Note] = []
        self._seen = 0
        self._entries: dict[int, Entry] = {}
        self._labels: dict[int, str | None] = {}
        self._head = self._last = 0
        self._decoded: dict[int, Manifest] = {}
        self._names: dict[str, int] = {}
        self._unnamed: list[int] = []
        self._folded: tuple[int, dict[str, int]] = (0, {})
        self._forgotten: set[int] = set()

    # --- following the log

    def load(self) -> None:
        if not self._log.load():
            self._clear()
        self.take()

    def take(self) -> None:
        for record in self._log.records[self._seen :]:
            self._take(record.entry)
        self._seen = len(self._log.records)

    def _take(self, entry: Entry) -> None:
        self._last = max(self._last, entry.sequence)
        if entry.kind == layout.MANIFEST:
            self._take_manifest(entry)
        elif entry.kind == layout.LABEL:
            self._labels[entry.sequence] = format.decode_label(entry.payload)
        elif entry.kind == layout.HEAD and entry.sequence in self._entries:
            self._head = entry.sequence
        elif entry.kind == layout.FORGET:
            self._forgotten.update(format.decode_forget(entry.payload))
        elif entry.kind == layout.NOTE:
            self.notes.append(format.decode_note(entry.payload))

    def _take_manifest(self, entry: Entry) -> None:
        if entry.base and entry.base not in self._entries:
            self.damage.append(f"checkpoint {entry.sequence} is lost with its base, checkpoint {entry.base}")
            return
        self._entries[entry.sequence] = entry
        self._unnamed.append(entry.sequence)
        self._head = entry.sequence

    # --- asking

    @property
    def head(self) -> Manifest | None:
        return self.manifest(self._head) if self._head else None

    @property
    def sequences(self) -> list[int]:
        """Those that can be asked for, oldest first."""
        return sorted(self._entries.keys() - self._forgotten)

    @property
    def newest(self) -> int:
        """The highest number ever given, as far as is known; numbers are never used again."""
        return self._last

    def manifest(self, sequence: int) -> Manifest:
        if sequence in self._forgotten:
            raise CheckpointNotFound(f"checkpoint {sequence} was pruned")
        manifest = self._manifest(sequence)
        if sequence in self._labels:
            return replace(manifest, label=self._labels[sequence])
        return manifest

    def _manifest(self, sequence: int) -> Manifest:
        if sequence not in self._entries:
            raise CheckpointNotFound(f"there is no checkpoint {sequence}")
        if sequence not in self._decoded:
            self._decoded[sequence] = format.decode_manifest(self._entries[sequence], self._missing)
        return self._decoded[sequence]

    def _missing(self, sequence: int) -> tuple[Missing, ...]:
        return self._manifest(sequence).missing

    def parent(self, sequence: int, kept: Container[int] | None = None) -> int:
        """The nearest ancestor that is kept; 0: there is none. `kept`: as if only these were left."""
        kept = self._entries.keys() - self._forgotten if kept is None else kept
        at = self._manifest(sequence).parent
        while at and at not in kept:
            if at in self._entries:
                at = self._manifest(at).parent
            else:  # it was lost with a damaged record: the newest of those before it stands in
                at = max((known for known in self._entries if known < at), default=0)
        return at

    def superseded(self) -> set[int]:
        """Checkpoints from the middle of a cell that a later one of the same cell follows."""
        kept = self.sequences
        found = set()
        for manifest in map(self._manifest, kept):
            parent = self.parent(manifest.sequence)
            if parent and self._manifest(parent).line is not None and self._manifest(parent).cell == manifest.cell:
                found.add(parent)
        return found - {self._head}

    def base(self, sequence: int) -> int:
        """What the manifest is relative to; 0: it stands alone."""
        return self._entries[sequence].base

    def members(self, sequence: int) -> dict[str, int]:
        """Group ids of a checkpoint -> verified_at. To be read only: the newest answer is kept."""
        chain = []
        at = sequence
        while at and at != self._folded[0]:
            chain.append(self._manifest(at))
            at = chain[-1].base
        members = dict(self._folded[1]) if at else {}
        for manifest in reversed(chain):
            for group in manifest.dropped:
                members.pop(group, None)
            members.update(manifest.added)
        self._folded = (sequence, members)
        return members

    def committed(self, name: str) -> Manifest | None:
        """The checkpoint that the proposal of this name became."""
        for sequence in self._unnamed:
            self._names[self._manifest(sequence).name] = sequence
        self._unnamed = []
        return self._manifest(self._names[name]) if name in self._names else None

    # --- going on

    def follow(self, name: str, proposal: Proposal) -> Manifest:
        """The manifest that this proposal becomes; every FULL_EVERY-th of a chain stands alone."""
        values = {field.name: getattr(proposal, field.name) for field in fields(proposal)}
        manifest = Manifest(sequence=self._last + 1, base=proposal.parent, name=name, **values)
        if proposal.parent and self._depth(proposal.parent) < layout.FULL_EVERY:
            return manifest
        members = dict(self.members(proposal.parent)) if proposal.parent else {}
        for group in proposal.dropped:
            del members[group]
        members.update(proposal.added)
        return replace(manifest, base=0, added=tuple(members.items()), dropped=())

    def _depth(self, sequence: int) -> int:
        depth = 0
        while sequence:
            depth += 1
            sequence = self._entries[sequence].base
        return depth

    def encode(self, manifest: Manifest) -> Entry:
        is_same = manifest.base and self._missing(manifest.base) == manifest.missing
        return format.encode_manifest(manifest, missing_as_base=bool(is_same))

    def rewrite(self, entries: Iterable[Entry]) -> None:
        """Replace the log. OSError before its commit point: nothing changed."""
        self._log.rewrite(entries)
        self.load()
        self._log.open_for_append()

    def append(self, entry: Entry) -> None:
        """Write an entry to the log. OSError: it is not there."""
        self._log.append(entry)
        self.take()
