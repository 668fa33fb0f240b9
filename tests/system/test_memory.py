"""A worker that takes too much memory: the kernel kills it, and the person is told so and gets the state back.

Runs in: tests, in a control group of their own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sessions import becomes_true

LIMIT = 300 << 20

SCENE = """
import json, os, sys
open(sys.argv[1], "w").write(str(os.getpid()))
import pyshell
with pyshell.start("oom") as session:
    try:
        session.run("kept = list(range(1000))", timeout=60)
        reply = session.run("hoard = [bytes(10 << 20) + b'x' for _ in range(100)]", timeout=60)
        after = session.run("len(kept), 'hoard' in globals()", timeout=60)
        died = reply.died
        print(json.dumps([reply.status, died.signal, died.out_of_memory, died.reason, died.peak_rss, after.result]))
    finally:
        session.kill()
"""


CHILD_SCENE = """
import json, os, sys
open(sys.argv[1], "w").write(str(os.getpid()))
import pyshell
from tests.sessions import until
with pyshell.start("oom") as session:
    try:
        session.run("class Hoard:\\n  def __reduce__(self): return list, ([bytes(9**7) + b'x' for _ in range(200)],)")
        cell = session.run("kept = list(range(1000)); hoard = Hoard()", timeout=60).cell
        saved = until(session, lambda event: event.kind == "saved" and event.cell == cell)[-1].body
        alive = session.epoch, session.run("type(hoard).__name__", timeout=60).result
        os.kill(session.pid, 9)
        until(session, lambda event: event.kind == "restored" and event.epoch == 2)
        after = session.run("len(kept), 'hoard' in globals()", timeout=60)
        print(json.dumps([[[u.name, u.reason] for u in saved.unsaved], alive, after.result]))
    finally:
        session.kill()
"""


RUN_SCENE = """
import os, subprocess, sys
open(sys.argv[1], "w").write(str(os.getpid()))
command = [sys.executable, "-m", "pyshell", "run", "-s", "oom"]
first = subprocess.run([*command, "script.py"], capture_output=True, text=True)
assert first.returncode == 137 and first.stdout == "begun\\n" and "memory ran out" in first.stderr, first
open("small", "w").close()
then = subprocess.run([*command, "--restart", "3", "script.py"], capture_output=True, text=True)
assert then.returncode == 0 and then.stdout == "1000 1\\n" and "goes on" in then.stderr, then
"""
SCRIPT = """\
import os
kept = list(range(1000)); print("begun", flush=True)
hoard = [bytes(10 << 20) + b"x" for _ in range(1 if os.path.exists("small") else 100)]
print(len(kept), len(hoard))
"""


@pytest.fixture
def group() -> Iterator[Path]:
    """A memory control group with a limit: version 1, or version 2 where it is handed to us."""
    name = f"pyshell-test-{uuid.uuid4().hex[:8]}"
    kinds = {"/sys/fs/cgroup/memory": "memory.limit_in_bytes", "/sys/fs/cgroup": "memory.max"}
    for root, limit in kinds.items():
        made = Path(root) / name
        try:
            made.mkdir()
            (made / limit).write_text(str(LIMIT))
        except OSError:
            if made.exists():
                made.rmdir()
            continue
        yield made
        # A host that was asked to end is still in it for a moment, and the kernel keeps a group that is not empty.
        assert is_left(made)
        made.rmdir()
        return
    pytest.skip("no control group can be made here (needs root or a delegated group)")


def is_left(group: Path) -> bool:
    """Whether the last process in it ends."""
    return becomes_true(lambda: not (group / "cgroup.procs").read_text())


def test_a_memory_kill_is_recognised_and_recovered_from(group: Path) -> None:
    scene = subprocess.run(
        [sys.executable, "-c", SCENE, str(group / "cgroup.procs")], capture_output=True, text=True, timeout=170
    )
    assert scene.returncode == 0, scene.stderr
    status, signal, out_of_memory, reason, peak, after = json.loads(scene.stdout)
    assert (status, signal, out_of_memory) == ("died", "SIGKILL", True)
    assert "memory" in reason
    assert 100 << 20 < peak <= LIMIT + (64 << 20)
    assert after == "(1000, False)"
    assert is_left(group)


def test_a_script_that_takes_too_much_memory_goes_on_before_that(group: Path, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    scene = subprocess.run(
        [sys.executable, "-c", RUN_SCENE, str(group / "cgroup.procs")],
        capture_output=True, text=True, timeout=170, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert scene.returncode == 0, scene.stderr


def test_a_child_that_takes_too_much_memory_is_killed_alone(group: Path) -> None:
    """What it was saving is told and set aside; the worker and all other names are not touched."""
    root = Path(__file__).parents[2]
    scene = subprocess.run(
        [sys.executable, "-c", CHILD_SCENE, str(group / "cgroup.procs")],
        capture_output=True, text=True, timeout=170, cwd=root, env={**os.environ, "PYTHONPATH": str(root)},
    )  # fmt: skip
    assert scene.returncode == 0, scene.stderr
    unsaved, alive, after = json.loads(scene.stdout)
    assert unsaved == [["hoard", "saving it crashed or hung the process that saves"]]
    assert (alive, after) == ([1, "'Hoard'"], "(1000, False)")
