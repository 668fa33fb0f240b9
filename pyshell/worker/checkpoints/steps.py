"""Which checkpoint an undo leads to, and which a redo.

Runs in: worker.

A step is a change of what the user's names mean. A cell that only showed a value has bound `_`, `_7` and the like: that
is no step of its own, and goes back together with the one before it. Nor is what was saved in the middle of a cell that
has gone on since.
"""

from __future__ import annotations

from pyshell.errors import CheckpointNotFound
from pyshell.store import Missing, Store
from pyshell.store.likeness import differing, is_output


def before(store: Store, head: int) -> int:
    """The nearest ancestor that differs; CheckpointNotFound if there is none."""
    passed = store.timeline.superseded()
    at = _left(store, head)
    while at and (at in passed or not differ(store, head, at)):
        at = _left(store, at)
    if not at:
        raise CheckpointNotFound("there is nothing to undo: no earlier state that differs is saved")
    return at


def after(store: Store, head: int) -> int:
    """The newest that differs and follows, also where somebody looked at something in between.

    CheckpointNotFound if there is none.
    """
    passed = store.timeline.superseded()
    same, at = {head}, _left(store, head)
    while at and not differ(store, head, at):
        same.add(at)
        at = _left(store, at)
    found = 0
    for manifest in store.manifests():
        if manifest.sequence in same or _left(store, manifest.sequence) not in same:
            continue
        if manifest.sequence not in passed and differ(store, head, manifest.sequence):
            found = manifest.sequence
        else:
            same.add(manifest.sequence)
    if not found:
        raise CheckpointNotFound("there is nothing to redo: no state is saved that follows this one and differs")
    return found


def _left(store: Store, checkpoint: int) -> int:
    """What was there before: its parent, and before what begins anew, as after a fresh start, the newest of that time.

    0: there is nothing.
    """
    if store.manifest(checkpoint).parent:
        return store.parent(checkpoint)
    return max((other for other in store.timeline.sequences if other < checkpoint), default=0)


def differ(store: Store, one: int, other: int) -> bool:
    """Whether a name of the user's own means something else in the other checkpoint."""
    first, second = store.manifest(one), store.manifest(other)
    if _lacks(first.missing) != _lacks(second.missing):
        return True
    return bool(differing(store, store.members(first), store.members(second)))


def _lacks(missing: tuple[Missing, ...]) -> set[tuple[str, int | None]]:
    return {(lost.name, lost.cell) for lost in missing if not is_output(lost.name)}
