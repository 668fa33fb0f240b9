"""A small JSON-RPC client for tests: over a process's standard streams or a socket, in both framings.

Runs in: tests.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from pyshell import Session
from tests.sessions import SECONDS, environment

Object = dict[str, Any]


class RpcError(Exception):
    """The error that was answered."""

    def __init__(self, error: Object) -> None:
        super().__init__(error)
        self.code: int = error["code"]
        self.message: str = error["message"]
        self.kind: str = error.get("data", {}).get("kind", "")


class Rpc:
    """Owner: the test's thread; another one reads."""

    def __init__(self, send: Callable[[bytes], object], stream: BinaryIO, has_headers: bool = False) -> None:
        self._send = send
        self._stream = stream
        self._has_headers = has_headers
        self._changed = threading.Condition()
        self._newest = 0
        self.messages: list[Object] = []
        """All that came, in its order."""
        self._ended = False
        threading.Thread(target=self._read, daemon=True).start()

    def send(self, data: bytes) -> None:
        self._send(data)

    def post(self, message: object) -> None:
        """Send anything that is JSON."""
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        self._send(b"Content-Length: %d\r\n\r\n%b" % (len(body), body) if self._has_headers else body + b"\n")

    def notify(self, method: str, **params: Any) -> None:
        self.post({"jsonrpc": "2.0", "method": method, "params": params})

    def begin(self, method: str, **params: Any) -> int:
        """Send a request; `end` takes its number."""
        self._newest += 1
        self.post({"jsonrpc": "2.0", "id": self._newest, "method": method, "params": params})
        return self._newest

    def end(self, number: int) -> Any:
        answer = self.wait(lambda message: "method" not in message and message.get("id") == number)
        if "error" in answer:
            raise RpcError(answer["error"])
        return answer["result"]

    def ask(self, method: str, **params: Any) -> Any:
        return self.end(self.begin(method, **params))

    def wait(self, is_wanted: Callable[[Object], object], start: int = 0) -> Object:
        """The first message, of those from that place on, for which it is true."""
        for message in self.each(start):
            if is_wanted(message):
                return message
        raise AssertionError(f"the conversation ended; the last that came: {self.messages[-3:]}")

    def each(self, start: int = 0) -> Iterator[Object]:
        """The messages from that place on, and those that come, until the conversation ends."""
        while True:
            with self._changed:
                has_come = self._changed.wait_for(lambda: len(self.messages) > start or self._ended, SECONDS)  # noqa: B023
                assert has_come, f"nothing came; the last before: {self.messages[-3:]}"
                if len(self.messages) <= start:
                    return
                message = self.messages[start]
            start += 1
            yield message

    def events(self) -> Iterator[Object]:
        """The params of the notifications `event`."""
        return (message["params"] for message in self.each() if message.get("method") == "event")

    def wait_end(self) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._ended, SECONDS), "the conversation goes on"

    def _read(self) -> None:
        try:
            while (body := self._next()) is not None:
                message = json.loads(body)
                with self._changed:
                    self.messages.append(message)
                    self._changed.notify_all()
        except (OSError, ValueError):  # closed by the test
            pass
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _next(self) -> bytes | None:
        line = self._stream.readline()
        if self._has_headers and line:
            assert line.lower().startswith(b"content-length: ") and self._stream.readline() == b"\r\n"
            line = self._stream.read(int(line.split()[1]))
        return line or None


def command(name: str, *options: str) -> list[str]:
    return [sys.executable, "-m", "pyshell", "serve", name, *options]


@contextmanager
def process(name: str, *options: str, env: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """`pyshell serve` with pipes, which ends with its standard input."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command(name, *options), env=env, **pipes) as serving:
        try:
            yield serving
        finally:
            assert serving.stdin is not None
            try:
                serving.stdin.close()
            except BrokenPipeError:
                pass
            try:
                serving.wait(SECONDS)
            except subprocess.TimeoutExpired:
                serving.kill()
                raise


@contextmanager
def on_stdio(session: Session, has_headers: bool = False) -> Iterator[Rpc]:
    """A conversation with `pyshell serve --stdio`."""
    with process(session.name, "--stdio", "--attach", env=environment(session)) as serving:
        yield over(serving, has_headers)


def over(serving: subprocess.Popen[bytes], has_headers: bool = False) -> Rpc:
    """A conversation over a process's standard streams."""
    stdin, stdout = serving.stdin, serving.stdout
    assert stdin is not None and stdout is not None

    def send(data: bytes) -> None:
        stdin.write(data)
        stdin.flush()

    return Rpc(send, stdout, has_headers)  # type: ignore[arg-type]


@contextmanager
def served(session: Session, *path: str) -> Iterator[str]:
    """The path of the socket of a `pyshell serve --socket`, which ends afterwards."""
    with process(session.name, "--attach", "--socket", *path, env=environment(session)) as serving:
        assert serving.stdout is not None
        try:
            yield serving.stdout.readline().decode().strip()
        finally:
            serving.terminate()


@contextmanager
def on_socket(path: str, session: Session, has_headers: bool = False) -> Iterator[Rpc]:
    """A conversation over a socket, which has begun."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(path)
        with sock.makefile("rb") as stream:
            rpc = Rpc(sock.sendall, stream, has_headers)
            rpc.ask("initialize", client=f"test {os.getpid()}", token=token(session))
            try:
                yield rpc
            finally:
                sock.shutdown(socket.SHUT_RDWR)
                rpc.wait_end()


def token(session: Session) -> str:
    return session.paths.token.read_bytes().hex()
