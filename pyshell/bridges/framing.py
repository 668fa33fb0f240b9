"""Cut a stream of bytes into messages, as language servers do or one per line; the first byte tells which.

Runs in: clients (Python 3.11 and newer).

`Content-Length: 2\\r\\n\\r\\n{}` or `{}\\n`. What is written has the form of what was read.
"""

from __future__ import annotations

from typing import BinaryIO

MAX_MESSAGE = 16 << 20
"""Bytes; a longer message is passed over and refused."""
MAX_HEADER = 8 << 10
_PIECE = 1 << 16


class TooLong(Exception):
    """A message over the limit, which has been passed over: the next one can be read."""


class Broken(Exception):
    """No message can be found in the stream any more."""


class Reader:
    """Messages from a stream. Owner: the thread that reads."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.has_headers: bool | None = None
        """None: nothing has come yet."""

    def read(self) -> bytes | None:
        """The next message; None at the end, also in the middle of one."""
        first = b"\n"
        while first.isspace():
            first = self._stream.read(1)
        if not first:
            return None
        if self.has_headers is None:
            self.has_headers = first.isalpha()
        return self._body(first) if self.has_headers else self._line(first)

    def _line(self, first: bytes) -> bytes | None:
        line = first + self._stream.readline(MAX_MESSAGE)
        if line.endswith(b"\n"):
            return line
        if len(line) <= MAX_MESSAGE:
            return None
        while line and not line.endswith(b"\n"):
            line = self._stream.readline(_PIECE)
        raise TooLong

    def _body(self, first: bytes) -> bytes | None:
        length = self._length(first)
        if length is None:
            return None
        if length > MAX_MESSAGE:
            while length and (piece := self._stream.read(min(length, _PIECE))):
                length -= len(piece)
            raise TooLong
        body = self._stream.read(length)
        return body if len(body) == length else None

    def _length(self, first: bytes) -> int | None:
        """As the headers say it; others than this one mean nothing here."""
        found, room, line = -1, MAX_HEADER, first + self._stream.readline(MAX_HEADER)
        while line.strip():
            name, _, value = line.partition(b":")
            if name.strip().lower() == b"content-length" and value.strip().isdigit() and len(value) < 20:
                found = int(value)
            room -= len(line)
            if room < 0:
                raise Broken(f"headers of more than {MAX_HEADER} bytes")
            line = self._stream.readline(MAX_HEADER)
        if not line:
            return None
        if found < 0:
            raise Broken("a message without a Content-Length")
        return found


def framed(body: bytes, has_headers: bool) -> bytes:
    """A message as it goes out."""
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body) if has_headers else body + b"\n"
