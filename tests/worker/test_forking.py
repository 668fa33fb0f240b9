"""The raw fork, and when not to.

Runs in: tests, and children that they fork.
"""

from __future__ import annotations

import gc
import itertools
import os
import re
import signal
import sys
import threading
import types
from pathlib import Path

import pytest

from pyshell.memory import free_memory
from pyshell.worker import forking


def status_of_child(work: object) -> int:
    """Fork; the child leaves with what `work` returns; its exit code."""
    pid = forking.fork()
    if pid == 0:
        try:
            os._exit(work())  # type: ignore[operator]
        finally:
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_the_raw_fork_is_there_on_linux() -> None:
    assert (sys.platform == "linux") == forking.HAS_RAW_FORK


def test_a_child_runs_and_its_code_arrives() -> None:
    assert status_of_child(lambda: 7) == 7


def test_the_child_is_alone_and_collects_nothing() -> None:
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        code = status_of_child(lambda: threading.active_count() + 10 * gc.isenabled())
    finally:
        stop.set()
        thread.join()
    assert (code, gc.isenabled()) == (1, True)


def test_registered_hooks_run() -> None:
    ran: list[str] = []
    hooks = {"before": "before", "after_in_parent": "parent", "after_in_child": "child"}
    register(ran, hooks)
    code = status_of_child(lambda: 1 if ran == ["before", "child"] else 2)
    assert (code, ran) == (1, ["before", "parent"])
    ran.append("no more")


def register(ran: list[str], hooks: dict[str, str]) -> None:
    # Hooks cannot be taken back; these fall silent once the test is over.
    def note(what: str) -> None:
        if "no more" not in ran:
            ran.append(what)

    os.register_at_fork(**{name: lambda what=what: note(what) for name, what in hooks.items()})


def test_many_forks_with_threads_that_want_the_gil() -> None:
    stop = threading.Event()

    def spin() -> None:
        while not stop.is_set():
            sum(range(100))

    threads = [threading.Thread(target=spin) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        codes = {status_of_child(lambda: 3) for _ in range(100)}
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert codes == {3}


def test_no_process_left_is_an_error_and_leaves_the_collector_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forking, "_raw_fork", lambda: -1)
    with pytest.raises(OSError, match="fork"):
        forking.fork()
    assert gc.isenabled()


def test_work_that_needs_a_deep_stack_gets_it() -> None:
    def deep() -> int:
        nested: list[object] = []
        for _ in range(50_000):
            nested = [nested]
        return 5 if len(repr_depth(nested)) == 50_000 else 6

    def repr_depth(nested: list[object]) -> list[int]:
        def walk(level: list[object], found: list[int]) -> list[int]:
            found.append(1)
            return walk(level[0], found) if level[0] else found  # type: ignore[arg-type]

        return walk(nested, [])

    pid = forking.fork()
    if pid == 0:
        sys.setrecursionlimit(forking.RECURSION_LIMIT)
        forking.run_in_child(deep)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 5


def test_work_that_raises_still_leaves() -> None:
    def fail() -> int:
        raise SystemExit(0)

    pid = forking.fork()
    if pid == 0:
        forking.become_child(forking.ChildRules())
        forking.run_in_child(fail)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 70


def test_an_alarm_ends_a_child() -> None:
    pid = forking.fork()
    if pid == 0:
        forking.become_child(forking.ChildRules(seconds=1))
        forking.run_in_child(lambda: int(threading.Event().wait()))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -14


def test_a_child_without_an_alarm_is_ended_by_who_waits() -> None:
    pid = forking.fork()
    if pid == 0:
        try:
            threading.Event().wait()
        finally:
            os._exit(0)
    status = forking.wait_for(pid, 0.1)
    assert status is not None and os.waitstatus_to_exitcode(status) == -signal.SIGKILL
    assert forking.wait_for(pid) is None


def test_more_objects_may_take_longer() -> None:
    few = forking.rules_for_heap().processor_seconds
    many = [object() for _ in range(10**6)]
    assert forking.rules_for_heap().processor_seconds >= few + 9
    del many


def test_so_does_too_much_computing() -> None:
    pid = forking.fork()
    if pid == 0:
        forking.become_child(forking.ChildRules(processor_seconds=1))
        forking.run_in_child(lambda: sum(itertools.repeat(0)))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGPROF


def test_connections_are_covered_and_what_is_kept_stays(tmp_path: Path) -> None:
    read, write = os.pipe()
    kept_read, kept_write = os.pipe()
    file = os.open(tmp_path / "file", os.O_CREAT | os.O_WRONLY)
    pid = forking.fork()
    if pid == 0:
        forking.become_child(forking.ChildRules(keep=frozenset({kept_write})))
        os.write(write, b"lost")
        os.write(kept_write, b"kept")
        os.write(file, b"file")
        os._exit(0)
    os.waitpid(pid, 0)
    os.close(write)
    os.close(kept_write)
    os.close(file)
    with os.fdopen(read, "rb") as lost, os.fdopen(kept_read, "rb") as kept:
        assert (lost.read(), kept.read(), (tmp_path / "file").read_bytes()) == (b"", b"kept", b"file")


# --- memory -------------------------------------------------------------------------------------------------


