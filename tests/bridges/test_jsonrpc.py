"""`pyshell serve`: what the page says, and what a client may do wrong.

Runs in: tests. PYSHELL_FUZZ_SECONDS says how long it is fuzzed.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pyshell
from pyshell import Session
from pyshell.bridges.admitting import Gate
from pyshell.bridges.framing import MAX_MESSAGE, Reader, framed
from pyshell.bridges.jsonrpc import METHODS, Conversation
from tests import fuzzing, rpc
from tests.fuzzing import Mutator
from tests.rpc import Object, Rpc, RpcError
from tests.sessions import SECONDS, environment, started

PAGE = (Path(__file__).parents[2] / "docs" / "jsonrpc.md").read_text()
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    """One for tests that leave it idle."""
    with started("rpc") as session:
        yield session


@pytest.fixture(scope="module")
def talk(session: Session) -> Iterator[Rpc]:
    """A conversation that no test may end."""
    with rpc.on_stdio(session) as talk:
        yield talk


# --- what the page says --------------------------------------------------------------------------------------


def test_the_pages_exchange() -> None:
    (exchange,) = re.findall(r"```text\n(-->.*?)```", PAGE, re.DOTALL)
    at, sent = 0, b""
    with rpc.process("tour", "--stdio") as serving:
        talk = rpc.over(serving)
        for line in exchange.splitlines():
            if line.startswith("--> "):
                sent = line[4:].encode() + b"\n"
                talk.send(sent)
                continue
            wanted = json.loads(line.removeprefix("<-- "))
            if "id" in wanted:
                found = answer(talk, sent, wanted["id"], wanted)
                assert is_like(found, wanted), found
            else:  # events are in order among themselves: what a cell shows may come before its number
                found = talk.wait(lambda message: is_like(message, wanted), at)  # noqa: B023
                at = talk.messages.index(found)
        talk.wait_end()
        assert serving.wait(SECONDS) == 1  # without `shutdown` before it, as with language servers
    assert at > 5


def answer(talk: Rpc, sent: bytes, number: int, wanted: Any) -> Any:
    """The answer. A completion is asked again: a busy machine's worker, which has not completed yet, may be late."""
    start = 0
    while True:
        found = talk.wait(lambda message: message.get("id") == number, start)
        if b'"complete"' not in sent or is_like(found, wanted):
            return found
        start = len(talk.messages)
        talk.send(sent)


