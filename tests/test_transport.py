"""Attack the transport: whatever a peer sends, this side survives, says so with one of our errors, and serves others.

Runs in: tests. PYSHELL_FUZZ_SECONDS says how long it is fuzzed.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import rpyc
from rpyc.core import brine, consts
from rpyc.core.channel import Channel
from rpyc.core.stream import SocketStream

from pyshell import Session, errors, handshake, protocol, transport
from pyshell.bridges.objects import from_object
from pyshell.errors import (
    CallTimeout,
    ConnectionLost,
    ProtocolError,
    PyshellError,
    RemoteError,
    TransportError,
    WorkerBusy,
)
from pyshell.plain import MAX_FRAME
from pyshell.protocol import Code, Nothing, Notice, Operation
from pyshell.transport import Link
from tests import fuzzing
from tests.sessions import becomes_true, host_of, started

PATIENCE = 20.0
OPERATIONS = {
    "echo": Operation(Code, Code, "Give it back."),
    "fail": Operation(Notice, Nothing, "Raise what is named."),
    "lie": Operation(Nothing, Nothing, "Answer with another class."),
    "wait": Operation(Nothing, Nothing, "Answer when told to."),
}
REQUEST, REPLY, EXCEPTION = consts.MSG_REQUEST, consts.MSG_REPLY, consts.MSG_EXCEPTION
HEADER = Channel.FRAME_HEADER


class Unprintable(Exception):
    def __str__(self) -> str:
        raise SystemExit(3)


RAISED: dict[str, Callable[[], BaseException]] = {
    "ValueError": lambda: ValueError("wrong"),
    "WorkerBusy": lambda: WorkerBusy("busy"),
    "SystemExit": lambda: SystemExit(3),
    "KeyboardInterrupt": lambda: KeyboardInterrupt(),
    "GeneratorExit": lambda: GeneratorExit(),
    "StopIteration": lambda: StopIteration(1),
    "CallTimeout": lambda: CallTimeout("mine, not yours"),
    "TimeoutError": lambda: TimeoutError("of another call"),
    "surrogate": lambda: ValueError("\udc80" * 10),
    "long": lambda: ValueError("x" * 20_000_000),
    "Unprintable": lambda: Unprintable(),
}


class Answerer:
    """A Link that answers OPERATIONS, and its thread."""

    def __init__(self, sock: socket.socket) -> None:
        self.go_on = threading.Event()
        answers: dict[str, Any] = {"echo": lambda r: r, "fail": self._fail, "wait": self._wait}
        answers["lie"] = lambda _: Notice("")
        self.link = Link(sock, operations=OPERATIONS, answers=answers)
        self.thread = self.link.start("answerer")

    def _fail(self, request: Notice) -> Nothing:
        raise RAISED[request.text]()

    def _wait(self, _request: Nothing) -> Nothing:
        assert self.go_on.wait(PATIENCE)
        return Nothing()

    def close(self) -> None:
        self.go_on.set()
        self.link.close()
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()


class Peer:
    """Whatever may be at the other end: it writes bytes, not messages."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.settimeout(PATIENCE)

    def send(self, data: bytes, compressed: int = 0) -> None:
        self.sock.sendall(HEADER.pack(len(data), compressed) + data + b"\n")

    def message(self, kind: int, *parts: Any) -> None:
        self.send(bytes([kind]) + brine.dump(parts))

    def request(self, value: Any, label: int = consts.LABEL_VALUE, handler: Any = 100) -> tuple[int, Any]:
        """Send a request; what comes back."""
        self.message(REQUEST, 7, (handler, (label, value)))
        return self.receive()

    def receive(self) -> tuple[int, Any]:
        length, compressed = HEADER.unpack(self._read(HEADER.size))
        assert not compressed
        data = self._read(length + 1)[:-1]
        return data[0], brine.load(data[1:])

    def at_end(self) -> bool:
        """Wait until the other side hangs up; False if it says something instead."""
        try:
            return self.sock.recv(1) == b""
        except ConnectionResetError:
            return True

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self.sock.recv(size - len(data))
            if not part:
                raise EOFError
            data += part
        return data


