"""Watch a session without touching it: `python watch.py NAME [AFTER]`, a line of JSON for each event.

Runs in: clients. The host lets this client look only. The last number that was printed is where another one goes on;
when the host itself goes away, this waits for the session to come back, and misses nothing.
"""

from __future__ import annotations

import json
import sys
import time

import pyshell
from pyshell.errors import ConnectionLost, SessionNotFound

AGAIN_SECONDS = 1.0


def watch(name: str, after: int) -> int:
    """Print the events over that number until the session ends or its host is gone; the number of the last one."""
    with pyshell.connect(name, client="watch", read_only=True) as session:
        try:
            for event in session.events(after):
                line = {"seq": event.seq, "cell": event.cell, "client": event.client, "kind": event.kind}
                print(json.dumps(line), flush=True)
                after = event.seq
        except ConnectionLost:
            return watch_again(name, after)
    return after


def watch_again(name: str, after: int) -> int:
    """When there is a host again."""
    while True:
        try:
            return watch(name, after)
        except SessionNotFound:
            time.sleep(AGAIN_SECONDS)


if __name__ == "__main__":
    watch(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0)
