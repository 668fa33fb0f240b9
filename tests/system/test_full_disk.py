"""A disk that fills up under a session: it says so, loses nothing that it had saved, and goes on when there is room.

Runs in: tests, in a mount namespace of their own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCENE = """
import json, os, sys
from pathlib import Path
import pyshell
from pyshell.errors import StoreFull
from tests.sessions import SECONDS, until
from tests.kills import store_of

def saved(session, code):
    cell = session.run(code, SECONDS).cell
    until(session, lambda event: event.kind == "saved" and event.cell is not None and event.cell >= cell)

def refusal(session, code):
    try:
        session.run(code, SECONDS)
    except StoreFull as exc:
        return str(exc)

def notices(session, after):
    last = session.status().last_event
    found = until(session, lambda event: event.seq >= last, after)
    return [event.body.text for event in found if event.kind == "notice"]

def fill(path):
    with open(path, "wb", buffering=0) as file:
        for size in (4096, 1):
            try:
                while True: file.write(bytes(size))
            except OSError:
                continue

state = Path(os.environ["XDG_STATE_HOME"])
found = {}
with pyshell.start("full") as session:
    saved(session, "import os; x = 'saved'; big = bytes(1000)")
    before = session.status().last_event
    cell = session.execute("input(); x = 'unsaved'; big = os.urandom(7 << 20); print('p' * 3_000_000)")
    until(session, lambda event: event.kind == "input_request")
    fill(state / "filler")
    session.input("go")
    found["cell"] = session.wait(cell, SECONDS).status
    found["why"] = until(session, lambda event: event.kind == "save_failed", before)[-1].body.reason
    found["refused"] = [refusal(session, f"x = {n}") for n in range(3)]
    found["told"] = notices(session, before)
    os.kill(session.pid, 9)
    until(session, lambda event: event.kind == "restored", session.status().last_event)
    found["refused after a death"] = refusal(session, "x")
    (state / "filler").unlink()
    found["room"] = session.run("x, len(big)", SECONDS).result
    found["told then"] = notices(session, before)[-1]
    saved(session, "x = 'again'; big = os.urandom(3 << 20)")
    os.kill(session.pid, 9)
    until(session, lambda event: event.kind == "restored", session.status().last_event)
    found["after"] = session.run("x, len(big)", SECONDS).result
    numbers = [event.seq for event in until(session, lambda e: e.seq >= session.status().last_event)]
    found["in order"] = numbers == sorted(set(numbers))
    session.kill()
with store_of("full") as store:
    found["check"] = store.check()
print(json.dumps(found))
"""


def on_a_disk_of(size: str, scene: str, xdg: Path) -> dict[str, Any]:
    """What such a program writes whose sessions lie on a file system that has only so much room."""
    (xdg / "small").mkdir()
    command = f'mount -t tmpfs -o size={size},mode=700 tmpfs "{xdg}/small" && exec "{sys.executable}" -c "$SCENE"'
    if subprocess.run(["unshare", "-Urm", "true"], capture_output=True).returncode:
        pytest.skip("no mount namespace can be made here")
    root = Path(__file__).parents[2]
    env = {**os.environ, "SCENE": scene, "XDG_STATE_HOME": f"{xdg}/small", "PYTHONPATH": str(root)}
    played = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", command], capture_output=True, text=True, timeout=110, env=env, cwd=root
    )
    assert played.returncode == 0, played.stderr
    found: dict[str, Any] = json.loads(played.stdout)
    return found


def test_a_disk_that_fills_up_under_a_session(xdg: Path) -> None:
    found = on_a_disk_of("8m", SCENE, xdg)
    refused = "no room left to note the cell: free some space on the disk, then submit it again"
    assert found.pop("why").startswith("no room left to write")
    assert found.pop("told then").startswith("There is room on the disk again; 30000")
    assert [text[:37] for text in found.pop("told")] == ["The session's journal cannot be writt"]
    assert found == {
        "cell": "ok",
        "refused": [refused] * 3,
        "refused after a death": refused,
        "room": "('saved', 1000)",
        "after": "('again', 3145728)",
        "in order": True,
        "check": [],
    }


FLOOD = """
import json, os
import pyshell
from tests.sessions import SECONDS, until

found = {}
with pyshell.start("flood") as session:
    session.run("import os; kept = 1")
    cell = session.execute("for _ in range(400): print('n' * 100_000)")
    reply = session.wait(cell, SECONDS)
    notices = [event.body.text for event in session.so_far(cell) if event.kind == "notice"]
    disk = os.statvfs(os.environ["XDG_STATE_HOME"])
    found["status"], found["printed"] = reply.status, len(reply.output)
    found["free"] = disk.f_bavail * disk.f_frsize
    found["told"] = notices
    session.wait_saved(session.run("made = os.urandom(2 << 20)").cell, SECONDS)
    os.kill(session.pid, 9)
    until(session, lambda event: event.kind == "restored", session.status().last_event)
    found["back"] = session.run("kept, len(made)", SECONDS).result
    found["next"] = len(session.run("print('m' * 2_000_000)", SECONDS).output)
    session.kill()
print(json.dumps(found))
"""


def test_a_cell_that_prints_without_end_leaves_room_for_what_is_saved(xdg: Path) -> None:
    found = on_a_disk_of("24m", FLOOD, xdg)
    assert found.pop("free") > 4 << 20
    first, last = found.pop("told")
    assert first.startswith("In[2] has printed") and "so that there is room for what is saved" in first
    assert found.pop("printed") + int(last.split()[0].replace(",", "")) == 400 * 100_001
    assert found == {"status": "ok", "back": "(1, 2097152)", "next": 2_000_001}
