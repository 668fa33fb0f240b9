"""Nobody but its user gets into a session: another account tries, from its own network and as its own root.

Runs in: tests, as root, in namespaces of their own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pyshell import Session
from tests import rpc
from tests.sessions import SECONDS, another, environment, host_of, started

REPOSITORY = Path(__file__).parents[2]
PLACES = ("own network", "our network", "own root")
Found = dict[str, Any]


@pytest.fixture(scope="module")
def account() -> Iterator[int]:
    """Another user of this machine, who is gone afterwards."""
    if os.getuid() or not shutil.which("useradd"):
        pytest.skip("only root can make another user")
    name = f"pyshell-{os.getpid()}"
    subprocess.run(["useradd", "--no-create-home", "--no-user-group", name], check=True)
    try:
        yield int(subprocess.run(["id", "-u", name], stdout=subprocess.PIPE, check=True).stdout)
    finally:
        subprocess.run(["userdel", name], check=True)


@pytest.fixture(autouse=True)
def temporary(xdg: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where whatever is made apart from the session's own directories can be found."""
    directory = xdg / "tmp"
    directory.mkdir()
    directory.chmod(0o1777)
    monkeypatch.setenv("TMPDIR", str(directory))
    return directory


@contextmanager
def served(xdg: Path) -> Iterator[tuple[Session, Found]]:
    """A session that has saved, printed and is served on a socket, and what there is of it."""
    with started("mine") as session:
        session.wait_saved(session.run("secret = list(range(100_000)); print('s' * 3_000_000)", SECONDS).cell, SECONDS)
        with rpc.served(session) as bridge, rpc.on_socket(bridge, session) as talk:
            assert talk.ask("status")["name"] == "mine"
            for directory in (xdg, xdg / "state"):  # what lies above those of pyshell is open, as elsewhere
                directory.chmod(0o755)
            yield session, target(session, bridge, xdg / "tmp")


def target(session: Session, bridge: str, temporary: Path) -> Found:
    paths, pids = session.paths, processes(session)
    roots = (paths.roots.state, paths.roots.runtime, *temporary.iterdir())
    below = [path for root in roots for path in (root, *root.rglob("*"))]
    return {
        "name": session.name,
        "socket": str(paths.socket),
        "bridge": bridge,
        "token": str(paths.token),
        "files": [str(path) for path in below if path.is_file()],
        "directories": [str(path) for path in below if path.is_dir()],
        "terminals": sorted({link for pid in pids for link in links(pid) if link.startswith("/dev/pts/")}),
        "processes": pids,
    }


def processes(session: Session) -> list[int]:
    """The host and all that it has started, and whoever serves."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended
            continue
        children.setdefault(parent, []).append(int(stat.parent.name))
    found = [host_of(session)]
    for pid in found:
        found += children.get(pid, [])
    serving = [pid for pid in children.get(os.getpid(), []) if b"serve" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return [*found, *serving]


def links(pid: int) -> list[str]:
    """What a process has open."""
    found = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.append(os.readlink(link))
        except OSError:  # closed since
            continue
    return found


def try_all(session: Session, account: int, place: str, target: Found) -> Found:
    asked = json.dumps({"user": account, "place": place, "target": target})
    done = subprocess.run(
        [sys.executable, "-m", "tests.stranger"], input=asked, env=environment(session), cwd=REPOSITORY,
        capture_output=True, text=True, timeout=SECONDS * 4,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: Found = json.loads(done.stdout)
    if "impossible" in found:
        pytest.skip(f"this machine has no such namespaces: {found['impossible']}")
    return found


@pytest.mark.parametrize("place", PLACES)
def test_another_user_gets_nowhere(xdg: Path, account: int, place: str) -> None:
    with served(xdg) as (session, target):
        found = try_all(session, account, place, target)
        assert {name for name, what in found["owner"].items() if what != "in"} == set()  # they are real attempts
        assert {name for name, what in found["stranger"].items() if what == "in"} == set()
        assert len(found["stranger"]) > 40 and found["stranger"]["pyshell log"] == "Refused"  # said, and no traceback
        assert "not a directory of yours" in found["attach"] and "Traceback" not in found["attach"]
        assert another(session).run("len(secret)", SECONDS).result == "100000"


@pytest.mark.parametrize("mode", [0o755, 0o777])
@pytest.mark.parametrize("place", PLACES)
def test_whose_directories_are_open_is_guarded_by_the_kernels_word(
    xdg: Path, account: int, place: str, mode: int
) -> None:
    """With 755 by the files' own modes; with 777 everything is open, the token, too, and the peer's user must tell."""
    with served(xdg) as (session, target):
        for path in target["directories"]:
            os.chmod(path, mode)
        if mode == 0o777:
            for path in (*target["files"], target["socket"], target["bridge"]):
                os.chmod(path, mode)
        found = try_all(session, account, place, target)["stranger"]
        entered = {name for name, what in found.items() if what == "in"}
        assert {found["the session's socket"], found["the socket of JSON-RPC"]} <= {
            "PermissionError", "ConnectionLost", "BrokenPipeError", "ConnectionResetError", "Refused",
        }  # fmt: skip
        assert found["pyshell.connect"] == "AuthenticationFailed"
        if mode == 0o777:
            assert "PermissionError" not in (found["the session's socket"], found["the socket of JSON-RPC"])
        else:
            assert {name for name in entered if not name.startswith("list ")} == set()
        for path in target["directories"]:
            os.chmod(path, 0o700)
        assert another(session).run("len(secret)", SECONDS).result == "100000"


def test_no_token_is_told_to_who_lists_processes(xdg: Path) -> None:
    with served(xdg) as (session, target):
        secrets = [session.paths.token.read_bytes(), session.paths.roots.key.read_bytes()]
        for pid in target["processes"]:
            for part in ("cmdline", "environ"):
                told = Path(f"/proc/{pid}/{part}").read_bytes()
                assert not any(secret in told or secret.hex().encode() in told for secret in secrets)


def test_nothing_listens_but_files(xdg: Path) -> None:
    """No port, and no socket of the abstract kind, whose name alone lets everybody of the same network in."""
    with served(xdg) as (_, target):
        for pid in target["processes"]:
            own = {link[8:-1] for link in links(pid) if link.startswith("socket:[")}
            for kind in ("tcp", "tcp6", "udp", "udp6", "raw", "raw6"):
                lines = Path(f"/proc/{pid}/net/{kind}").read_text().splitlines()[1:]
                assert not own & {line.split()[9] for line in lines}, kind
            names = [line.split() for line in Path(f"/proc/{pid}/net/unix").read_text().splitlines()[1:]]
            paths = {line[7] for line in names if line[6] in own and len(line) > 7}
            assert paths <= {target["socket"], target["bridge"]}
