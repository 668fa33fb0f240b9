"""What clients get from the host: everything once and in order, and nobody slows anybody else down.

Runs in: tests.
"""

from __future__ import annotations

import ast
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

import pyshell
from pyshell import Session, handshake
from pyshell.errors import AuthenticationFailed, ConnectionLost, UsageError, WorkerBusy
from pyshell.host.door import MAX_CLIENTS, has_hung_up
from pyshell.host.service import HostService
from pyshell.protocol import Event, InputRequest, Output
from tests.sessions import SECONDS, another, becomes_true, environment, host_of, started, until, until_output

WAITS = "import signal\nprint('waits', flush=True)\nsignal.pause()"


@pytest.fixture(scope="module")
def shared() -> Iterator[Session]:
    """One session for tests that leave it idle."""
    with started("shared") as session:
        yield session


def waiting_cell(session: Session) -> int:
    cell = session.execute(WAITS)
    until_output(session, "waits", cell)
    return cell


def end(session: Session, cell: int) -> None:
    session.interrupt()
    session.wait(cell)


def test_events_come_once_and_in_order_over_many_connections(shared: Session) -> None:
    cell = shared.execute("for number in range(2000):\n    print(number)")
    seen: list[Event] = []
    while not any(event.cell == cell and event.kind == "finished" for event in seen):
        with another(shared) as session:
            for event in islice(session.events(seen[-1].seq if seen else 0), 3):
                seen.append(event)
    assert [event.seq for event in seen] == list(range(1, len(seen) + 1))
    shown = "".join(event.body.text for event in seen if event.cell == cell and isinstance(event.body, Output))
    assert shown == "".join(f"{number}\n" for number in range(2000))


def test_two_clients_see_the_same_and_who_did_what(shared: Session) -> None:
    with another(shared, "one") as one, another(shared, "two") as two:
        cells = [one.execute("shared_name = 1"), two.execute("shared_name + 1")]
        assert two.wait(cells[1]).result == one.wait(cells[1]).result == "2"
        assert [one.wait(cells[0]).status, two.wait(cells[0]).status] == ["ok", "ok"]

        def is_last(event: Event) -> bool:
            return event.cell == cells[1] and event.kind == "finished"

        assert until(one, is_last) == until(two, is_last)
        assert [event.client for event in until(one, is_last) if event.cell == cells[1]][0] == "two"
        assert [entry.client for entry in one.history()][-2:] == ["one", "two"]


def test_programs_are_counted_not_connections(shared: Session) -> None:
    cell = waiting_cell(shared)
    events = shared.events()
    next(events)
    assert shared.status().clients == 1
    program = "import pyshell\nwith pyshell.connect('shared') as s:\n print(s.status().clients, flush=True)\n input()"
    command, pipe = [sys.executable, "-c", program], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment(shared)) as other:
        assert other.stdout is not None and other.stdin is not None
        assert other.stdout.readline() == "2\n"
        other.stdin.close()
    end(shared, cell)


FOLLOWS = """
import pyshell
with pyshell.connect("shared") as session:
    for event in session.events():
        print(event.seq, flush=True)
"""


def test_a_stopped_client_slows_nobody(shared: Session) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", FOLLOWS], stdout=subprocess.PIPE, text=True, env=environment(shared)
    ) as client:
        try:
            assert client.stdout is not None and client.stdout.readline() == "1\n"
            client.send_signal(signal.SIGSTOP)
            reply = shared.run("for _ in range(200):\n    print('x' * 50_000)")
            assert reply.status == "ok" and len(reply.output) == 200 * 50_001
            assert shared.run("1 + 1").result == "2"
            assert shared.complete("shared_na", 9) is not None
        finally:
            client.kill()


def test_a_client_that_does_not_read_slows_nobody(shared: Session) -> None:
    readers = [shared.events() for _ in range(3)]
    for reader in readers:
        assert next(reader).seq == 1  # and then never again
    assert len(shared.run("print('y' * 3_000_000)").output) == 3_000_001
    for reader in readers:
        reader.close()  # type: ignore[attr-defined]


