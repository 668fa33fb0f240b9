"""Tell what checkpoints there are, what each holds, and how two differ. Nothing is loaded for that.

Runs in: host, and a process of its own that tells a client of a session that is not running.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Container, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from pyshell.errors import PyshellError, StoreError
from pyshell.frozen import dataclass
from pyshell.host.journals.journal import past_cells
from pyshell.paths import Roots
from pyshell.protocol import (
    Checkpoint,
    CheckpointPair,
    Checkpoints,
    Contents,
    Difference,
    NameChange,
    SavedName,
    Unsaved,
    to_json,
)
from pyshell.store import Group, Manifest, Store
from pyshell.store.likeness import differing, is_output

MAX_NAMES = 20_000
"""Names that one reply lists; it must fit into a message."""
MAX_CHANGED = 100
MAX_CELLS = 10_000
"""Cells of which a client that draws the timeline is told the source."""


def listing(store: Store, with_changes: bool = False) -> Checkpoints:
    """All checkpoints, oldest first."""
    known: dict[str, int] = {}  # most groups are in many checkpoints
    kept = _kept(store)
    shown = [manifest for manifest in store.manifests() if manifest.sequence in kept]
    found = [_describe(store, manifest, known, kept) for manifest in shown]
    return Checkpoints(tuple([_with_changes(store, each) if with_changes else each for each in found]))


def _with_changes(store: Store, found: Checkpoint) -> Checkpoint:
    """With the names that it changed; of the first one, all."""
    before = store.members(store.manifest(found.parent)) if found.parent is not None else {}
    names = differing(store, before, store.members(store.manifest(found.checkpoint)))
    return replace(found, changed=tuple(sorted(names)[:MAX_CHANGED]))


def _kept(store: Store) -> set[int]:
    return {*store.timeline.sequences} - store.timeline.superseded()


def _describe(store: Store, manifest: Manifest, known: dict[str, int], kept: Container[int]) -> Checkpoint:
    members = store.members(manifest)
    new = _groups(store, [key for key in members if key not in known])
    known.update({key: len(group.bindings) for key, group in new.items()})
    names = sum(known.get(key, 0) for key in members)
    return Checkpoint(
        manifest.sequence, store.timeline.parent(manifest.sequence, kept) or None, manifest.cell, manifest.time,
        manifest.label, names, len(manifest.missing), manifest.written,
        manifest.sequence == (store.head and store.head.sequence), line=manifest.line,
    )  # fmt: skip


def peek(store: Store, checkpoint: int) -> Contents:
    """CheckpointNotFound if there is none of that number."""
    manifest = store.manifest(checkpoint)
    members = store.members(manifest)
    groups = _groups(store, list(members))
    held = sorted(_held(groups, members), key=lambda name: name.order)
    missing = [Unsaved(m.name, m.type, m.reason, m.cell) for m in manifest.missing[:MAX_NAMES]]
    missing += [_lost(key) for key in members if key not in groups]
    told = _describe(store, manifest, {}, _kept(store))
    return Contents(
        told, store.environment(manifest).python, tuple([name.told() for name in held[:MAX_NAMES]]), tuple(missing)
    )


def diff(store: Store, pair: CheckpointPair) -> Difference:
    """CheckpointNotFound if there is none of one of these numbers."""
    first, second = store.manifest(pair.before), store.manifest(pair.after)
    before, after = _all(store, first), _all(store, second)
    differ = differing(store, store.members(first), store.members(second))
    added = [NameChange(name, None, now.type, now.cell) for name, now in after.items() if name not in before]
    removed = [NameChange(name, was.type, None, was.cell) for name, was in before.items() if name not in after]
    changed = [
        NameChange(name, before[name].type, now.type, now.cell)
        for name, now in after.items()
        if name in before and before[name].identity != now.identity and (name in differ or not now.is_held)
    ]
    return Difference(tuple(added[:MAX_NAMES]), tuple(changed[:MAX_NAMES]), tuple(removed[:MAX_NAMES]))


@dataclass(frozen=True)
class _Name:
    """A name as one checkpoint has it; `identity` is the same in two where the value is."""

    name: str
    type: str
    cell: int | None
    identity: str
    order: int = 0
    group: Group | None = None
    verified: int = 0

    @property
    def is_held(self) -> bool:
        return self.group is not None

    def told(self) -> SavedName:
        assert self.group is not None
        kind, size = self.group.kind, self.group.size
        return SavedName(
            self.name, self.type, kind, size, self.cell, self.identity[:12], self.verified  # type: ignore[arg-type]
        )


def _held(groups: dict[str, Group], verified: Mapping[str, int]) -> Iterator[_Name]:
    for key, group in groups.items():
        for binding in group.bindings:
            kind = "module" if group.kind == "module" else binding.type
            yield _Name(binding.name, kind, group.cell, key, binding.order, group, verified[key])


def _all(store: Store, manifest: Manifest) -> dict[str, _Name]:
    """The person's, with those that could not be saved, which are there all the same."""
    missing = [_Name(m.name, m.type, m.cell, f"unsaved by In[{m.cell}]") for m in manifest.missing]
    members = store.members(manifest)
    found = (*missing, *_held(_groups(store, list(members)), members))
    return {name.name: name for name in found if not is_output(name.name)}


def _groups(store: Store, keys: list[str]) -> dict[str, Group]:
    """Those that can be read."""
    try:
        return store.read_groups(keys)
    except StoreError:
        return dict(_readable(store, keys))


def _readable(store: Store, keys: list[str]) -> Iterator[tuple[str, Group]]:
    for key in keys:
        try:
            yield key, store.group(key)
        except StoreError:
            continue  # `peek` tells of it as missing


def _lost(key: str) -> Unsaved:
    return Unsaved(f"(group {key[:12]})", "", "the store is damaged: it cannot be read", None)


def main() -> int:
    """`python -m pyshell.host.saved.timeline` with `name state runtime check diff` as JSON on its input.

    Writes the checkpoints and the newest cells as JSON, a line each; or with `check` what is wrong with the store; or
    with `diff` (two numbers) what differs.
    """
    settings = json.load(sys.stdin)
    paths = Roots(Path(settings["state"]), Path(settings["runtime"])).session(settings["name"])
    try:
        with Store.open(paths.store, key=paths.roots.key.read_bytes(), writer=False) as store:
            if settings["check"]:
                print("".join(f"{finding}\n" for finding in store.check()), end="")
                return 0
            if between := settings.get("diff"):
                head = store.head.sequence if store.head is not None else 0
                print(to_json(diff(store, CheckpointPair(between[0], between[1] or head))))
                return 0
            print(to_json(listing(store, with_changes=True)), to_json(past_cells(paths.journal, MAX_CELLS)), sep="\n")
    except (PyshellError, OSError) as exc:
        print(type(exc).__name__, exc, sep="\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
