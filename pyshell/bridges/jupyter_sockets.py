"""Jupyter's five sockets: requests in, replies and what everybody sees out.

Runs in: the Jupyter kernel's process (Python 3.11 and newer).

Signing and framing are jupyter_client's. ZeroMQ's sockets belong to one thread, which sends what the others put down.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import islice, takewhile
from typing import Any

import zmq
from jupyter_client.session import Session as Wire

from pyshell.frozen import dataclass

Content = Mapping[str, Any]

STREAM_SECONDS = 0.02
"""How long text waits for more of its kind: what is printed in pieces is one output of a notebook."""
MAX_STREAM = 1 << 16
"""Characters that are put together."""
MAX_TURNS = 8
"""Pieces that keep their order where output and errors take turns; beyond that each stream is put together by itself.
A frontend takes a millisecond for a message, and nbclient leaves what it has not taken four seconds after the reply."""
FIRST = "kernel_info_reply"
"""A frontend takes this for the sign that it can go on. If it does not hear yet what everybody is told, it misses the
end of its first cell: jupyter console waits for that for ever."""
HEARD_SECONDS = 1.0
"""How long this waits for that, at most: who asks may want to hear nothing."""
LINGER_MS = 1000
"""How long the last messages may take to leave when the kernel ends."""


@dataclass(frozen=True)
class Request:
    """A message from a frontend."""

    channel: str
    """`shell`, `control` or `stdin`."""
    sender: Sequence[bytes]
    """Where the reply goes."""
    header: Mapping[str, Any]
    content: Mapping[str, Any]
    metadata: Mapping[str, Any]
    buffers: Sequence[bytes]

    @property
    def kind(self) -> str:
        """`execute_request`, …"""
        return str(self.header["msg_type"])


@dataclass(frozen=True)
class Letter:
    """What is to be sent."""

    channel: str
    kind: str
    content: Content
    parent: Mapping[str, Any]
    to: Sequence[bytes]
    metadata: Content | None = None
    buffers: Sequence[bytes] = ()
    due: float = 0.0
    """When it is sent although nothing comes after it, by the monotonic clock."""


def joined(first: Letter, then: Letter) -> Letter | None:
    """One letter that says the same as the two, if both are pieces of one text."""
    about = first.kind, first.parent, first.content.get("name")
    if about != ("stream", then.parent, then.content.get("name")) or then.kind != "stream":
        return None
    text = first.content["text"] + then.content["text"]
    return replace(first, content={**first.content, "text": text}) if len(text) <= MAX_STREAM else None


def place(letters: deque[Letter], letter: Letter) -> None:
    """Put a letter behind those that wait, or to the newest piece of the same text."""
    newest = islice(reversed(letters), MAX_TURNS)
    streams = list(takewhile(lambda one: (one.kind, one.parent) == ("stream", letter.parent), newest))
    for back, one in enumerate(streams, 1):
        if one.content["name"] == letter.content.get("name") and (back == 1 or len(streams) == MAX_TURNS):
            if (whole := joined(one, letter)) is not None:
                letters[-back] = whole
                return
            break
    letters.append(letter)


class Sockets:
    """`take` is called with each request, on the thread of the sockets. All methods are for any thread."""

    def __init__(self, connection: Mapping[str, Any], take: Callable[[Request], None]) -> None:
        self._take = take
        self._wire = Wire(key=connection["key"].encode(), signature_scheme=connection["signature_scheme"])
        self._context = zmq.Context()
        self._sockets = {
            "shell": self._bound(zmq.ROUTER, connection, "shell"),
            "control": self._bound(zmq.ROUTER, connection, "control"),
            "stdin": self._bound(zmq.ROUTER, connection, "stdin"),
            "iopub": self._bound(zmq.XPUB, connection, "iopub"),
        }
        self._heart = self._bound(zmq.REP, connection, "hb")
        self._letters: deque[Letter] = deque()
        self._sorting = threading.Lock()
        self._wake_read, self._wake_write = os.pipe()
        self._ending = False
        self._is_heard = False
        """Whether a frontend has asked for what everybody is told."""
        self._thread = threading.Thread(target=self._run, name="jupyter-sockets", daemon=True)

    def _bound(self, kind: int, connection: Mapping[str, Any], name: str) -> Any:
        socket = self._context.socket(kind)
        socket.linger = LINGER_MS
        socket.set_hwm(0)  # at a mark ZeroMQ would drop output without a word
        if kind == zmq.ROUTER:
            socket.router_handover = 1  # a frontend that comes back under its name takes its place again
        transport, ip, port = connection["transport"], connection["ip"], connection[f"{name}_port"]
        socket.bind(f"{transport}://{ip}" + ("-" if transport == "ipc" else ":") + str(port))
        return socket

    def start(self) -> None:
        """Begin to take requests."""
        self._thread.start()
        threading.Thread(target=self._beat, name="jupyter-heartbeat", daemon=True).start()

    def reply(self, request: Request, content: Content) -> None:
        """Answer whoever has asked."""
        kind = request.kind.replace("_request", "_reply")
        due = time.monotonic() + HEARD_SECONDS if kind == FIRST and not self._is_heard else 0.0
        self._put(Letter(request.channel, kind, content, request.header, request.sender, due=due))

    def publish(
        self, kind: str, content: Content, parent: Mapping[str, Any], metadata: Content | None = None,
        buffers: Sequence[bytes] = (),
    ) -> None:  # fmt: skip
        """Tell every frontend; `parent` is the header of what it is about."""
        due = time.monotonic() + STREAM_SECONDS if kind == "stream" else 0.0
        self._put(Letter("iopub", kind, content, parent, (kind.encode(),), metadata, buffers, due))

    def ask(self, request: Request, prompt: str, password: bool) -> None:
        """Have the frontend that sent the cell ask its person for a line."""
        content = {"prompt": prompt, "password": password}
        self._put(Letter("stdin", "input_request", content, request.header, request.sender))

    def header(self, kind: str, client: str) -> dict[str, Any]:
        """A header as if another frontend, `client`, had sent a message."""
        return {**self._wire.msg_header(kind), "session": client, "username": client}

    def close(self) -> None:
        """Send what is still to be sent, and close them."""
        self._ending = True
        os.write(self._wake_write, b"x")
        self._thread.join()
        for socket in self._sockets.values():
            socket.close()

    def _put(self, letter: Letter) -> None:
        with self._sorting:
            place(self._letters, letter)
        os.write(self._wake_write, b"x")

    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._wake_read, zmq.POLLIN)
        for name in ("shell", "control", "stdin", "iopub"):
            poller.register(self._sockets[name], zmq.POLLIN)
        while not self._ending or self._letters:
            ready = dict(poller.poll(STREAM_SECONDS * 1000 if self._letters else None))
            if self._wake_read in ready:
                os.read(self._wake_read, 4096)
            if self._sockets["iopub"] in ready:
                self._is_heard = self._sockets["iopub"].recv().startswith(b"\x01") or self._is_heard
            self._send_all()
            for name in ("control", "stdin", "shell"):
                if self._sockets[name] in ready:
                    self._receive(name)

    def _next(self) -> Letter | None:
        with self._sorting:
            if not self._letters:
                return None
            first = self._letters[0]
            is_early = first.due > time.monotonic() and self._may_wait(first)
            return None if is_early and not self._ending else self._letters.popleft()

    def _may_wait(self, first: Letter) -> bool:
        """The word that the kernel is there does while nobody hears, a text while nothing else is behind it."""
        if first.kind == FIRST:
            return not self._is_heard
        return len(self._letters) <= MAX_TURNS and all(letter.due for letter in self._letters)

    def _send_all(self) -> None:
        while (letter := self._next()) is not None:
            socket = self._sockets[letter.channel]
            try:
                self._wire.send(
                    socket, letter.kind, letter.content, letter.parent, list(letter.to), list(letter.buffers),
                    metadata=letter.metadata,
                )  # fmt: skip
            except (TypeError, ValueError) as exc:  # half a surrogate pair, which is no text that can be sent
                note = {"name": "stderr", "text": f"a message ({letter.kind}) cannot be sent: {exc}\n"}
                self._wire.send(self._sockets["iopub"], "stream", note, letter.parent)

    def _receive(self, name: str) -> None:
        sender, parts = self._wire.feed_identities(self._sockets[name].recv_multipart())
        try:
            message = self._wire.deserialize(parts)
        except (ValueError, KeyError, TypeError) as exc:  # not signed with our key, sent twice, no message at all
            print(f"pyshell: a message on {name} was refused: {exc}", file=sys.stderr)
            return
        said = message["content"], message["metadata"], tuple(message["buffers"])
        self._take(Request(name, tuple(sender), message["header"], *said))

    def _beat(self) -> None:
        while True:
            try:
                self._heart.send_multipart(self._heart.recv_multipart())
            except zmq.ZMQError:  # closed
                return
