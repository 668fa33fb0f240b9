"""The store: chunks in packs, groups of names in chunks, checkpoints in the log.

Runs in: host (the writer) and worker (a reader that writes packs and proposals; Python 3.10 and newer).

    path/            0700; files 0600
      log            which checkpoints there are; HEAD is where its last record says      (log.py)
      lock           held by the one writer for as long as it has the store open
      gate           shared by who adds packs, exclusive for who removes them             (claims.py)
      packs/         NAME.pack, immutable; NAME.part while it is written                  (packs.py, index.py)
      proposals/     NAME, waiting for the commit; NAME.part while it is written          (claims.py)

A checkpoint goes through four hands: `pack_writer` and `propose` in whatever process holds the values, `commit` in the
host, `read` in the next worker. Nothing but the record in the log makes a checkpoint: whatever else lies about is
garbage that `prune` removes. The state of the proposing process does not matter: it may be killed at any moment.

A process without `writer=True` holds no open file of the store between calls, so a fork inherits none.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from pyshell.errors import StoreCorrupt, StoreError, StoreFull, StoreLocked
from pyshell.store import format
from pyshell.store.check import check, repeated
from pyshell.store.files import OS_FILES, Files, errors_named
from pyshell.store.format import Group, Manifest, Note, Proposal
from pyshell.store.layout import Entry
from pyshell.store.log import Log
from pyshell.store.packs import PackWriter
from pyshell.store.prune import KEEP, Pruned, Retention, prune
from pyshell.store.reading import Reader

UNSIGNED = b""
"""What a writer without a key signs with: the chain then only shows accidents."""


class Store(Reader):
    """One session's checkpoints. An object belongs to one thread; only the host's has `writer=True`."""

    def __init__(self, path: Path, key: bytes | None, files: Files) -> None:
        super().__init__(path, key, files)
        self.repairs: tuple[str, ...] = ()
        """What opening as a writer mended, as sentences: a torn record, leftovers of dead writers."""
        self._group_names: dict[str, tuple[str, ...]] = {}
        self._lock = -1

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, key: bytes | None, writer: bool, files: Files = OS_FILES) -> Store:
        """Open a store; a writer creates it where there is none, and locks it (StoreLocked).

        `key` signs and verifies the log; a reader with None verifies nothing. StoreCorrupt: not written with this
        key (see `adopt`), or of another version. CheckpointNotFound: a reader finds no store.
        """
        store = cls(Path(path), (key or UNSIGNED) if writer else key, files)
        try:
            with errors_named(f"open the store {store.path}"):
                if writer:
                    store._open_writer(key or UNSIGNED)
                else:
                    store.refresh()
        except BaseException:  # whatever it is, it goes on when this is tidied up
            store.close()
            raise
        return store

    def _open_writer(self, key: bytes) -> None:
        self._create_places()
        self._lock = self.files.open_write(self.path / "lock")
        if not self.files.lock(self._lock):
            raise StoreLocked(f"another process writes to {self.path}: end it first, or open the store to read")
        if not self.files.exists(self.path / "log"):
            Log.create(self.path / "log", key, self.files)
        self.refresh()
        repairs = self.log.open_for_append()
        repairs += [f"{name} was left by a writer that died" for name in self.proposals.sweep()]
        for name in self.proposals.waiting():
            if self.timeline.committed(name) is not None:
                self.proposals.remove(name)
                repairs.append(f"proposal {name} was committed already")
        self.repairs = tuple(repairs)

    def _create_places(self) -> None:
        """Directories first, the log last: where there is a log, everything is there."""
        if self.files.exists(self.path / "log"):
            return
        missing = [path for path in (self.path, *self.path.parents) if not self.files.exists(path)]
        for path in [*reversed(missing), self.path, self.path / "packs", self.path / "proposals"]:
            with suppress(FileExistsError):
                self.files.make_directory(path)
            # Also one that was there: it may have been made by somebody who died before this.
            self.files.sync_directory(path.parent)
        for name in ("lock", "gate"):
            with suppress(FileExistsError):
                self.files.close(self.files.create(self.path / name))

    def close(self) -> None:
        """Let go of the lock. Reading goes on to work."""
        self.log.close()
        if self._lock >= 0:
            self.files.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- proposing

    def pack_writer(self, name: str, fresh: bool = False) -> PackWriter:
        """Begin proposal `name`; from here until `propose` (or the end of the process) it is in `parts()`.

        Waits while chunks are being pruned. `name` may not have been used before. `fresh`: write every chunk, without
        looking whether it is stored already.
        """
        claim = self.proposals.claim(name)
        try:
            if not fresh:
                with errors_named("list the packs"):
                    self.index.refresh()
            return PackWriter(self.index.directory, name, () if fresh else self.index, self.files, claim)
        except BaseException:  # whatever it is, it goes on when this is tidied up
            claim.release()
            raise

    def propose(self, name: str, proposal: Proposal, groups: Iterable[Group] = ()) -> None:
        """After PackWriter.close(): hand the proposal over to whoever commits.

        `groups`, if given, are those added: it is a mistake here, not in the host, if one is not proposed.
        """
        added = {group for group, _ in proposal.added}
        for group in groups:
            if group.id not in added:
                raise StoreError(f"the group of {', '.join(group.names)} was written and is not in the proposal")
        self.proposals.hand_over(name, proposal)

    # --- what only the writer does

    def commit(self, name: str) -> Manifest:
        """Make a proposal the new HEAD, for good. Doing it again is harmless.

        StoreError: it cannot be committed, ever; `discard` it. StoreFull: it can, once there is room.
        """
        self._require_writer()
        with errors_named(f"commit {name}"):
            done = self.timeline.committed(name)
            if done is None:
                done = self._commit(name)
            # Not removed, it is found to be committed when the store is opened next.
            with suppress(OSError):
                self.proposals.remove(name)
        return done

    def _commit(self, name: str) -> Manifest:
        proposal = self.proposals.read(name)
        self.index.refresh()
        try:
            self._verify(name, proposal)
        except StoreCorrupt:
            self.index.retire_rotten()
            raise
        self.index.sync()
        manifest = self.timeline.follow(name, proposal)
        try:
            with errors_named(f"commit checkpoint {manifest.sequence}"):
                self.timeline.append(self.timeline.encode(manifest))
        except StoreFull as exc:
            with suppress(StoreError):  # the first error is the one to be told
                self.note(str(exc), proposal.time)
            raise
        return manifest

    def _verify(self, name: str, proposal: Proposal) -> None:
        """Nothing is committed that could not be read back: not by its own fault, nor by its writer's."""
        if proposal.parent not in (0, self.head.sequence if self.head else 0):
            raise StoreError(f"proposal {name} changes checkpoint {proposal.parent}, which is not HEAD")
        members = self.timeline.members(proposal.parent) if proposal.parent else {}
        if any(group not in members for group in proposal.dropped):
            raise StoreError(f"proposal {name} drops a group that checkpoint {proposal.parent} does not have")
        added = self.read_groups(group for group, _ in proposal.added if group not in members)
        needed = {proposal.environment, *(chunk for group in added.values() for chunk in group.chunks())}
        lacking = sum(chunk not in self.index for chunk in needed)
        if lacking:
            raise StoreCorrupt(f"proposal {name} needs {lacking} chunks that are in no pack")
        self._learn_names([group for group in members if group not in self._group_names])
        dropped = set(proposal.dropped)
        kept = {group: self._group_names[group] for group in members if group not in dropped}
        self._group_names = {**kept, **{group: value.names for group, value in added.items()}}
        for twice in repeated(name for names in self._group_names.values() for name in names):
            raise StoreError(f"proposal {name} has two groups that bind {twice}")

    def _learn_names(self, group_ids: list[str]) -> None:
        """The names that groups bind; none for one that was lost before, which is told where it is restored."""
        try:
            found = self.read_groups(group_ids)
        except StoreCorrupt:
            if len(group_ids) > 1:
                for group in group_ids:
                    self._learn_names([group])
            else:
                self._group_names[group_ids[0]] = ()
            return
        self._group_names.update({group: value.names for group, value in found.items()})

    def discard(self, name: str) -> None:
        """Remove a proposal or what is left of one; its pack is removed by `prune`."""
        self._require_writer()
        with errors_named(f"discard the proposal {name}"):
            self.proposals.remove(name)

    def checkout(self, sequence: int) -> Manifest:
        """Make an older checkpoint HEAD: the parent of the next, the start of a branch."""
        self._require_writer()
        manifest = self.manifest(sequence)
        self._append(format.encode_head(sequence))
        return manifest

    def label(self, sequence: int, label: str | None) -> None:
        """Name a checkpoint, which keeps it for ever; None takes the name away."""
        self._require_writer()
        self.manifest(sequence)
        self._append(format.encode_label(sequence, label))

    def note(self, text: str, time: float) -> None:
        """Write a sentence into the log; there is room for it even when the disk is full."""
        self._append(format.encode_note(Note(text, time)))

    def _append(self, entry: Entry) -> None:
        self._require_writer()
        with errors_named("write to the log"):
            self.timeline.append(entry)

    def _require_writer(self) -> None:
        if self._lock < 0:
            raise StoreError(f"{self.path} is not open for writing")

    def prune(self, retention: Retention = KEEP) -> Pruned:
        """Forget checkpoints that `retention` does not keep, and remove or rewrite packs for room.

        Does nothing (and says why) while a proposal is being written or waits.
        """
        self._require_writer()
        with errors_named("prune the store"):
            return prune(self, retention)

    def check(self) -> list[str]:
        """Read everything and report every inconsistency as a sentence; [] when sound.

        Nothing is repaired. What a killed writer left behind is no inconsistency.
        """
        return check(self)


def adopt(path: str | os.PathLike[str], *, key: bytes, files: Files = OS_FILES) -> None:
    """Sign a store that somebody else wrote, after its user said that its origin is trusted.

    Waiting proposals are removed: nobody vouches for them.
    """
    place = Path(path)
    with errors_named(f"adopt the store {place}"):
        lock = files.open_write(place / "lock")
        try:
            if not files.lock(lock):
                raise StoreLocked(f"another process writes to {place}: end it first")
            _sign_anew(Reader(place, None, files), key)
        finally:
            files.close(lock)


def _sign_anew(reader: Reader, key: bytes) -> None:
    for name in reader.proposals.waiting():
        reader.proposals.remove(name)
    reader.log.load()
    reader.log.key = key
    reader.log.rewrite([record.entry for record in reader.log.records])