def test_waiting_in_vain_leaves_no_connection_behind(shared: Session) -> None:
    cell = waiting_cell(shared)
    for _ in range(MAX_CLIENTS + 10):
        with another(shared) as session:
            with pytest.raises(pyshell.errors.CallTimeout):
                session.wait(cell, timeout=0)
    # Those that hang up while the host still holds their question give their place back, too.
    for _ in range(MAX_CLIENTS // 2 - 4):
        with another(shared) as session:
            last = session.status().last_event
            blocked = threading.Thread(target=list, args=(session.events(last),))
            blocked.start()
        blocked.join(SECONDS)
        assert not blocked.is_alive()
    host = host_of(shared)
    assert becomes_true(lambda: len(os.listdir(f"/proc/{host}/task")) < 20), "threads of lost clients are left"
    end(shared, cell)


def test_too_many_clients_are_turned_away_and_the_others_stay(shared: Session) -> None:
    cell = waiting_cell(shared)
    with pytest.raises(ConnectionLost, match="too many clients; close one"):
        sessions = []
        try:
            for _ in range(MAX_CLIENTS + 1):
                sessions.append(another(shared))
        finally:
            for session in sessions:
                session.close()
    end(shared, cell)
    assert shared.run("1").result == "1"


def test_a_line_reaches_the_cell_that_waits_for_it(shared: Session) -> None:
    cell = shared.execute("name = input('who? ')\nprint('hello', name)\nname")
    request = until(shared, lambda event: event.cell == cell and event.kind == "input_request")[-1].body
    assert request == InputRequest("who? ", False)
    assert shared.status().waiting_for_input == request
    shared.input("Zoë")
    reply = shared.wait(cell)
    assert reply.result == "'Zoë'"
    assert reply.output.startswith("who? ") and reply.output.endswith("hello Zoë\n")
    assert shared.status().waiting_for_input is None


def test_end_of_file_reaches_the_cell_that_waits(shared: Session) -> None:
    cell = shared.execute("input()")
    until(shared, lambda event: event.cell == cell and event.kind == "input_request")
    shared.input_end()
    reply = shared.wait(cell)
    assert reply.error is not None and reply.error.kind == "EOFError"


def test_a_line_that_no_terminal_takes_is_refused(shared: Session) -> None:
    for text in ("two\nlines", "x" * 5000):
        with pytest.raises(UsageError, match="line of input"):
            shared.input(text)


def test_keys_and_the_size_reach_the_program(shared: Session) -> None:
    shared.resize(91, 17)
    cell = shared.execute("import os, sys, tty\ntty.setcbreak(0)\nprint('ready', flush=True)\nkeys = os.read(0, 3)")
    until_output(shared, "ready", cell)
    shared.keys(b"\x1b[A")
    assert shared.wait(cell).status == "ok"
    assert shared.run("keys, tuple(os.get_terminal_size())").result == "(b'\\x1b[A', (91, 17))"
    shared.resize(-5, 10**9)  # what cannot be is made to fit
    assert shared.run("tuple(os.get_terminal_size())").result == "(2, 1000)"
    shared.resize(80, 24)
    shared.run("os.system('stty sane')")


AWAITS_RESIZE = """
import signal, threading
resized = threading.Event()
signal.signal(signal.SIGWINCH, lambda *_: resized.set())
print('on', flush=True)
resized.wait(20)
"""


def test_a_resize_is_told_to_the_program(shared: Session) -> None:
    cell = shared.execute(AWAITS_RESIZE)
    until_output(shared, "on", cell)
    shared.resize(100, 30)
    assert shared.wait(cell).result == "True"


def test_who_types_where_nobody_reads_is_the_only_one_to_wait(shared: Session) -> None:
    cell = shared.execute("import signal, tty\ntty.setraw(0)\nprint('raw', flush=True)\nsignal.pause()")
    until_output(shared, "raw", cell)
    raised: list[BaseException] = []

    def type_much() -> None:
        try:
            with another(shared) as other:
                other.keys(b"z" * 1_000_000)
        except WorkerBusy as exc:
            raised.append(exc)

    typing = threading.Thread(target=type_much)
    typing.start()
    while typing.is_alive():
        assert shared.status().cell == cell
    assert len(raised) == 1
    end(shared, cell)
    shared.run("import termios\ntermios.tcflush(0, termios.TCIFLUSH)\nos.system('stty sane')")


def test_big_results_are_read_back_in_pieces(shared: Session) -> None:
    cells = [shared.execute("'r' * 1_000_000") for _ in range(12)]
    assert all(len(shared.wait(cell).result or "") == 1_000_002 for cell in cells)
    with another(shared) as other:
        events = until(other, lambda event: event.cell == cells[-1] and event.kind == "finished")
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


@pytest.mark.slow
def test_memory_stays_bounded_while_a_cell_floods_and_nobody_listens(xdg: Path) -> None:
    with started() as session:
        host = host_of(session)
        session.run("1")
        before = peak_memory(host)
        cell = session.execute("line = 'x' * 999\nfor _ in range(300_000):\n    print(line)")
        session.wait(session.execute("'after the flood'"))
        assert session.status().next_cell == cell + 2
        grown = peak_memory(host) - before
        assert grown < 100 << 20, f"the host grew by {grown >> 20} MiB"
        spool = xdg / "state" / "pyshell" / "sessions" / "s" / "output" / f"{cell}.txt"
        assert spool.stat().st_size > 295_000_000
        assert session.run("40 + 2").result == "42"


def peak_memory(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) << 10


FORBIDDEN_MODULES = {"pickle", "_pickle", "dill", "marshal", "shelve", "code", "codeop", "runpy"}
FORBIDDEN_CALLS = {"exec", "eval", "compile", "__import__"}
LOADS_EVERYTHING = """
import importlib, pkgutil, sys, pyshell.host
for module in pkgutil.walk_packages(pyshell.host.__path__, "pyshell.host."):
    importlib.import_module(module.name)
for name, module in sys.modules.items():
    print(name, getattr(module, "__file__", None))
"""


@pytest.fixture(scope="module")
def loaded() -> dict[str, str]:
    """The modules of a host and their files."""
    environ = {**os.environ, "PYTHONPATH": str(Path(pyshell.__file__).parents[1])}
    command = [sys.executable, "-c", LOADS_EVERYTHING]
    answer = subprocess.run(command, capture_output=True, text=True, env=environ, check=True)
    return dict(line.split(" ", 1) for line in answer.stdout.splitlines())  # type: ignore[misc]


def test_the_host_has_nothing_that_could_run_what_users_wrote(loaded: dict[str, str]) -> None:
    assert "pyshell.host.supervisor" in loaded
    assert not {"dill", "urwid", "pygments", "numpy"} & set(loaded)
    assert not [name for name in loaded if name.startswith(("pyshell.worker", "pyshell.console", "pyshell.client"))]


def test_no_module_of_the_host_unpickles_or_executes(loaded: dict[str, str]) -> None:
    ours = {name: Path(file) for name, file in loaded.items() if name.partition(".")[0] == "pyshell"}
    assert len(ours) > 20
    for name, file in ours.items():
        tree = ast.parse(file.read_text())
        imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and type(node.func) is ast.Name}
        assert not imported & FORBIDDEN_MODULES, name
        assert not called & FORBIDDEN_CALLS, name