@pytest.fixture
def closing() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def attacker(closing: contextlib.ExitStack) -> Iterator[Peer]:
    """A peer of an answering link. At the end that link's process still serves a second, honest peer."""
    ours, theirs = socket.socketpair()
    second = socket.socketpair()
    peer = Peer(theirs)
    closing.callback(theirs.close)
    closing.callback(Answerer(ours).close)
    closing.callback(Answerer(second[0]).close)
    honest = Link(second[1], asks=OPERATIONS)
    closing.callback(honest.start("honest").join, PATIENCE)
    closing.callback(honest.close)
    yield peer
    assert honest.call("echo", Code("1", 0)) == Code("1", 0)


@pytest.fixture
def victim(closing: contextlib.ExitStack) -> tuple[Link, Peer]:
    """A link that asks, and whoever should answer it."""
    ours, theirs = socket.socketpair()
    closing.callback(theirs.close)
    link = Link(ours, asks=OPERATIONS)
    closing.callback(link.start("victim").join, PATIENCE)
    closing.callback(link.close)
    return link, Peer(theirs)


@pytest.fixture
def honest(closing: contextlib.ExitStack) -> tuple[Link, Answerer]:
    """Both ends, as they should be."""
    ours, theirs = socket.socketpair()
    answerer = Answerer(theirs)
    closing.callback(answerer.close)
    link = Link(ours, asks=OPERATIONS)
    closing.callback(link.start("asker").join, PATIENCE)
    closing.callback(link.close)
    return link, answerer


class FakeText(str):
    pass


def nested(depth: int) -> Any:
    value: Any = ()
    for _ in range(depth):
        value = (value,)
    return value


# --- requests by a hostile peer ------------------------------------------------------------------------


def test_every_handler_of_rpyc_but_ping_and_close_is_refused(attacker: Peer) -> None:
    names = {name for name in vars(consts) if name.startswith("HANDLE_")} - {"HANDLE_PING", "HANDLE_CLOSE"}
    assert len(names) > 10
    for name in names:
        kind, answer = attacker.request((1, 2, 3), handler=getattr(consts, name))
        assert (kind, answer[0]) == (EXCEPTION, 7), name
    assert attacker.request(("data",), handler=consts.HANDLE_PING) == (REPLY, (7, (consts.LABEL_VALUE, "data")))


def test_references_are_refused(attacker: Peer) -> None:
    pack = ("builtins.str", 1, 2)
    for label in (consts.LABEL_TUPLE, consts.LABEL_LOCAL_REF, consts.LABEL_REMOTE_REF, 99, "x", None, (1,)):
        kind, (_, (error, _)) = attacker.request(pack, label=label)  # type: ignore[arg-type]
        assert (kind, error) == (EXCEPTION, "ProtocolError")


WIRE = protocol.to_wire(Code("x", 1))
WRONG_REQUESTS: dict[str, Any] = {
    "unknown operation": ("getattr", WIRE),
    "no text": (b"echo", WIRE),
    "unhashable name": (slice(1), WIRE),
    "a set": (frozenset(["echo"]), WIRE),
    "no message": ("echo", 1),
    "empty": ("echo", ()),
    "unknown tag": ("echo", ("system", "rm")),
    "other class": ("echo", ("nothing",)),
    "too few": ("echo", WIRE[:-1]),
    "too many": ("echo", (*WIRE, 1)),
    "bool for int": ("echo", ("code", "x", True, 0)),
    "float for int": ("echo", ("code", "x", 1.0, 0)),
    "bytes for text": ("echo", ("code", b"x", 1, 0)),
    "ellipsis": ("echo", ("code", ..., 1, 0)),
    "complex": ("echo", ("code", 1j, 1, 0)),
    "a huge int": ("echo", ("code", "x", 1 << 5000, 0)),
    "a deep tuple": ("echo", ("code", nested(60), 1, 0)),
    "no arguments": (),
    "one argument": ("echo",),
    "three arguments": ("echo", WIRE, WIRE),
}


