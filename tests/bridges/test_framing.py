"""Messages in a stream of bytes.

Runs in: tests.
"""

from __future__ import annotations

import io

import pytest

from pyshell.bridges import framing
from pyshell.bridges.framing import Broken, Reader, TooLong, framed


def reader(data: bytes) -> Reader:
    return Reader(io.BytesIO(data))


@pytest.mark.parametrize("has_headers", [False, True])
def test_what_is_written_is_read(has_headers: bool) -> None:
    bodies = [b'{"a":1}', b"[]", '{"é":"\u2028"}'.encode()]
    found = reader(b"".join(framed(body, has_headers) for body in bodies))
    assert [(found.read() or b"").strip() for _ in bodies] == bodies
    assert found.read() is None and found.has_headers is has_headers


def test_blank_lines_and_other_headers_are_passed_over() -> None:
    assert reader(b"\n\r\n  {}\n").read() == b"{}\n"
    found = reader(b"Content-Type: x\r\ncontent-length:  2\r\n\r\n{}")
    assert (found.read(), found.read()) == (b"{}", None)


@pytest.mark.parametrize("data", [b"", b"\n\n", b'{"a"', b"Content-Le", b"Content-Length: 5\r\n\r\n{}"])
def test_a_truncated_message_is_the_end(data: bytes) -> None:
    assert reader(data).read() is None


@pytest.mark.parametrize("head", [b"Content-Length: x\r\n\r\n", b"A: b\n\n", b"Content-Length: -1\r\n\r\n"])
def test_headers_without_a_length_are_the_end(head: bytes) -> None:
    with pytest.raises(Broken):
        reader(head + b"{}").read()


def test_endless_headers_are_the_end() -> None:
    with pytest.raises(Broken):
        reader(b"A: b\r\n" * 10_000).read()
    with pytest.raises(Broken):
        reader(b"A" * 100_000).read()


@pytest.mark.parametrize("has_headers", [False, True])
def test_a_long_message_is_passed_over(has_headers: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framing, "MAX_MESSAGE", 100)
    found = reader(framed(b"x" * 100_000 if has_headers else b"[" * 100_000, has_headers) + framed(b"{}", has_headers))
    with pytest.raises(TooLong):
        found.read()
    assert (found.read() or b"").strip() == b"{}"
