"""Jupyter's five sockets: requests in, replies and what everybody sees out.

Runs in: the Jupyter kernel's process (Python 3.11 and newer).

Signing and framing are jupyter_client's. ZeroMQ's sockets belong to one thread, which sends what the others put down.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import zmq
from jupyter_client.session import Session as Wire

from pyshell.frozen import dataclass

Content = Mapping[str, Any]

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
class _Letter:
    """What is to be sent."""

    channel: str
    kind: str
    content: Content
    parent: Mapping[str, Any]
    to: Sequence[bytes]
    metadata: Content | None = None
    buffers: Sequence[bytes] = ()


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
            "iopub": self._bound(zmq.PUB, connection, "iopub"),
        }
        self._heart = self._bound(zmq.REP, connection, "hb")
        self._letters: deque[_Letter] = deque()
        self._wake_read, self._wake_write = os.pipe()
        self._ending = False
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
        self._put(_Letter(request.channel, kind, content, request.header, request.sender))

    def publish(
        self, kind: str, content: Content, parent: Mapping[str, Any], metadata: Content | None = None,
        buffers: Sequence[bytes] = (),
    ) -> None:  # fmt: skip
        """Tell every frontend; `parent` is the header of what it is about."""
        self._put(_Letter("iopub", kind, content, parent, (kind.encode(),), metadata, buffers))

    def ask(self, request: Request, prompt: str, password: bool) -> None:
        """Have the frontend that sent the cell ask its person for a line."""
        content = {"prompt": prompt, "password": password}
        self._put(_Letter("stdin", "input_request", content, request.header, request.sender))

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

    def _put(self, letter: _Letter) -> None:
        self._letters.append(letter)
        os.write(self._wake_write, b"x")

    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._wake_read, zmq.POLLIN)
        for name in ("shell", "control", "stdin"):
            poller.register(self._sockets[name], zmq.POLLIN)
        while not self._ending or self._letters:
            ready = dict(poller.poll())
            if self._wake_read in ready:
                os.read(self._wake_read, 4096)
                self._send_all()
            for name in ("control", "stdin", "shell"):
                if self._sockets[name] in ready:
                    self._receive(name)

    def _send_all(self) -> None:
        while self._letters:
            letter = self._letters.popleft()
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
