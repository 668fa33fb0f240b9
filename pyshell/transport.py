"""Carry messages between two processes over RPyC, and nothing but plain values.

Runs in: every process (Python 3.10 and newer). The only importer of rpyc.

RPyC brings framing, request numbers and the reply machinery. What it offers beyond that is refused:
there are no netrefs in either direction, one request handler beside ping and close, no compression
(a 400 kB frame could grow to 300 MB), and a cap on frame size, depth and integers. Both sides check
both directions, because either process may be the one that has gone wrong.
"""

from __future__ import annotations

import os
import socket
import threading
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, NamedTuple

from pyshell import errors, lean, protocol
from pyshell.errors import CallTimeout, ConnectionLost, ProtocolError
from pyshell.plain import MAX_FRAME, Strange, decode, encode, name_of, plain
from pyshell.protocol import Message, Operation

lean.bare("rpyc")
from rpyc.core import brine, consts  # noqa: E402
from rpyc.core.channel import Channel  # noqa: E402
from rpyc.core.protocol import Connection  # noqa: E402
from rpyc.core.service import VoidService  # noqa: E402
from rpyc.core.stream import SocketStream  # noqa: E402

MAX_UNANSWERED = 1000
"""Calls that may wait for a peer that does not answer; it bounds the memory that they take."""
MAX_DECODES = 1000
READ_SIZE = 1 << 16
_HANDLE_INVOKE = 100  # RPyC's own handlers end at 20

Answer = Callable[[Any], Message]
"""Takes an operation's request and returns its reply."""


# --- the strict connection --------------------------------------------------------------------------


