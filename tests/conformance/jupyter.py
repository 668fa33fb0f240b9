"""A session through a real Jupyter kernel and Jupyter's own client, told in the words of the other adapters.

Runs in: tests.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pyshell import Session, cli
from pyshell.bridges.jupyter_showing import DIED
from tests.conformance.clients import Client, Object
from tests.sessions import SECONDS, environment

UNSAID = {
    "queued": "a frontend is told of a cell when that begins; what waits is known to who has sent it",
    "result.type": "a value is what it looks like, in each of its forms; a frontend inspects it if it wants the type",
    "events after a number": "messages have no numbers and are not kept: who was not there does not get them later",
    "undo": "no message takes the namespace back; the cell `%undo` does, and is what this adapter sends",
    "saved": "no message says that a state is on the disk: the session is asked, beside the kernel",
}
"""What the cases ask for and Jupyter's messages have no words for, and why."""

STATUSES = {"KeyboardInterrupt": "interrupted", DIED: "died"}
"""Jupyter's replies know `ok`, `error` and `aborted`: which error it was tells these."""
CHANNELS = ("iopub", "shell", "stdin", "control")


class Frontend(Client):
    """One frontend. Owner: the test's thread, which reads the sockets whenever it waits for something."""

    unsaid = UNSAID

    def __init__(self, manager: Any, client: Any, session: Session) -> None:
        import zmq  # with jupyter_client, an optional extra

        self._manager = manager
        self._client = client
        self._session = session
        self._poller = zmq.Poller()
        self._channels = {name: getattr(client, f"{name}_channel") for name in CHANNELS}
        for channel in self._channels.values():
            self._poller.register(channel.socket, zmq.POLLIN)
        self._cells: dict[str, int] = {}
        """The numbers of the cells that this frontend has sent, by their requests, when they have begun."""
        self._replies: dict[str, Object] = {}
        self._idle: set[str] = set()
        """Requests of which everything has been shown."""
        self._events: list[Object] = []

    # --- what every client can do ---------------------------------------------------------------------------

    def execute(self, code: str, expressions: Sequence[str] = ()) -> int:
        asked = {expression: expression for expression in expressions}
        request: str = self._client.execute(code, allow_stdin=True, user_expressions=asked)
        while request not in self._cells:
            self._take()
        return self._cells[request]

    def events(self, after: int) -> Iterator[Object]:
        """From now on: `after` says nothing here, see UNSAID."""
        return self._from(len(self._events))

    def _from(self, place: int) -> Iterator[Object]:
        while True:
            while place >= len(self._events):
                self._take()
            yield self._events[place]
            place += 1

    def input(self, text: str) -> None:
        self._client.input(text)

    def complete(self, code: str) -> list[str]:
        return list(self._reply(self._client.complete(code, len(code)))["matches"])

    def interrupt(self) -> None:
        self._manager.interrupt_kernel()

    def undo(self) -> None:
        cell = self.execute("%undo")
        while not any(event["cell"] == cell and event["body"]["kind"] == "finished" for event in self._events):
            self._take()

    def wait_saved(self, cell: int) -> None:
        self._session.wait_saved(cell, SECONDS)

    # --- messages -------------------------------------------------------------------------------------------

    def _reply(self, request: str) -> Object:
        while request not in self._replies:
            self._take()
        return self._replies[request]

    def _take(self) -> None:
        """Wait for a message, and take all that are there."""
        assert self._poller.poll(SECONDS * 1000), f"nothing came; the last before: {self._events[-3:]}"
        for name, channel in self._channels.items():
            while channel.msg_ready():
                self._hear(name, channel.get_msg(timeout=SECONDS))

    def _hear(self, channel: str, message: Object) -> None:
        request, kind, content = message["parent_header"].get("msg_id"), message["msg_type"], message["content"]
        if channel in ("shell", "control"):
            self._replies[request] = content
        elif kind == "status" and content["execution_state"] == "idle":
            self._idle.add(request)
        elif kind == "execute_input":
            self._cells[request] = content["execution_count"]
        for body in bodies(kind, content):
            if request in self._cells:
                self._events.append({"cell": self._cells[request], "body": body})
        self._end(request)

    def _end(self, request: str) -> None:
        """A cell has ended when it was answered and everything has been shown, which come in either order."""
        if request in self._cells and request in self._idle and request in self._replies:
            for body in last_bodies(self._replies[request]):
                self._events.append({"cell": self._cells[request], "body": body})
            self._idle.discard(request)


def bodies(kind: str, content: Object) -> Iterator[Object]:
    """What a message says, as the bodies of events."""
    if kind == "execute_input":
        yield {"kind": "started"}
    elif kind == "stream":
        yield {"kind": "output", "text": content["text"], "stream": content["name"]}
    elif kind == "execute_result":
        yield {"kind": "result", "text": content["data"]["text/plain"]}
    elif kind == "input_request":
        yield {"kind": "input_request", "prompt": content["prompt"], "password": content["password"]}
    elif kind == "error" and content["ename"] == DIED:
        yield from _death(content)
    elif kind == "error":
        error = {"kind": content["ename"], "message": content["evalue"], "traceback": "\n".join(content["traceback"])}
        yield {"kind": "error", "error": error}


def last_bodies(reply: Object) -> Iterator[Object]:
    """What the reply to a cell says, in the same way."""
    for expression, found in reply.get("user_expressions", {}).items():
        value = {"text": found["data"]["text/plain"]} if found["status"] == "ok" else None
        error = {"kind": found["ename"], "message": found["evalue"]} if found["status"] == "error" else None
        yield {"kind": "evaluated", "expression": expression, "value": value, "error": error}
    yield {"kind": "finished", "status": STATUSES.get(reply.get("ename", ""), reply["status"])}


def _death(content: Object) -> Iterator[Object]:
    """Said to a person, in sentences."""
    signal = re.search(r"\bSIG[A-Z]+\b", content["evalue"])
    yield {"kind": "died", "exit": {"reason": content["evalue"], "signal": signal and signal[0]}}
    names = re.search(r"^Restored in .* s: (.*)\.$", "\n".join(content["traceback"]), re.MULTILINE)
    yield {"kind": "restored", "names": names[1].split(", ") if names else []}


@contextmanager
def kernel(session: Session) -> Iterator[Client]:
    """The kernel is a process that Jupyter's manager starts; it attaches to the session."""
    managers = pytest.importorskip("jupyter_client.manager", reason="the kernel is an extra: pyshell[jupyter]")
    kernelspec = pytest.importorskip("jupyter_client.kernelspec")
    with tempfile.TemporaryDirectory() as directory:
        assert cli.main(["jupyter", "install", "--prefix", directory, "-s", session.name]) == 0
        specs = kernelspec.KernelSpecManager(kernel_dirs=[str(Path(directory, "share", "jupyter", "kernels"))])
        file = str(Path(directory, "connection.json"))
        manager = managers.KernelManager(kernel_name="pyshell", kernel_spec_manager=specs, connection_file=file)
        manager.start_kernel(env=environment(session))
        client = manager.client()
        try:
            client.start_channels()
            client.wait_for_ready(timeout=SECONDS)
            yield Frontend(manager, client, session)
        finally:
            client.stop_channels()
            manager.shutdown_kernel()
