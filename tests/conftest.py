"""What every test gets: directories of its own, and no process left behind.

Runs in: tests.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

RUN = f"PYSHELL_TEST_RUN={uuid.uuid4().hex}"
"""Stands in the environment of every process that this run starts, however deep."""

XDG = {"XDG_STATE_HOME": "state", "XDG_CONFIG_HOME": "config", "XDG_DATA_HOME": "data", "XDG_CACHE_HOME": "cache"}

PATIENCE = float(os.environ.get("PYSHELL_TEST_PATIENCE", "5"))
"""Seconds that a session may take to end after its test has."""


def pytest_configure(config: pytest.Config) -> None:
    """Mark this run's processes; fixtures that outlive one test get directories of the run."""
    name, _, value = RUN.partition("=")
    os.environ[name] = value
    for variable in ("PYTHONSTARTUP", "PYTHONINSPECT", "VIRTUAL_ENV", "CONDA_PREFIX"):
        os.environ.pop(variable, None)
    # The suite starts thousands of processes, and each would compile all of pyshell anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    # A shell's background job ignores these, and so would what it starts: no Ctrl-C would reach a worker.
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)
    # How long it takes to make up an example says how busy the machine is, and nothing about what is tested.
    settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("suite")
    config.stash[_root] = root = _make_directories()
    os.environ.update(_variables(root))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run that leaves a process behind, by name; and take the process away."""
    left = end_processes(RUN)
    if left:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        for line in left:
            reporter.write_line(f"left running: {line}", red=True)


def pytest_unconfigure(config: pytest.Config) -> None:
    root = config.stash.get(_root, None)
    if root is not None:
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(autouse=True)
def xdg(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The test's own XDG directories. They go, and the test fails if a process still lives in them."""
    root = _make_directories()
    for name, value in _variables(root).items():
        monkeypatch.setenv(name, value)
    yield root
    left = end_processes(f"XDG_RUNTIME_DIR={root}")
    shutil.rmtree(root, ignore_errors=True)
    if left:
        pytest.fail("left running: " + "; ".join(left), pytrace=False)


@pytest.fixture(scope="session")
def pythons() -> dict[str, str]:
    """The interpreters of this machine that a worker can run in: `3.12` -> the executable's path."""
    found = {}
    for version in ("3.10", "3.11", "3.12", "3.13"):
        executable = shutil.which(f"python{version}")
        if executable is None:
            continue
        # A pyenv shim exists for versions that are not switched on; ask it who it really is.
        answer = subprocess.run([executable, "-c", "import sys; print(sys.executable)"], capture_output=True, text=True)
        if answer.returncode == 0:
            found[version] = answer.stdout.strip()
    return found


def end_processes(marker: str) -> list[str]:
    """Kill every process whose environment holds `marker` after PATIENCE; say which had to be killed."""
    waiting = dict(_open(_processes(marker))) if os.path.isdir("/proc") else {}
    try:
        _wait_for_exit(waiting)
        left = {fd: f"{pid} {_command(pid)[:200]}" for fd, pid in waiting.items() if not _has_exited(fd)}
        for fd in left:
            with suppress(ProcessLookupError):  # at last
                signal.pidfd_send_signal(fd, signal.SIGKILL)
        return list(left.values())
    finally:
        for fd in waiting:
            os.close(fd)


def _open(pids: Iterable[int]) -> Iterator[tuple[int, int]]:
    for pid in pids:
        with suppress(ProcessLookupError):  # it has ended since it was found, as most do when their test is over
            yield os.pidfd_open(pid), pid


def _wait_for_exit(waiting: dict[int, int]) -> None:
    poll = select.poll()
    for fd in waiting:
        poll.register(fd, select.POLLIN)
    running = set(waiting)
    while running:
        ended = poll.poll(PATIENCE * 1000)
        if not ended:
            return
        for fd, _ in ended:
            poll.unregister(fd)
            running.discard(fd)


def _has_exited(fd: int) -> bool:
    return bool(select.select([fd], [], [], 0)[0])


def _processes(marker: str) -> Iterator[int]:
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid() and marker.encode() in _environment(entry):
            yield int(entry)


def _environment(pid: str) -> list[bytes]:
    try:
        return Path("/proc", pid, "environ").read_bytes().split(b"\0")
    except OSError:  # it ended, or belongs to somebody else
        return []


def _command(pid: int) -> str:
    try:
        return Path("/proc", str(pid), "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def _make_directories() -> Path:
    # Not tmp_path: a socket's path may hold 107 bytes, and pytest's directories spend most of them.
    root = Path(tempfile.mkdtemp(prefix="pyshell-test-"))
    for directory in XDG.values():
        (root / directory).mkdir()
    return root


def _variables(root: Path) -> dict[str, str]:
    return {"XDG_RUNTIME_DIR": str(root), **{name: str(root / directory) for name, directory in XDG.items()}}


_root = pytest.StashKey[Path]()