@pytest.mark.parametrize("name", WRONG_REQUESTS)
def test_a_wrong_request_is_answered_with_an_error(attacker: Peer, name: str) -> None:
    kind, (number, (error, _)) = attacker.request(WRONG_REQUESTS[name])
    assert (kind, number) == (EXCEPTION, 7)
    assert error in ("ProtocolError", "TypeError", "ValueError")
    assert attacker.request(("echo", WIRE)) == (REPLY, (7, (consts.LABEL_VALUE, WIRE)))


def frame(data: bytes) -> bytes:
    return HEADER.pack(len(data), 0) + data + b"\n"


def request(tail: bytes) -> bytes:
    return frame(bytes([REQUEST]) + tail)


BOMB = zlib.compress(b"\0" * 50_000_000)
GARBAGE = {
    "text": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 100,
    "zeros": b"\0" * 1000,
    "ones": b"\xff" * 1000,
    "an empty frame": HEADER.pack(0, 0) + b"\n" + HEADER.pack(1 << 30, 0),
    "4 GiB": HEADER.pack(0xFFFFFFFF, 0),
    "just over the limit": HEADER.pack(MAX_FRAME + 2000, 0),
    "compressed": HEADER.pack(len(BOMB), 1) + BOMB + b"\n",
    "unknown kind": frame(b"\x09" + brine.dump((1, 2))),
    "no brine": request(b"\xff\xff\xff"),
    "a truncated tuple": request(brine.TAG_TUP_L4 + struct.pack("!L", 0xFFFFFFFF)),
    "not utf-8": request(brine.TAG_TUP2 + b"\x50" + brine.TAG_UNICODE + brine.TAG_STR2 + b"\xff\xfe"),
    "an int of a million digits": request(
        brine.TAG_TUP2 + b"\x50" + brine.TAG_INT_L4 + struct.pack("!L", 10**6) + b"9" * 10**6
    ),
    "nesting": request(brine.TAG_TUP1 * 1_000_000),
    "no pair": request(brine.dump(1)),
    "a reply to nothing, a reference": frame(bytes([REPLY]) + brine.dump((1, (consts.LABEL_REMOTE_REF, ("a", 1, 2))))),
    "an error to nothing": frame(bytes([EXCEPTION]) + brine.dump((1, 2))),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_ends_the_connection(attacker: Peer, name: str) -> None:
    with contextlib.suppress(ConnectionError):  # it may hang up before it has read everything
        attacker.sock.sendall(GARBAGE[name])
    assert attacker.at_end()


@pytest.mark.parametrize("size", [0, 1, 4, 5, 20])
def test_a_truncated_frame_is_no_more_than_an_end(attacker: Peer, size: int) -> None:
    whole = request(brine.dump((7, (100, (1, ("echo", WIRE))))))
    attacker.sock.sendall(whole[:size])
    attacker.sock.shutdown(socket.SHUT_WR)
    assert attacker.at_end()


def test_a_tuple_of_millions_costs_the_connection_nothing_else(attacker: Peer) -> None:
    count = 1_000_000
    many = brine.TAG_TUP_L4 + struct.pack("!L", count) + brine.TAG_EMPTY_TUPLE * count
    head = brine.TAG_TUP2 + b"\x57" + brine.TAG_TUP2 + brine.dump(100) + brine.TAG_TUP2 + b"\x51"
    attacker.send(bytes([REQUEST]) + head + many)
    kind, (number, (error, message)) = attacker.receive()
    assert (kind, number, error) == (EXCEPTION, 7, "ProtocolError") and "limit" in message


def test_a_stock_rpyc_peer_gets_nothing(closing: contextlib.ExitStack) -> None:
    ours, theirs = socket.socketpair()
    closing.callback(Answerer(ours).close)
    stock = rpyc.connect_stream(SocketStream(theirs), config={"sync_request_timeout": PATIENCE})
    closing.callback(stock.close)
    for attempt in (lambda: stock.root, lambda: stock.sync_request(consts.HANDLE_DIR, object())):
        with pytest.raises(BaseException) as caught:
            attempt()
        assert not isinstance(caught.value, (TimeoutError, SystemExit))
    assert stock.sync_request(100, "echo", WIRE) == WIRE
    with pytest.raises(BaseException) as caught:
        stock.sync_request(100, "echo", [1])  # goes out as a reference
    assert not isinstance(caught.value, (TimeoutError, SystemExit))


@pytest.mark.parametrize("name", RAISED)
def test_whatever_an_answer_raises_reaches_the_caller_only(honest: tuple[Link, Answerer], name: str) -> None:
    link, _ = honest
    with pytest.raises(PyshellError) as caught:
        link.call("fail", Notice(name), PATIENCE)
    expected = {"WorkerBusy": WorkerBusy, "CallTimeout": CallTimeout}.get(name, RemoteError)
    assert type(caught.value) is expected
    if name == "CallTimeout":
        assert str(caught.value) == "mine, not yours"
    if isinstance(caught.value, RemoteError) and name not in ("surrogate", "long"):
        assert caught.value.kind == name
    assert len(str(caught.value)) < 5000
    assert link.call("echo", Code("still there", 0)).code == "still there"


def test_an_answer_of_the_wrong_class_is_an_error(honest: tuple[Link, Answerer]) -> None:
    with pytest.raises(RemoteError, match="must answer"):
        honest[0].call("lie", Nothing())


def test_unknown_operations_and_wrong_requests_are_refused_before_they_are_sent(honest: tuple[Link, Answerer]) -> None:
    with pytest.raises(KeyError):
        honest[0].call("system", Nothing())
    with pytest.raises(TypeError):
        honest[0].call("echo", Nothing())
    with pytest.raises(ProtocolError):
        honest[0].call("echo", Code("x" * (9 << 20), 0))
    with pytest.raises(ProtocolError):
        honest[0].call("echo", Code(FakeText("x"), 0))
    assert not honest[0]._pending


def test_answers_must_cover_the_operations() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(TypeError):
        Link(ours, operations=OPERATIONS, answers={})


# --- answers by a hostile peer ---------------------------------------------------------------------------


def ask(link: Link) -> Any:
    return link.submit("echo", Code("x", 0))


REPLIES: dict[str, tuple[int, Any, tuple[type[Exception], ...]]] = {
    "another class": (REPLY, (1, ("nothing",)), (ProtocolError,)),
    "no message": (REPLY, (1, 5), (ProtocolError,)),
    "a forged field": (REPLY, (1, ("code", b"x", 1, 0)), (ProtocolError,)),
    "a netref": (REPLY, (consts.LABEL_REMOTE_REF, ("builtins.str", 1, 2)), (ConnectionLost,)),
    "a local reference": (REPLY, (consts.LABEL_LOCAL_REF, ("builtins.str", 1, 2)), (ConnectionLost,)),
    "a tuple of references": (REPLY, (consts.LABEL_TUPLE, ((3, ("a", 1, 2)),)), (ConnectionLost,)),
    "no package": (REPLY, 5, (ConnectionLost,)),
    "a huge int": (REPLY, (1, ("code", "x", 1 << 5000, 0)), (ConnectionLost,)),
    "a deep tuple": (REPLY, (1, nested(50)), (ConnectionLost,)),
    "an exit": (EXCEPTION, ("SystemExit", "1"), (RemoteError,)),
    "an interrupt": (EXCEPTION, ("KeyboardInterrupt", ""), (RemoteError,)),
    "an error of ours": (EXCEPTION, ("WorkerBusy", "x"), (WorkerBusy,)),
    "a dunder": (EXCEPTION, ("__class__", "x"), (RemoteError,)),
    "an error of stock RPyC": (EXCEPTION, (("builtins", "SystemExit"), (1,), (), "tb"), (ConnectionLost,)),
    "an error of numbers": (EXCEPTION, (1, 2), (ProtocolError,)),
    "a long error": (EXCEPTION, ("x" * 1_000_000, "y" * 1_000_000), (RemoteError,)),
}


@pytest.mark.parametrize("name", REPLIES)
def test_a_wrong_reply_is_one_of_our_errors(victim: tuple[Link, Peer], name: str) -> None:
    link, peer = victim
    future = ask(link)
    peer.receive()
    kind, answer, expected = REPLIES[name]
    peer.message(kind, 0, answer)
    with pytest.raises(expected):
        future.result(PATIENCE)


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_fails_all_calls_at_once(victim: tuple[Link, Peer], name: str) -> None:
    link, peer = victim
    futures = [ask(link) for _ in range(5)]
    with contextlib.suppress(ConnectionError):
        peer.sock.sendall(GARBAGE[name])
    for future in futures:
        with pytest.raises(ConnectionLost):
            future.result(PATIENCE)
    with pytest.raises(ConnectionLost):
        link.call("echo", Code("x", 0))
    assert link.lost


def test_replies_to_nobody_and_twice_are_ignored(victim: tuple[Link, Peer]) -> None:
    link, peer = victim
    for seq in (5, -1, 1 << 70, "x", None, 0):
        peer.message(REPLY, seq, (1, WIRE))
    future = ask(link)
    _, (seq, _) = peer.receive()
    peer.message(REPLY, seq, (1, WIRE))
    peer.message(REPLY, seq, (1, WIRE))
    assert future.result(PATIENCE) == Code("x", 1)
    second = ask(link)
    _, (seq, _) = peer.receive()
    peer.message(REPLY, seq, (1, WIRE))
    assert second.result(PATIENCE) == Code("x", 1)


def test_a_peer_that_is_asked_cannot_ask(victim: tuple[Link, Peer]) -> None:
    kind, (_, (error, _)) = victim[1].request(("echo", WIRE))
    assert (kind, error) == (EXCEPTION, "ProtocolError")


# --- peers that stop, die, or do not read ------------------------------------------------------------------


@contextlib.contextmanager
def peer_process() -> Iterator[tuple[Link, int]]:
    """A link to another process that answers OPERATIONS; killed at the end."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        try:
            ours.close()
            Link(
                theirs,
                operations={"echo": OPERATIONS["echo"], "wait": OPERATIONS["wait"]},
                answers={"echo": lambda r: r, "wait": lambda _: threading.Event().wait() and Nothing()},
            ).serve()
        finally:
            os._exit(0)
    theirs.close()
    link = Link(ours, asks=OPERATIONS)
    thread = link.start("asker")
    try:
        yield link, pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        link.close()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_when_the_peer_dies_all_pending_calls_fail() -> None:
    with peer_process() as (link, pid):
        assert link.call("echo", Code("x", 0)) == Code("x", 0)
        pending = [link.submit("wait", Nothing())] + [ask(link) for _ in range(20)]
        os.kill(pid, signal.SIGKILL)
        for future in pending:
            with pytest.raises(ConnectionLost):
                future.result(PATIENCE)
        with pytest.raises(ConnectionLost):
            link.call("echo", Code("x", 0))


def test_a_stopped_peer_times_out_and_may_go_on() -> None:
    with peer_process() as (link, pid):
        assert link.call("echo", Code("x", 0)) == Code("x", 0)
        os.kill(pid, signal.SIGSTOP)
        os.waitpid(pid, os.WUNTRACED)
        late = ask(link)
        with pytest.raises(CallTimeout):
            link.call("echo", Code("x", 0), timeout=0.05)
        os.kill(pid, signal.SIGCONT)
        assert late.result(PATIENCE) == Code("x", 0)
        assert link.call("echo", Code("y", 0), PATIENCE) == Code("y", 0)


def test_asking_a_stopped_peer_never_blocks_and_is_bounded() -> None:
    with peer_process() as (link, pid):
        assert link.call("echo", Code("x", 0)) == Code("x", 0)
        os.kill(pid, signal.SIGSTOP)
        os.waitpid(pid, os.WUNTRACED)
        large = Code("x" * 2_000_000, 0)
        futures = [link.submit("echo", large)]
        with pytest.raises(CallTimeout, match="does not answer"):
            while True:
                futures.append(ask(link))
        assert len(futures) == transport.MAX_UNANSWERED
        with pytest.raises(CallTimeout):
            link.call("echo", Code("x", 0), timeout=0.05)
        os.kill(pid, signal.SIGCONT)
        assert futures[0].result(PATIENCE) == large
        assert all(future.result(PATIENCE) == Code("x", 0) for future in futures[1:])
        assert link.call("echo", Code("y", 0), PATIENCE) == Code("y", 0)


def test_calls_to_a_stopped_peer_that_is_killed_fail() -> None:
    with peer_process() as (link, pid):
        os.kill(pid, signal.SIGSTOP)
        os.waitpid(pid, os.WUNTRACED)
        futures = [link.submit("echo", Code("x" * 1_000_000, 0)) for _ in range(5)]
        os.kill(pid, signal.SIGKILL)
        for future in futures:
            with pytest.raises(ConnectionLost):
                future.result(PATIENCE)


def test_closing_a_link_ends_calls_to_a_stopped_peer() -> None:
    with peer_process() as (link, pid):
        os.kill(pid, signal.SIGSTOP)
        os.waitpid(pid, os.WUNTRACED)
        futures = [link.submit("echo", Code("x" * 1_000_000, 0)) for _ in range(3)]
        link.close()
        link.close()
        for future in futures:
            with pytest.raises(ConnectionLost):
                future.result(PATIENCE)


def test_a_peer_that_does_not_read_its_answers_waits_and_others_do_not(attacker: Peer) -> None:
    big = request(brine.dump((7, (100, (1, ("echo", protocol.to_wire(Code("x" * 500_000, 0))))))))
    attacker.sock.settimeout(0.2)
    with pytest.raises(TimeoutError):  # the answers fill the way back, then the requests theirs
        for _ in range(100):
            attacker.sock.sendall(big)


def test_calls_from_many_threads_get_their_own_answers(honest: tuple[Link, Answerer]) -> None:
    link, _ = honest
    wrong: list[object] = []

    def work(number: int) -> None:
        for turn in range(50):
            question = Code(f"{number} {turn}" + "x" * (number * 3000), turn)
            if link.call("echo", question, PATIENCE) != question:
                wrong.append((number, turn))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_nothing_is_left_of_a_connection() -> None:
    def once() -> None:
        ours, theirs = socket.socketpair()
        answerer = Answerer(theirs)
        link = Link(ours, asks=OPERATIONS)
        thread = link.start("asker")
        assert link.call("echo", Code("x", 0)) == Code("x", 0)
        link.close()
        thread.join(PATIENCE)
        answerer.thread.join(PATIENCE)

    once()
    gc.collect()
    # By name: what other tests have left may go in the meantime.
    descriptors, threads = set(os.listdir("/proc/self/fd")), set(threading.enumerate())
    for _ in range(20):
        once()
    assert (set(os.listdir("/proc/self/fd")) - descriptors, set(threading.enumerate()) - threads) == (set(), set())


# --- fork ------------------------------------------------------------------------------------------------


def test_a_forked_child_lets_go_of_its_parents_connections(honest: tuple[Link, Answerer]) -> None:
    link, answerer = honest
    read, write = os.pipe()
    stay, leave = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(leave)
            try:
                link.call("echo", Code("x", 0), 5.0)
                said = "answered"
            except TransportError as exc:
                said = type(exc).__name__
            link.close()
            os.write(write, said.encode())
            os.read(stay, 1)  # stay until the parent has seen that the end does not wait for us
        finally:
            os._exit(0)
    assert os.read(read, 100) == b"ConnectionLost"
    assert link.call("echo", Code("x", 0), PATIENCE) == Code("x", 0)
    link.close()
    answerer.thread.join(PATIENCE)
    assert not answerer.thread.is_alive()
    os.close(leave)
    assert os.waitpid(pid, 0)[1] == 0
    for fd in (read, write, stay):
        os.close(fd)


def test_the_tables_are_not_empty() -> None:
    assert all((RAISED, WRONG_REQUESTS, GARBAGE, REPLIES))
    assert errors.from_remote("SystemExit", "1").__class__ is RemoteError


# --- what was said, with changes ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def spoken() -> Iterator[tuple[Session, list[bytes], list[bytes]]]:
    """A session, and the frames of a conversation with it: from the client and from the host."""
    with started("frames") as session:
        session.run("table = {'a': [1, (2, 3)]}", PATIENCE)
        with fuzzing.recorded(session) as (client, tape):
            for name, params in fuzzing.TOUR:
                with contextlib.suppress(PyshellError):  # there may be no such cell or checkpoint
                    client.submit(name, from_object(protocol.HOST_OPERATIONS[name].request, params)).result(PATIENCE)
        hello = handshake._HELLO.size
        asked = [frame for said in tape.sent for frame in frames_of(said[hello:])]
        told = [frame for said in tape.received for frame in frames_of(said[hello + 1 :])]
        assert len(asked) > 20 and len(told) > 20
        yield session, asked, told


def frames_of(said: bytes) -> list[bytes]:
    """The frames in a recording, without their heads."""
    found = []
    while said:
        length, _ = HEADER.unpack(said[: HEADER.size])
        found.append(bytes(said[HEADER.size : HEADER.size + length]))
        said = said[HEADER.size + length + 1 :]
    return found


def changed(mutator: fuzzing.Mutator, recorded: list[bytes]) -> bytes:
    """One of the frames with changes: of its values, of its bytes, or of what it says of its length."""
    data = mutator.random.choice(recorded)
    way = mutator.random.random()
    if way < 0.6:
        with contextlib.suppress(Exception):  # what the encoder refuses is no value of RPyC's
            return frame(data[:1] + brine.dump(mutator.changed(brine.load(data[1:]))))
    if way < 0.9:
        return frame(data[:1] + mutator.garbled(data[1:]))
    return mutator.garbled(frame(data))


@pytest.mark.timeout(fuzzing.SECONDS + 120)
def test_frames_with_changes(spoken: tuple[Session, list[bytes], list[bytes]]) -> None:
    """For a minute: half of it a host gets them from its client, half of it a client from its host."""
    session, asked, told = spoken
    before = costs(session)
    for seed in fuzzing.rounds(fuzzing.SECONDS / 2):
        attack_host(session, fuzzing.Mutator(seed, [brine.load(data[1:]) for data in asked]), asked)
    # A spare worker may have come in the meantime; of thousands of connections nothing must stay.
    assert becomes_true(lambda: all(now <= then + 20 for now, then in zip(costs(session), before, strict=True)))
    assert "Traceback" not in session.paths.log.read_text()
    assert session.run("6 * 7", PATIENCE).result == "42"
    failed: list[Any] = []
    with contextlib.ExitStack() as stack:
        stack.enter_context(pytest.MonkeyPatch.context()).setattr(threading, "excepthook", failed.append)
        for seed in fuzzing.rounds(fuzzing.SECONDS / 2):
            attack_client(fuzzing.Mutator(seed, [brine.load(data[1:]) for data in told]), told)
    assert not failed


def costs(session: Session) -> tuple[int, int]:
    """The host's file descriptors and threads."""
    pid = host_of(session)
    return len(os.listdir(f"/proc/{pid}/fd")), len(os.listdir(f"/proc/{pid}/task"))


def attack_host(session: Session, mutator: fuzzing.Mutator, asked: list[bytes]) -> None:
    """The host answers what it can, hangs up, and has time for others."""
    with handshake.dial(session.paths.socket, session.paths.token) as sock:
        peer = Peer(sock)
        with contextlib.suppress(ConnectionError):  # it may hang up at the first of them
            for _ in range(10):
                sock.sendall(changed(mutator, asked))
            sock.shutdown(socket.SHUT_WR)
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                kind, (_number, _answer) = peer.receive()
                assert kind in (REPLY, EXCEPTION)
    assert session.status().name == session.name


def attack_client(mutator: fuzzing.Mutator, told: list[bytes]) -> None:
    """Whatever the host says, who has asked gets an answer or one of our errors."""
    ours, theirs = socket.socketpair()
    link = Link(ours, asks=protocol.HOST_OPERATIONS)
    serving = link.start("victim")
    futures = [link.submit(name, from_object(protocol.HOST_OPERATIONS[name].request, p)) for name, p in fuzzing.TOUR]
    with theirs, contextlib.suppress(ConnectionError):
        for _ in range(10):
            theirs.sendall(changed(mutator, told))
    for future in futures:
        error = future.exception(PATIENCE)
        assert error is None or isinstance(error, PyshellError), error
    serving.join(PATIENCE)
    assert not serving.is_alive() and link.lost