def is_like(found: Any, wanted: Any) -> bool:
    """Whether it is what the page shows, where `…` stands for anything."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return wanted.keys() == found.keys() and all(is_like(found[key], wanted[key]) for key in wanted)
    if isinstance(wanted, list) and isinstance(found, list):
        return len(wanted) == len(found) and all(map(is_like, found, wanted))
    return wanted == "…" or found == wanted


def test_capabilities_are_what_there_is(talk: Rpc) -> None:
    found = talk.ask("initialize", client="tester")
    assert found["capabilities"] == {
        "methods": list(METHODS), "notifications": ["event", "ended"], "framing": "lines",
    }  # fmt: skip
    assert found["version"] == pyshell.__version__ and found["status"]["name"] == "rpc"
    cell = talk.ask("execute", code="1")["cell"]
    assert [entry["client"] for entry in talk.ask("history")["entries"] if entry["cell"] == cell] == ["tester"]


def test_a_subscription_tells_each_event_once_in_order(session: Session) -> None:
    with rpc.on_stdio(session) as talk:
        talk.ask("subscribe", **{"from": 1})
        cell = talk.ask("execute", code="for n in range(500): print(n, flush=True)")["cell"]
        seen = []
        for event in talk.events():
            seen.append(event["seq"])
            if event["cell"] == cell and event["body"]["kind"] == "finished":
                break
        assert seen == list(range(1, len(seen) + 1))
        begun = len(talk.messages)
        talk.ask("subscribe", **{"from": seen[-1]})
        assert talk.wait(lambda message: message.get("method") == "event", begun)["params"]["seq"] >= seen[-1]


def test_a_completion_is_answered_while_events_are_waited_for(talk: Rpc) -> None:
    waiting = talk.begin("events", after=10**9, timeout=60)
    assert talk.ask("complete", code="impor", cursor_pos=5)["matches"][0]["text"] == "import"
    talk.notify("$/cancelRequest", id=waiting)
    with pytest.raises(RpcError) as raised:
        talk.end(waiting)
    assert raised.value.code == -32800


def test_what_changes_something_is_done_in_order(talk: Rpc) -> None:
    numbers = [talk.begin("execute", code=str(number)) for number in range(50)]
    cells = [talk.end(number)["cell"] for number in numbers]
    assert cells == list(range(cells[0], cells[0] + 50))


def test_only_so_many_wait_for_an_answer(session: Session) -> None:
    with rpc.on_stdio(session) as talk:
        waiting = [talk.begin("events", after=10**9, timeout=60) for _ in range(40)]
        with pytest.raises(RpcError) as raised:
            talk.end(waiting[-1])
        assert raised.value.kind == "CallTimeout"
        assert talk.ask("is_complete", code="x =")["status"] == "invalid"
        for number in waiting:
            talk.notify("$/cancelRequest", id=number)
        last = talk.ask("status")["last_event"]
        talk.ask("execute", code="6 * 7")
        assert talk.ask("events", after=last, timeout=60)["events"]  # those that were cancelled keep no place


def test_undo_and_redo_answer_when_they_are_done(session: Session, talk: Rpc) -> None:
    session.wait_saved(session.run("value = 'old'").cell, SECONDS)
    session.wait_saved(session.run("value = 'new'").cell, SECONDS)
    assert talk.ask("undo")["names"] == ["value"]
    assert session.run("value").result == "'old'"
    with pytest.raises(RpcError) as raised:
        talk.ask("restore", checkpoint=99999)
    assert raised.value.kind == "CheckpointNotFound"


def test_shutdown_leaves_exit_only(session: Session) -> None:
    with rpc.process("rpc", "--stdio", env=environment(session)) as serving:
        talk = rpc.over(serving, has_headers=True)
        assert talk.ask("shutdown") is None
        with pytest.raises(RpcError) as raised:
            talk.ask("status")
        assert raised.value.code == -32600
        talk.notify("exit")
        assert serving.wait(SECONDS) == 0


def test_what_was_asked_before_the_end_of_input_is_answered(session: Session) -> None:
    asked = b'{"jsonrpc":"2.0","id":"a","method":"status"}\n'
    answer = subprocess.run(
        rpc.command("rpc", "--stdio"), input=asked, env=environment(session), stdout=subprocess.PIPE, check=True
    )
    assert json.loads(answer.stdout)["result"]["name"] == "rpc"


def test_a_session_is_only_attached_to_if_that_is_said() -> None:
    refused = subprocess.run(rpc.command("nowhere", "--stdio", "--attach"), capture_output=True, text=True)
    assert refused.returncode == 1 and "pyshell new -s nowhere" in refused.stderr
    unclear = subprocess.run(rpc.command("nowhere"), capture_output=True, text=True)
    assert unclear.returncode == 2 and "--stdio or --socket" in unclear.stderr


def test_a_program_of_another_language(session: Session) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node; .ci/run installs it")
    serve = rpc.command("rpc", "--stdio", "--attach")
    done = subprocess.run(
        [node, str(HERE / "client.js"), *serve], env=environment(session), capture_output=True, text=True, timeout=120
    )
    assert (done.stdout.split("\n"), done.returncode) == (
        ["42", "completed while busy", "KeyboardInterrupt", "died SIGSEGV", "kept 42", "nothing missed", ""], 0,
    ), done.stderr  # fmt: skip


# --- what a client may do wrong ------------------------------------------------------------------------------

HOSTILE = {
    b"nonsense": -32700,
    b'{"jsonrpc":"2.0","id":1,"method":"status"': -32700,
    b"[" * 100_000: -32700,
    b'{"jsonrpc":"2.0","id":1,"method":"status","params":{"a":NaN}}': -32700,
    b'{"jsonrpc":"2.0","id":1,"id":2,"method":"status"}': -32700,
    b'{"jsonrpc":"2.0","id":1,"method":"move","params":{"cell":' + b"9" * 5000 + b"}}": -32700,
    b"\xff\xfe": -32700,
    b"[]": -32600,
    b'[{"jsonrpc":"2.0","id":1,"method":"status"}]': -32600,
    b"1": -32600,
    b"{}": -32600,
    b'{"jsonrpc":"1.0","id":1,"method":"status"}': -32600,
    b'{"jsonrpc":"2.0","id":{},"method":"status"}': -32600,
    b'{"jsonrpc":"2.0","id":1,"method":["status"]}': -32600,
    b" " * (MAX_MESSAGE + 10): -32600,
    b'{"jsonrpc":"2.0","id":1,"method":"look_on"}': -32601,
    b'{"jsonrpc":"2.0","id":1,"method":"__init__"}': -32601,
    b'{"jsonrpc":"2.0","id":1,"method":"status","params":[]}': -32602,
    b'{"jsonrpc":"2.0","id":1,"method":"status","params":{"x":1}}': -32602,
    b'{"jsonrpc":"2.0","id":1,"method":"execute"}': -32602,
    b'{"jsonrpc":"2.0","id":1,"method":"execute","params":{"code":' + b"[" * 500 + b"]" * 500 + b"}}": -32602,
    b'{"jsonrpc":"2.0","id":1,"method":"move","params":{"cell":' + b"9" * 4000 + b"}}": -32602,
    b'{"jsonrpc":"2.0","id":1,"method":"subscribe","params":{"from":-1}}': -32602,
    b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"client":7}}': -32602,
}


@pytest.mark.parametrize("has_headers", [False, True])
def test_hostile_messages_are_answered_and_do_no_harm(session: Session, has_headers: bool) -> None:
    with rpc.on_stdio(session, has_headers) as talk:
        talk.ask("initialize")
        for data, code in HOSTILE.items():
            start = len(talk.messages)
            if has_headers or data.strip():
                talk.post(data)
                answer = talk.wait(lambda message: "error" in message, start)
                assert answer["error"]["code"] == code, data[:80]
                assert "Traceback" not in json.dumps(answer)
        surrogate = talk.ask("inspect", code="\ud800", cursor_pos=1)
        assert surrogate["found"] is False
        assert talk.ask("status")["name"] == "rpc"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(METHODS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
HARMLESS = sorted(set(METHODS) - {"exit", "shutdown", "kill", "restart", "interrupt", "execute", "keys", "input"})
FIELDS = st.sampled_from(["code", "cursor_pos", "after", "limit", "path", "start", "count", "checkpoint", "id", "from"])
REQUESTS = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0") | VALUES, "method": st.sampled_from(HARMLESS) | VALUES},
    optional={"id": st.integers() | VALUES, "params": st.dictionaries(FIELDS, VALUES, max_size=3) | VALUES},
)
MESSAGES = st.lists(
    REQUESTS.map(lambda value: json.dumps(value).encode()) | VALUES.map(lambda value: json.dumps(value).encode())
    | st.binary(max_size=40).map(lambda data: data.replace(b"\n", b" ") or b" "),
    min_size=1, max_size=10,
)  # fmt: skip


def converse(session: Session, data: bytes) -> None:
    """Send this and hang up. Any exception of the bridge's fails the test, and so do answers that are none."""
    sent = io.BytesIO()
    Conversation(session.another(), io.BytesIO(data), sent.write, Gate()).serve()
    answers = Reader(io.BytesIO(sent.getvalue()))
    while (answer := answers.read()) is not None:
        assert json.loads(answer)["jsonrpc"] == "2.0"