def test_a_stranger_without_the_token_is_refused(shared: Session, tmp_path: Path) -> None:
    paths = shared._paths
    wrong = tmp_path / "token"
    wrong.write_bytes(b"x" * 32)
    with pytest.raises(AuthenticationFailed):
        handshake.dial(paths.socket, wrong)
    assert becomes_true(lambda: "refused a client" in paths.log.read_text())


def test_silent_strangers_do_not_block_the_door(shared: Session) -> None:
    silent = [socket.socket(socket.AF_UNIX) for _ in range(5)]
    try:
        for sock in silent:
            sock.connect(str(shared._paths.socket))
        with another(shared) as other:
            assert other.run("1").result == "1"
    finally:
        for sock in silent:
            sock.close()


def test_a_peer_that_hung_up_is_seen_even_with_unread_data() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(b"unread")
        assert not has_hung_up(ours)
        theirs.close()
        assert has_hung_up(ours)


def test_a_late_answer_is_waited_for_as_long_as_one_that_is_asked_for_now() -> None:
    unused: Any = None
    service = HostService(unused, unused, unused, unused)
    assert service._has_caught_up(0.0), "nothing is late"
    service._late, service._late_since = Future(), time.monotonic() - SECONDS
    assert not service._has_caught_up(0.15), "it has had its time"
    threading.Timer(0.01, service._late.set_result, [None]).start()
    assert service._has_caught_up(3 * SECONDS)
    assert service._has_caught_up(0.0), "it has come"