def fake_system(root: Path, available: int, groups: dict[str, tuple[str, str, str]]) -> str:
    """A directory that looks like / as far as memory goes: MB available; control group -> max, current, stat."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/meminfo").write_text(f"MemTotal: {24 << 20} kB\nMemAvailable: {available << 10} kB\n")
    path = max(groups, key=len, default="")
    (root / "proc/self/cgroup").write_text(f"0::/{path}\n" if groups else "")
    for group, (limit, used, statistics) in groups.items():
        place = root / "sys/fs/cgroup" / group
        place.mkdir(parents=True, exist_ok=True)
        for name, text in (("max", limit), ("current", used), ("stat", statistics)):
            (place / f"memory.{name}").write_text(text + "\n")
    return str(root)


MB = 1 << 20


@pytest.mark.parametrize(
    ("groups", "free"),
    [
        ({}, 3000),
        ({"a": ("max", "5", "")}, 3000),
        ({"a": (str(1000 * MB), str(400 * MB), "anon 1\ninactive_file 0")}, 600),
        ({"a": (str(1000 * MB), str(400 * MB), f"anon 1\ninactive_file {100 * MB}")}, 700),
        ({"a": (str(500 * MB), str(400 * MB), ""), "a/b": ("max", "1", "")}, 100),
        ({"a": (str(5 * MB), str(400 * MB), "")}, 0),
    ],
)
def test_free_memory_is_the_tightest_limit(tmp_path: Path, groups: dict[str, tuple[str, str, str]], free: int) -> None:
    assert free_memory(fake_system(tmp_path, 3000, groups)) == free * MB


def add_first_version(root: Path, path: str, groups: dict[str, tuple[str, str, str]]) -> None:
    """Control groups of version 1 in that directory; `path` is what the process says of itself."""
    with open(root / "proc/self/cgroup", "a") as file:
        file.write(f"12:cpuset:/\n5:hugetlb,memory:/{path}\n1:name=systemd:/{path}\n")
    for group, texts in groups.items():
        place = root / "sys/fs/cgroup/memory" / group
        place.mkdir(parents=True, exist_ok=True)
        for name, text in zip(("limit_in_bytes", "usage_in_bytes", "stat"), texts):
            (place / f"memory.{name}").write_text(text + "\n")


UNLIMITED = str(9223372036854771712)


@pytest.mark.parametrize(
    ("path", "groups", "free"),
    [
        ("a", {"": (UNLIMITED, "5", ""), "a": (UNLIMITED, "5", "")}, 3000),
        ("a", {"": (UNLIMITED, "5", ""), "a": (str(1000 * MB), str(400 * MB), "inactive_file 7")}, 600),
        ("a", {"a": (str(1000 * MB), str(400 * MB), f"total_inactive_file {100 * MB}")}, 700),
        ("a/b", {"a": (str(500 * MB), str(400 * MB), ""), "a/b": (UNLIMITED, "1", "")}, 100),
        ("docker/of-the-machine", {"": (str(900 * MB), str(400 * MB), "")}, 500),
    ],
)
def test_the_first_version_of_control_groups_has_limits_too(
    tmp_path: Path, path: str, groups: dict[str, tuple[str, str, str]], free: int
) -> None:
    root = fake_system(tmp_path, 3000, {})
    add_first_version(tmp_path, path, groups)
    assert free_memory(root) == free * MB


def test_of_two_versions_the_tighter_limit_counts(tmp_path: Path) -> None:
    root = fake_system(tmp_path, 3000, {"a": (str(800 * MB), "0", "")})
    add_first_version(tmp_path, "b", {"b": (str(700 * MB), "0", "")})
    assert free_memory(root) == 700 * MB


def test_without_memory_there_is_a_reason_not_to(tmp_path: Path) -> None:
    reason = forking.why_not_fork(fake_system(tmp_path, 100, {}))
    told = re.fullmatch(r"100 MB of memory are free and saving may take (\d+); free some and save again", reason or "")
    assert told is not None
    # How much that is depends on what this process has in its memory.
    needed = int(told[1])
    assert needed >= forking.MEMORY_RESERVE // MB
    assert forking.why_not_fork(fake_system(tmp_path / "less", needed - 1, {})) is not None
    assert forking.why_not_fork(fake_system(tmp_path / "more", 2 * needed, {})) is None


def test_in_a_small_container_less_is_kept_back(tmp_path: Path) -> None:
    refused = forking.why_not_fork(fake_system(tmp_path, 100, {}))
    needed = int(re.findall(r"may take (\d+)", refused or "")[0])
    free = needed - 100  # refused where there is much memory in all
    assert forking.why_not_fork(fake_system(tmp_path / "large", free, {})) is not None
    limit = free + 100
    group = {"a": (str(limit * MB), str(100 * MB), "")}
    assert forking.why_not_fork(fake_system(tmp_path / "small", 20_000, group)) is None


def test_what_does_not_work_in_a_forked_process_is_not_forked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cuda = types.ModuleType("torch.cuda")
    monkeypatch.setitem(sys.modules, "torch.cuda", cuda)
    assert forking.why_not_fork(str(tmp_path)) is None
    cuda._initialized = True  # type: ignore[attr-defined]
    assert "CUDA" in (forking.why_not_fork(str(tmp_path)) or "")


def test_where_nothing_is_known_nothing_is_refused(tmp_path: Path) -> None:
    assert (free_memory(str(tmp_path)), forking.why_not_fork(str(tmp_path))) == (None, None)
