"""JSON-RPC 2.0: one client's conversation with a session. docs/jsonrpc.md is its reference.

Runs in: clients (Python 3.11 and newer).

One thread reads and hands each request to the session without waiting; the answers are written by the threads that the
session's connections have, in whatever order they come.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, BinaryIO

from pyshell import __version__, protocol, syntax
from pyshell.bridges import admitting
from pyshell.bridges.faults import (
    CANCELLED,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    Fault,
    fault_of,
)
from pyshell.bridges.following import Following
from pyshell.bridges.framing import MAX_MESSAGE, Broken, Reader, TooLong, framed
from pyshell.bridges.objects import NotJson, from_object, parse, text, to_object
from pyshell.client import Session
from pyshell.errors import CallTimeout, ConnectionLost, ProtocolError, PyshellError
from pyshell.protocol import HOST_OPERATIONS, CheckedOut, Checkout, Code, Message, Nothing

MAX_UNANSWERED = 256
DRAIN_SECONDS = 10.0
"""How long what was asked may still be answered when the client has closed its side."""
OPERATIONS = {name: operation for name, operation in HOST_OPERATIONS.items() if name != "look_on"}
TRAVELS = ("undo", "redo", "restore")
METHODS = ("initialize", "subscribe", "shutdown", "exit", "$/cancelRequest", "is_complete", *TRAVELS, *OPERATIONS)
NOTIFICATIONS = ("event", "ended")

Params = dict[str, Any]
Answer = Callable[[object], None]
"""Takes the result or the exception that a request ends with."""


class Asked:
    """A request. It is answered by a call; a notification is not, not even with an error."""

    def __init__(self, number: object = None, answer: Answer | None = None) -> None:
        self.number = number
        self._answer = answer
        self.waits: Future[Any] | None = None
        """What nobody has to wait for any more when the client cancels this."""

    def __call__(self, outcome: object) -> None:
        if self._answer is not None:
            self._answer(outcome)


class Conversation:
    """Owner: the thread in `serve`."""

    def __init__(self, session: Session, stream: BinaryIO, send: Callable[[bytes], None], gate: admitting.Gate) -> None:
        self._session = session
        self._reader = Reader(stream)
        self._send = send
        self._gate = gate
        self._lock = threading.Lock()
        """Of what is written, and of what waits for an answer."""
        self._answered = threading.Condition(self._lock)
        self._unanswered: dict[bytes, Asked] = {}
        """By the text of their ids: 1 and 1.0 and true are equal in Python."""
        self._following: Following | None = None
        self._is_gone = False
        self._has_shut_down = False
        self._is_over = False

    def serve(self) -> int:
        """Until the client leaves; the exit status of who does nothing else."""
        try:
            while not self._is_over:
                try:
                    data = self._reader.read()
                except TooLong:
                    self._write_answer(None, Fault(INVALID_REQUEST, f"a message has up to {MAX_MESSAGE} bytes"))
                    continue
                if data is None:
                    return self._drain()
                self._take(data)
            return 0 if self._has_shut_down else 1
        except (Broken, OSError) as exc:
            self._write_answer(None, Fault(PARSE_ERROR, str(exc)))
            return 1
        finally:
            self._is_gone = True
            self._follow(None)
            self._session.close()

    def _drain(self) -> int:
        """What was asked is answered, also when the client has nothing more to say."""
        if self._answered.acquire(timeout=DRAIN_SECONDS):  # else it does not read what is written
            try:
                self._answered.wait_for(lambda: not self._unanswered or self._is_gone, DRAIN_SECONDS)
            finally:
                self._answered.release()
        return 0

    # --- what comes --------------------------------------------------------------------------------------

    def _take(self, data: bytes) -> None:
        try:
            message = parse(data)
        except NotJson as exc:
            self._write_answer(None, Fault(PARSE_ERROR, str(exc)))
            return
        try:
            method, params, asked = self._understood(message)
        except Fault as fault:
            self._write_answer(_id_of(message), fault)
            return
        try:
            if method:
                self._serve(method, params, asked)
        except (Fault, PyshellError, OSError) as exc:
            asked(exc)

    def _understood(self, message: Any) -> tuple[str, Any, Asked]:
        if type(message) is not dict:
            raise Fault(INVALID_REQUEST, "a message is one object; send those of a batch one by one")
        method, number = message.get("method"), message.get("id")
        if method is None and ("result" in message or "error" in message):
            return "", {}, Asked()  # nothing was asked
        if type(method) is not str or message.get("jsonrpc") != "2.0":
            raise Fault(INVALID_REQUEST, 'a request has "jsonrpc": "2.0" and a method')
        if type(number) not in _IDS:
            raise Fault(INVALID_REQUEST, "an id is a string or a number")
        return method, message.get("params", {}), self._expect(number) if "id" in message else Asked()

    def _expect(self, number: object) -> Asked:
        key = text(number)
        with self._lock:
            if key in self._unanswered:
                raise Fault(INVALID_REQUEST, f"the request {key.decode()[:100]} is not yet answered")
            if len(self._unanswered) >= MAX_UNANSWERED:
                raise fault_of(CallTimeout(f"{MAX_UNANSWERED} requests wait for an answer; try again"))
            asked = self._unanswered[key] = Asked(number, partial(self._answer, key))
        return asked

    def _serve(self, method: str, params: Any, asked: Asked) -> None:
        if type(params) is not dict:
            raise Fault(INVALID_PARAMS, "params are an object with the names of the fields")
        if not self._gate.is_open and method != "initialize":
            self._is_over = True
            raise self._gate.refusal()
        if self._has_shut_down and method != "exit":
            raise Fault(INVALID_REQUEST, "the conversation was shut down")
        if method in OPERATIONS:
            self._ask(method, params, asked)
        elif method in TRAVELS:
            self._travel(method, params, asked)
        elif method in _LOCAL:
            _LOCAL[method](self, params, asked)
        elif not method.startswith("$/"):  # which may be passed over
            raise Fault(METHOD_NOT_FOUND, f"no method {method[:100]!r}; initialize lists them")

    # --- what is asked of the session --------------------------------------------------------------------

    def _ask(self, name: str, params: Params, asked: Asked) -> None:
        future = self._submit(name, _request(OPERATIONS[name].request, params, self._session.client), asked)
        if name == "events":
            asked.waits = future

    def _submit(self, name: str, request: Message, then: Answer) -> Future[Any]:
        try:
            future = self._session.submit(name, request)
        except ProtocolError as exc:  # what no message can hold
            raise Fault(INVALID_PARAMS, str(exc)) from None
        future.add_done_callback(lambda done: then(_outcome(done, is_kill=name == "kill")))
        return future

    def _travel(self, method: str, params: Params, answer: Answer) -> None:
        way = "checkpoint" if method == "restore" else method
        request: Checkout = _request(Checkout, {**params, "way": way}, self._session.client)

        def arrive(underway: object) -> None:
            if isinstance(underway, protocol.Underway):
                wait = partial(self._session.wait_travelled, underway, CheckedOut)
                threading.Thread(target=lambda: answer(_done(wait)), name="travel", daemon=True).start()
            else:
                answer(underway)

        self._submit("checkout", request, arrive)

    # --- what is answered here ---------------------------------------------------------------------------

    def _initialize(self, params: Params, answer: Answer) -> None:
        try:
            self._gate.admit(params.get("token"))
        except PyshellError:
            self._is_over = True
            raise
        client, first = params.get("client"), _number(params, "subscribe")
        if client is not None and (type(client) is not str or not 0 < len(client) <= 100):
            raise Fault(INVALID_PARAMS, "client is a name of up to 100 characters")
        self._session.client = client or self._session.client
        status = self._session.status()
        following = None if first is None else Following(self._session, first, self._notify)
        answer({
            "version": __version__, "protocol": protocol.VERSION, "session": self._session.name,
            "status": to_object(status),
            "capabilities": {
                "methods": list(METHODS), "notifications": list(NOTIFICATIONS),
                "framing": "headers" if self._reader.has_headers else "lines",
            },
        })  # fmt: skip
        if following is not None:
            self._follow(following)

    def _subscribe(self, params: Params, answer: Answer) -> None:
        first = _number(params, "from")
        first = self._session.status().last_event + 1 if first is None else first
        following = Following(self._session, first, self._notify)
        answer({})
        self._follow(following)

    def _is_complete(self, params: Params, answer: Answer) -> None:
        answer(syntax.is_complete(_request(Code, {"cursor_pos": 0, **params}, "").code))

    def _cancel(self, params: Params, _answer: Answer) -> None:
        if type(params.get("id")) not in _IDS:
            return
        with self._lock:
            asked = self._unanswered.get(text(params.get("id")))
        if asked is not None:
            if asked.waits is not None:
                asked.waits.cancel()
            asked(Fault(CANCELLED, "cancelled"))

    def _shut_down(self, _params: Params, answer: Answer) -> None:
        self._has_shut_down = True
        self._follow(None)
        answer(None)

    def _exit(self, _params: Params, _answer: Answer) -> None:
        self._is_over = True

    def _follow(self, following: Following | None) -> None:
        if self._following is not None:
            self._following.stop()
        self._following = following
        if following is not None:
            following.start()

    # --- what goes ---------------------------------------------------------------------------------------

    def _answer(self, key: bytes, outcome: object) -> None:
        """Once for each request: what comes after it was cancelled is dropped."""
        with self._answered:
            if key not in self._unanswered:
                return
            asked = self._unanswered.pop(key)
            self._answered.notify_all()
            self._write(_response(asked.number, outcome))

    def _write_answer(self, number: object, outcome: object) -> None:
        with self._lock:
            self._write(_response(number, outcome))

    def _notify(self, method: str, params: object) -> None:
        with self._lock:
            self._write({"jsonrpc": "2.0", "method": method, "params": params})

    def _write(self, message: object) -> None:
        """A client that does not read makes only itself wait: nothing is kept for it here."""
        if self._is_gone:
            return
        try:
            self._send(framed(text(message), bool(self._reader.has_headers)))
        except (OSError, ValueError):
            self._is_gone = True
            self._answered.notify_all()


_LOCAL: dict[str, Callable[[Conversation, Params, Answer], None]] = {
    "initialize": Conversation._initialize,
    "subscribe": Conversation._subscribe,
    "shutdown": Conversation._shut_down,
    "exit": Conversation._exit,
    "is_complete": Conversation._is_complete,
    "$/cancelRequest": Conversation._cancel,
}


_IDS = (str, int, float, type(None))


def _id_of(message: Any) -> object:
    number = message.get("id") if type(message) is dict else None
    return number if type(number) in _IDS else None


def _request(cls: type[Any], params: Params, client: str) -> Any:
    given = {"client": client, **params} if "client" in cls._field_names else params
    try:
        return from_object(cls, given)
    except ProtocolError as exc:
        raise Fault(INVALID_PARAMS, str(exc)) from None


def _number(params: Params, name: str) -> int | None:
    number = params.get(name)
    if number is not None and (type(number) is not int or not 0 <= number < 1 << 53):
        raise Fault(INVALID_PARAMS, f"{name} is the number of an event")
    return number


def _outcome(done: Future[Any], is_kill: bool) -> object:
    if done.cancelled():
        return Fault(CANCELLED, "cancelled")
    exc = done.exception()
    # The host may be gone before its answer is.
    return Nothing() if is_kill and isinstance(exc, ConnectionLost) else exc or done.result()


def _done(wait: Callable[[], object]) -> object:
    try:
        return wait()
    except PyshellError as exc:
        return exc


def _response(number: object, outcome: object) -> dict[str, object]:
    if isinstance(outcome, BaseException):
        return {"jsonrpc": "2.0", "id": number, "error": fault_of(outcome).to_object()}
    return {"jsonrpc": "2.0", "id": number, "result": to_object(outcome) if isinstance(outcome, Message) else outcome}
