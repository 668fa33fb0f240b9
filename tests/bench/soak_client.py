"""A client that follows a session, leaves and comes back at random: `python -m tests.bench.soak_client NAME FILE SEED`.

Runs in: a process of its own, which the soak also stops and kills.

Each event's number and kind goes into the file as a line of its own, and the number of the last whole line is where it
goes on.
"""

from __future__ import annotations

import os
import random
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pyshell
from pyshell.errors import PyshellError
from pyshell.protocol import Queued

LAST = "'the soak ends here'"
LINE_BYTES = 200
"""More than a line has."""


def main(name: str, path: Path, seed: int) -> int:
    """Until the cell comes that says so."""
    rng = random.Random(seed)
    while True:
        with suppress(PyshellError):
            if _attached(name, path, rng):
                return 0
        threading.Event().wait(rng.uniform(0, 0.3))


def _attached(name: str, path: Path, rng: random.Random) -> bool:
    """Once there and away again; True at the end."""
    left = rng.randrange(1, 400)
    with pyshell.connect(name, read_only=rng.random() < 0.5) as session, path.open("a") as file:
        for event in session.events(_last(path)):
            file.write(f"{event.seq} {event.kind}\n")
            left -= 1
            is_end = isinstance(event.body, Queued) and event.body.code == LAST
            if is_end or not left:
                return is_end
            if rng.random() < 0.01:
                file.flush()
    return False


def _last(path: Path) -> int:
    """What a kill has torn is taken off: that event comes again."""
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - LINE_BYTES))
        *lines, torn = file.read().split(b"\n")
        file.truncate(size - len(torn))
    return int(lines[-1].split()[0]) if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