def check_any(session: Session, messages: list[bytes]) -> None:
    for has_headers in (False, True):
        data = b"".join(framed(message, has_headers) for message in messages)
        converse(session, data[: len(data) * 3 // 4])
        converse(session, b"{}\n" * (not has_headers) + data + framed(b"1", has_headers))


@settings(max_examples=15, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(MESSAGES)
def test_any_messages(session: Session, messages: list[bytes]) -> None:
    check_any(session, messages)


@pytest.mark.timeout(fuzzing.SECONDS + 120)
def test_what_was_said_with_changes(session: Session) -> None:
    """Real messages, changed; for a minute."""
    said = spoken(session)
    for seed in fuzzing.rounds():
        mutator = Mutator(seed, said)
        messages = [changed(mutator, said) for _ in range(20)]
        for has_headers in (False, True):
            data = b"".join(framed(message, has_headers) for message in messages)
            converse(session, data)
            converse(session, mutator.garbled(data))
    assert session.run("6 * 7", SECONDS).result == "42"


def spoken(session: Session) -> list[Any]:
    """What a client says in a conversation, as it is."""
    session.run("table = {'a': [1, (2, 3)]}")
    sent: list[bytes] = []
    with rpc.process(session.name, "--stdio", "--attach", env=environment(session)) as serving:
        assert serving.stdin is not None and serving.stdout is not None
        pipe = serving.stdin

        def send(data: bytes) -> None:
            sent.append(data)
            pipe.write(data)
            pipe.flush()

        talk = Rpc(send, serving.stdout)  # type: ignore[arg-type]
        talk.ask("initialize", client="fuzz", subscribe=1)
        for method, params in fuzzing.TOUR:
            with contextlib.suppress(RpcError):  # there may be no such cell or checkpoint
                talk.ask(method, **params)
        talk.ask("is_complete", code="for n in x:")
        talk.notify("$/cancelRequest", id=1)
    return [json.loads(data) for data in sent]


def changed(mutator: Mutator, said: list[Any]) -> bytes:
    """One of them with changes: of its parts, or of its text."""
    message = mutator.random.choice(said)
    if mutator.random.random() < 0.3:
        return mutator.garbled(json.dumps(message).encode()).replace(b"\n", b" ") or b" "
    return json.dumps(mutator.changed(message), default=bytes.hex).encode()


# --- clients that die, and strangers -------------------------------------------------------------------------


def test_a_client_that_dies_in_the_middle_of_anything(session: Session) -> None:
    ends = [b"", b"Content-Le", b"Content-Length: 100\r\n\r\n{", b'{"jsonrpc"']
    request = b'{"jsonrpc":"2.0","id":1,"method":"events","params":{"after":999999999,"timeout":60}}\n'
    request += b'{"jsonrpc":"2.0","method":"subscribe","params":{"from":1}}\n'
    for end in [*ends, request]:
        with rpc.process("rpc", "--stdio", env=environment(session)) as serving:
            assert serving.stdin is not None and serving.stdout is not None
            serving.stdin.write(end)
            serving.stdin.flush()
            serving.stdout.close()  # it reads nothing more, and then its input ends, too
    assert session.run("6 * 7").result == "42"


def test_a_bridge_that_is_killed_costs_nothing(session: Session) -> None:
    with rpc.process("rpc", "--stdio", env=environment(session)) as serving:
        talk = rpc.over(serving)
        cell = talk.ask("execute", code="import time\nprint('works', flush=True)\nkept = 'after all'")["cell"]
        serving.send_signal(signal.SIGKILL)
        talk.wait_end()
    assert session.wait(cell, SECONDS).status == "ok"


def test_the_end_of_the_session_is_told() -> None:
    with started("ends") as session, rpc.on_stdio(session) as talk:
        talk.ask("initialize", subscribe=1)
        session.kill()
        assert talk.wait(lambda message: message.get("method") == "ended")["params"]["kind"] == "SessionStopped"
        with pytest.raises(RpcError):
            talk.ask("execute", code="1")


def test_a_socket_lets_in_who_knows_the_token(session: Session) -> None:
    with rpc.served(session) as path:
        assert Path(path).parent.stat().st_mode & 0o777 == 0o700 and Path(path).stat().st_mode & 0o077 == 0
        with rpc.on_socket(path, session) as talk:
            assert talk.ask("status")["name"] == "rpc"
            for given in ({}, {"token": "00" * 32}, {"token": "é\ud800"}, {"token": 7}):
                refused(path, "initialize", given)
            refused(path, "status", {"token": rpc.token(session)})
            again = subprocess.run(rpc.command("rpc", "--socket"), env=environment(session), capture_output=True)
            assert again.returncode == 1 and b"served already" in again.stderr
            assert talk.ask("status")["name"] == "rpc"
    assert not Path(path).exists()


def refused(path: str, method: str, params: Object) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(path)
        with sock.makefile("rb") as stream:
            talk = Rpc(sock.sendall, stream)
            with pytest.raises(RpcError) as raised:
                talk.ask(method, **params)
            assert raised.value.kind == "AuthenticationFailed" and ".token" in raised.value.message
            talk.wait_end()


def test_a_socket_that_others_could_reach_is_not_made(session: Session, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    found = subprocess.run(
        rpc.command("rpc", "--socket", str(tmp_path / "s")), env=environment(session), capture_output=True, text=True
    )
    assert found.returncode == 1 and "chmod 700" in found.stderr
