"""The store: the files that hold checkpoints, and everything that may be done with them.

Runs in: host and worker (Python 3.10 and newer). No dill, no rpyc, no threads.
"""

from pyshell.store.claims import Claim
from pyshell.store.files import OS_FILES, UNSYNCED, Files
from pyshell.store.format import (
    Binding,
    Buffer,
    ChunkId,
    Environment,
    Group,
    Manifest,
    Missing,
    Note,
    Proposal,
    Setting,
    changes,
)
from pyshell.store.index import Place, read_chunk
from pyshell.store.packs import PackWriter
from pyshell.store.prune import Pruned, Retention
from pyshell.store.store import Store, adopt

__all__ = [
    "OS_FILES",
    "UNSYNCED",
    "Binding",
    "Buffer",
    "ChunkId",
    "Claim",
    "Environment",
    "Files",
    "Group",
    "Manifest",
    "Missing",
    "Note",
    "PackWriter",
    "Place",
    "Proposal",
    "Pruned",
    "Retention",
    "Setting",
    "Store",
    "adopt",
    "changes",
    "read_chunk",
]