class _StrictChannel(Channel):  # type: ignore[misc]
    """Frames with a bound, never compressed.

    Who asks is never made to wait by a peer that does not read (stopped, or busy in C code): what the
    socket does not take at once goes out by a thread. Who answers does wait, and reads no further
    requests meanwhile.
    """

    __slots__ = ("_backlog", "_lock", "_received", "_waits")

    def __init__(self, sock: socket.socket, waits: bool) -> None:
        super().__init__(SocketStream(sock), compress=False)
        self._waits = waits
        self._lock = threading.Lock()
        self._backlog: deque[bytes] = deque()
        self._received = bytearray()

    def recv(self) -> bytes:
        length, compressed = self.FRAME_HEADER.unpack(self._take(self.FRAME_HEADER.size))
        if compressed or not 0 < length <= MAX_FRAME + 1024:
            raise EOFError("a compressed, empty or oversized frame was refused")
        return self._take(length + 1)[:-1]

    def _take(self, size: int) -> bytes:
        """Most frames come with one system call: after each the interpreter's lock is waited for."""
        while len(self._received) < size:
            piece = self.stream.sock.recv(READ_SIZE)
            if not piece:
                raise EOFError("the other process has closed the connection")
            self._received += piece
        taken = bytes(self._received[:size])
        del self._received[:size]
        return taken

    def send(self, data: bytes) -> None:
        frame = self.FRAME_HEADER.pack(len(data), 0) + data + self.FLUSHER
        try:
            if self._waits:
                self.stream.sock.sendall(frame)
            else:
                self._send_or_queue(frame)
        except OSError as exc:
            self.hang_up()
            raise EOFError(exc) from None
        except BaseException:  # an interrupt in between: half a frame may be out
            self.hang_up()
            raise

    def _send_or_queue(self, frame: bytes) -> None:
        with self._lock:
            if not self._backlog:
                frame = frame[self._send_now(frame) :]
            if not frame:
                return
            self._backlog.append(frame)
            is_first = len(self._backlog) == 1
        if is_first:
            threading.Thread(target=self._send_backlog, name="pyshell-backlog", daemon=True).start()

    def _send_now(self, frame: bytes) -> int:
        sent = 0
        while sent < len(frame):
            try:
                sent += self.stream.sock.send(frame[sent:], socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
        return sent

    def _send_backlog(self) -> None:
        try:
            while True:
                self.stream.sock.sendall(self._backlog[0])
                with self._lock:
                    self._backlog.popleft()
                    if not self._backlog:
                        return
        except (OSError, EOFError):
            self.hang_up()  # the reader notices and tells those who wait

    def hang_up(self) -> None:
        """Wake whoever reads; the reader closes the descriptor, so that its number is not reused under it."""
        try:
            self.stream.sock.shutdown(socket.SHUT_RDWR)
        except (OSError, EOFError, AttributeError):
            return  # closed already, on this side or the other

    def abandon(self) -> None:
        """Let go of the socket in a forked child without ending the parent's connection."""
        try:
            os.close(self.stream.sock.detach())
        except (OSError, EOFError, AttributeError):
            return  # closed before the fork


class _StrictConnection(Connection):  # type: ignore[misc]
    """RPyC with one kind of request: invoke a named operation with a plain value."""

    def __init__(self, sock: socket.socket, invoke: Callable[[object, object], object], answers: bool) -> None:
        self._invoke = invoke
        super().__init__(VoidService(), _StrictChannel(sock, waits=answers), _CONFIG)

    @classmethod
    def _request_handlers(cls) -> dict[int, Callable[..., object]]:
        return {
            consts.HANDLE_PING: cls._handle_ping,
            consts.HANDLE_CLOSE: cls._handle_close,
            _HANDLE_INVOKE: cls._handle_invoke,
        }

    def serve_all(self) -> None:
        """Take frames until the connection ends, on one thread. RPyC's own asks before each whether there is one."""
        while True:
            self._dispatch(self._channel.recv())

    def _dispatch(self, data: bytes) -> None:
        # As RPyC's own, but for how it is decoded, and without a lock.
        kind, (seq, args) = data[0], _decoded(data[1:], is_request=data[0] == consts.MSG_REQUEST)
        if kind == consts.MSG_REQUEST:
            self._dispatch_request(seq, args)
        elif kind == consts.MSG_REPLY:
            self._seq_request_callback(kind, seq, False, self._unbox(args))
        elif kind == consts.MSG_EXCEPTION:
            self._seq_request_callback(kind, seq, True, self._unbox_exc(args))
        else:
            raise ProtocolError(f"a frame of the unknown kind {kind}")

    def _handle_invoke(self, name: object, request: object) -> object:
        # Here an error becomes a reply: one in _box would close the connection.
        return _Encoded(encode(self._invoke(name, request)))

    def _handle_close(self) -> None:
        self._channel.hang_up()

    def _box(self, obj: object) -> tuple[int, object]:
        # Nothing comes here that was not made plain: a request by Link.submit, a reply above, a ping when it came in.
        return consts.LABEL_VALUE, obj

    def _unbox(self, package: Any) -> object:
        is_plain = type(package) is not _Unchecked
        label, value = package if is_plain else package.value
        if label != consts.LABEL_VALUE:
            raise ProtocolError(f"a reference (label {label!r}) was refused")
        return value if is_plain else plain(value)

    def _box_exc(self, typ: type[BaseException], value: BaseException, _tb: object) -> tuple[str, str]:
        try:
            text = str.__str__(str(value))[:4000]
        except BaseException:  # an exception's own __str__ may raise anything, and has to end here
            text = "<no message>"
        return name_of(typ), str(plain(text))

    def _unbox_exc(self, raw: Any) -> Exception:
        kind, message = raw.value if type(raw) is _Unchecked else raw
        if type(kind) is not str or type(message) is not str:
            return ProtocolError("an error that is not described in text")
        return errors.from_remote(kind[:200], message[:4000])

    @property
    def unanswered(self) -> int:
        """Requests without a reply, those included whose callers gave up waiting."""
        return len(self._request_callbacks)

    def close(self) -> None:
        """End the connection at once. RPyC's own close waits for the peer, up to 30 s for a busy one."""
        self._closed = True
        self._channel.hang_up()


class _Encoded(NamedTuple):
    """A value that is checked, as it goes on the wire."""

    data: bytes


# RPyC's encoder looks here, by the class, how it is done.
brine.register(brine._dump_registry, _Encoded)(lambda value, pieces: pieces.append(value.data))


class _Unchecked(NamedTuple):
    """What RPyC's own decoder has made."""

    value: Any


def _decoded(data: bytes, is_request: bool) -> Any:
    """A frame's number and content; of a request that is the handler's number and the package."""
    try:
        return decode(data)
    except Strange:
        number, content = _decoded_by_rpyc(data)
    if not is_request:
        return number, _Unchecked(content)
    return number, (content[0], *map(_Unchecked, content[1:])) if type(content) is tuple and content else content


def _decoded_by_rpyc(data: bytes) -> Any:
    """It makes its tuples from generators; see test_layers.py for what may happen to those."""
    for _ in range(MAX_DECODES):
        try:
            return brine.load(data)
        except SystemError:
            continue
    raise ProtocolError("a frame could not be decoded: the program looks at all objects all the time")


_CONFIG = {
    "allow_getattr": False,
    "allow_safe_attrs": False,
    "allow_exposed_attrs": False,
    "include_local_traceback": False,
    "include_local_version": False,
    "propagate_KeyboardInterrupt_locally": False,
    "bind_threads": False,
}


class Link:
    """One connection to another process: ask from any thread, answer on the thread in `serve`.

    `operations` and `answers` are what this side offers; `asks` is what the other side offers.
    A call whose peer dies fails with ConnectionLost at once.
    """

    def __init__(
        self,
        sock: socket.socket,
        *,
        asks: Mapping[str, Operation] | None = None,
        operations: Mapping[str, Operation] | None = None,
        answers: Mapping[str, Answer] | None = None,
    ) -> None:
        sock.settimeout(None)
        self._asks = asks or {}
        self._operations = operations or {}
        self._answers = answers or {}
        if set(self._answers) != set(self._operations):
            raise TypeError(f"answers missing or too many: {set(self._answers) ^ set(self._operations)}")
        self._pending: set[Future[Message]] = set()
        self._lock = threading.Lock()
        self._lost = ""
        self._connection = _StrictConnection(sock, self._answer, answers=bool(self._operations))
        _links.add(self)

    def call(self, name: str, request: Message, timeout: float | None = 30.0) -> Any:
        """Ask the other side and wait for its reply; raise what it raised, or a TransportError."""
        future = self.submit(name, request)
        try:
            return future.result(timeout)
        except FutureTimeout:
            if not self._forget(future) and future.done():
                raise  # the other side's own CallTimeout
            raise CallTimeout(f"{name!r} was not answered within {timeout} s") from None

    def submit(self, name: str, request: Message) -> Future[Any]:
        """Ask the other side; the future gets the reply or the error. Never waits for the other process."""
        operation = self._asks[name]
        if type(request) is not operation.request:
            raise TypeError(f"{name!r} takes {operation.request.__name__}, not {type(request).__name__}")
        wire = _Encoded(encode(protocol.to_wire(request)))
        future: Future[Message] = Future()
        if self._connection.unanswered >= MAX_UNANSWERED:
            raise CallTimeout(f"the other process does not answer; {MAX_UNANSWERED} calls are waiting")
        with self._lock:
            if self._lost:
                raise ConnectionLost(self._lost)
            self._pending.add(future)
        try:
            self._connection._async_request(
                _HANDLE_INVOKE, (name, wire), lambda bad, value: self._settle(future, operation, bad, value)
            )
        except (EOFError, OSError) as exc:
            self._forget(future)
            raise ConnectionLost(f"the other process is gone ({exc})") from None
        except BaseException:  # whatever it is, it goes on when this is tidied up
            self._forget(future)
            raise
        return future

    def serve(self) -> None:
        """Read until the connection ends: hand out replies, answer requests. Returns; never raises."""
        try:
            self._connection.serve_all()
        except Exception:  # whatever a hostile peer provokes here ends this connection and nothing else
            self.close()
        finally:
            self._lose()
            self._connection._channel.close()

    def start(self, name: str) -> threading.Thread:
        """Serve on a daemon thread of that name."""
        thread = threading.Thread(target=self.serve, name=name, daemon=True)
        thread.start()
        return thread

    def close(self) -> None:
        """Hang up; pending calls fail with ConnectionLost. Safe from any thread, any number of times."""
        self._connection.close()

    def abandon(self) -> None:
        """What happens in a forked child by itself: close its copy of the socket, leave the parent's alone."""
        self._lost = "the connection belongs to the process that this one was forked from"
        self._lock = threading.Lock()  # another thread of the parent may have held it
        self._connection._closed = True
        self._connection._channel.abandon()

    @property
    def lost(self) -> bool:
        return bool(self._lost)

    def _answer(self, name: object, wire: object) -> object:
        if type(name) is not str or name not in self._operations:
            raise ProtocolError(f"no operation {str(name)[:100]!r}")
        operation = self._operations[name]
        reply = self._answers[name](protocol.from_wire(wire, operation.request))
        if type(reply) is not operation.reply:
            raise TypeError(f"{name!r} must answer {operation.reply.__name__}")
        return protocol.to_wire(reply)

    def _settle(self, future: Future[Message], operation: Operation, bad: bool, value: object) -> None:
        if not self._forget(future):
            return  # its caller gave up waiting
        if bad:
            future.set_exception(value)  # type: ignore[arg-type]
            return
        try:
            future.set_result(protocol.from_wire(value, operation.reply))
        except ProtocolError as exc:
            future.set_exception(exc)

    def _forget(self, future: Future[Message]) -> bool:
        with self._lock:
            known = future in self._pending
            self._pending.discard(future)
        return known

    def _lose(self) -> None:
        with self._lock:
            self._lost = "the other process is gone"
            pending, self._pending = self._pending, set()
        for future in pending:
            future.set_exception(ConnectionLost("the other process went away before it answered"))


_links: weakref.WeakSet[Link] = weakref.WeakSet()


def _abandon_links() -> None:
    """A forked child that kept a socket open would hide its parent's death from the other side."""
    for link in list(_links):
        link.abandon()


os.register_at_fork(after_in_child=_abandon_links)
