"""Save what there is of the namespace while a part of its checkpoint is still to be loaded.

Runs in: worker, on its main thread.

What waits stays in the checkpoint by reference, as every group that a cell has not touched; all else is saved anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pyshell.errors import StoreError
from pyshell.store import Group, Store
from pyshell.worker.bindings import Bindings
from pyshell.worker.checkpoints.proposing import Job, root_of


def beside(job: Job, store: Store, waiting: Mapping[str, Group], bindings: Bindings) -> Job:
    """The same save, of all but the waiting groups, which are known by their ids. StoreError if that cannot be."""
    store.refresh()
    parent = store.manifest(job.parent)
    members = store.members(parent)
    if not members.keys() >= waiting.keys():
        raise StoreError("what is still being loaded is not in the checkpoint before; it is saved when all is there")
    absent = {name for group in waiting.values() for name in group.names}
    present = {name for name in list(bindings.namespace) if type(name) is str} | bindings.orders.keys()
    touched = frozenset(present - absent - bindings.hidden)
    return replace(
        job,
        touched=touched,
        replaced=frozenset(members.keys() - waiting.keys()),
        referred=touched & {name for group in waiting.values() for name in group.references},
        lost=frozenset(),
        missing=tuple([lost for lost in parent.missing if root_of(lost.name) in absent]),
        keeps_rest=True,
    )
