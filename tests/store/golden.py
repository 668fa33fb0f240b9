"""Make the store that stands for a version of the disk format: `python -m tests.store.golden tests/store/golden/vN`.

Runs in: tests; by hand, once for a version. A store that was committed is never made anew: it must stay readable.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pyshell.store import Missing, Store, format
from tests.store.build import propose, save

KEY = b"golden"
BUFFER = b"[" + bytes(range(256)) * 40

STATES = {
    2: {"text": b"compressed " * 100, "array": BUFFER},
    3: {"text": b"compressed " * 100, "array": BUFFER, "caf\u00e9": b"new"},
    4: {"text": b"short"},
}
MISSING = (Missing("gen", "generator", "a generator cannot be saved", 2),)
LABELS = {2: "kept", 3: None, 4: None}
HEAD = 3
WAITING = {"text": b"proposed"}


def make(path: Path) -> None:
    with Store.open(path, key=KEY, writer=True) as store:
        save(store, "forgotten", {"old": b"value"})
        save(store, "full", STATES[2], parent=0, missing=MISSING)
        save(store, "delta", STATES[3], missing=MISSING)
        save(store, "smaller", STATES[4])
        store.label(2, "kept")
        store.checkout(HEAD)
        store.note("a note", 1.5)
        store.timeline.append(format.encode_forget([1]))
        propose(store, "waiting", WAITING)
        assert store.check() == []


if __name__ == "__main__":
    make(Path(sys.argv[1]))
