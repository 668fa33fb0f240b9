"""Values of exact builtin types only: what may pass between two processes. Pure.

Runs in: every process (Python 3.10 and newer).
"""

from __future__ import annotations

import struct
from typing import Any

from pyshell.errors import ProtocolError

MAX_FRAME = 8 << 20
MAX_DEPTH = 32
MAX_INT_BITS = 4096


_TEXT, _EMPTY_BYTES, _BYTES_1, _BYTES_4, _BYTES_L1, _BYTES_L4 = 0x08, 0x01, 0x0A, 0x0D, 0x0E, 0x0F
_TUPLE_0, _TUPLE_1, _TUPLE_4, _TUPLE_L1, _TUPLE_L4 = 0x02, 0x10, 0x13, 0x14, 0x15
_INT_L1, _INT_L4, _FLOAT, _SMALL_INT, _ZERO = 0x16, 0x17, 0x18, 0x20, 0x50
_CONSTANTS = {0x00: None, _TUPLE_0: (), 0x03: True, 0x04: False}
"""RPyC's encoding, which is `rpyc.core.brine`. Its own code for it takes three times as long, and takes more values."""


def plain(value: object) -> object:
    """Return an equal value made of exact builtin types only; raise ProtocolError for any other.

    Lone surrogates are escaped, since RPyC's encoder would close the connection over them.
    """
    return decode(encode(value))


def encode(value: object) -> bytes:
    """A value made of exact builtin types only, in RPyC's encoding; ProtocolError for any other, and for a huge one."""
    pieces: list[bytes] = []
    _encode((value,), 0, MAX_FRAME, pieces)
    return b"".join(pieces)


_BYTES_HEADS = [b"\x01", *[bytes((_BYTES_1 + n,)) for n in range(4)], *[bytes((_BYTES_L1, n)) for n in range(5, 256)]]
_TEXT_HEADS = [bytes((_TEXT,)) + head for head in _BYTES_HEADS]
_TUPLE_HEADS = [b"\x02", *[bytes((_TUPLE_1 + n,)) for n in range(4)], *[bytes((_TUPLE_L1, n)) for n in range(5, 256)]]
_SMALL_INTS = [bytes((n,)) for n in range(_SMALL_INT, 0xF0)]
_LEAST = _SMALL_INT - _ZERO
_pack_long, _pack_double = struct.Struct("!BL").pack, struct.Struct("!Bd").pack


def _encode(values: tuple[Any, ...], depth: int, room: int, pieces: list[bytes]) -> int:
    """The items of a tuple. In one loop, with nothing called for most of them: every message comes by here.

    Returns how much room is left, so that a huge one is refused before it is copied.
    """
    if depth > MAX_DEPTH:
        raise ProtocolError(f"tuples nested deeper than {MAX_DEPTH} cannot be sent")
    append = pieces.append
    for value in values:
        kind = type(value)  # never isinstance: a netref claims to be whatever it likes
        room -= 16
        if kind is str or kind is bytes:
            if len(value) > room:
                raise _too_large()
            data = value if kind is bytes else _utf8(value)
            size = len(data)
            room -= size
            heads = _BYTES_HEADS if kind is bytes else _TEXT_HEADS
            append(heads[size] if size < 256 else heads[0][:-1] + _pack_long(_BYTES_L4, size))
            append(data)
        elif kind is tuple:
            size = len(value)
            append(_TUPLE_HEADS[size] if size < 256 else _pack_long(_TUPLE_L4, size))
            room = _encode(value, depth + 1, room, pieces)
        elif kind is int:
            room -= _encode_int(value, pieces)
        elif value is None or kind is bool:
            append(b"\x00" if value is None else b"\x03" if value else b"\x04")
        elif kind is float:
            append(_pack_double(_FLOAT, value))
        else:
            raise ProtocolError(f"a value of type {name_of(kind)} cannot be sent")
        if room < 0:
            raise _too_large()
    return room


def _too_large() -> ProtocolError:
    return ProtocolError(f"a message is over the limit of {MAX_FRAME} bytes")


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:  # lone surrogates
        return text.encode("utf-8", "backslashreplace")


def _encode_int(value: int, pieces: list[bytes]) -> int:
    """Returns the number of its digits."""
    if _LEAST <= value < _LEAST + len(_SMALL_INTS):
        pieces.append(_SMALL_INTS[value - _LEAST])
        return 0
    if value.bit_length() > MAX_INT_BITS:
        raise ProtocolError(f"an integer of more than {MAX_INT_BITS} bits cannot be sent")
    digits = str(value).encode()
    size = len(digits)
    pieces.append((bytes((_INT_L1, size)) if size < 256 else _pack_long(_INT_L4, size)) + digits)
    return size


class Strange(Exception):
    """Data that RPyC's own decoder has to look at: it holds more than plain values, too many, or nothing of sense."""


def decode(data: bytes) -> Any:
    """A value in RPyC's encoding, if it is plain; else Strange."""
    try:
        (value,), end = _decoded(data, 0, 1, 0)
    except (IndexError, ValueError, struct.error):
        raise Strange from None
    if end != len(data):
        raise Strange
    return value


def _decoded(data: bytes, at: int, count: int, depth: int) -> tuple[tuple[Any, ...], int]:
    """So many values from a place on, and the place behind them. In one loop, as above."""
    if depth > MAX_DEPTH or count > MAX_FRAME // 16:
        raise Strange
    values: list[Any] = []
    append = values.append
    for _ in range(count):
        tag = data[at]
        at += 1
        if tag == _TEXT:
            tag = data[at]
            at += 1
            if tag == _BYTES_L1:  # most texts, so without a call
                size = data[at]
                at += 1
            else:
                size, at = _size(data, at, tag)
            append(data[at : at + size].decode())
            at += size
        elif _SMALL_INT <= tag < 0xF0:
            append(tag - _ZERO)
        elif tag in _CONSTANTS:
            append(_CONSTANTS[tag])
        elif _TUPLE_1 <= tag <= _TUPLE_L4:
            inside, at = _count(data, at, tag)
            value, at = _decoded(data, at, inside, depth + 1)
            append(value)
        elif tag in (_INT_L1, _INT_L4):
            size, at = (data[at], at + 1) if tag == _INT_L1 else (_long(data, at)[0], at + 4)
            append(_integer(data[at : at + size]))
            at += size
        elif tag == _FLOAT:
            append(_double(data, at)[0])
            at += 8
        else:
            size, at = _size(data, at, tag)
            append(data[at : at + size])
            at += size
    return tuple(values), at


_double, _long = struct.Struct("!d").unpack_from, struct.Struct("!L").unpack_from


def _size(data: bytes, at: int, tag: int) -> tuple[int, int]:
    """How many bytes follow, and where."""
    if tag == _BYTES_L1:
        return data[at], at + 1
    if _BYTES_1 <= tag <= _BYTES_4:
        return tag - _BYTES_1 + 1, at
    if tag == _BYTES_L4:
        return _long(data, at)[0], at + 4
    if tag == _EMPTY_BYTES:
        return 0, at
    raise Strange


def _count(data: bytes, at: int, tag: int) -> tuple[int, int]:
    """How many items of a tuple follow, and where."""
    if tag <= _TUPLE_4:
        return tag - _TUPLE_1 + 1, at
    return (data[at], at + 1) if tag == _TUPLE_L1 else (_long(data, at)[0], at + 4)


def _integer(digits: bytes) -> int:
    value = int(digits) if len(digits) < MAX_INT_BITS // 3 else None  # of very many digits that takes long
    if value is None or value.bit_length() > MAX_INT_BITS:
        raise Strange
    return value


def name_of(cls: type) -> str:
    """The name of a class, however hostile it is."""
    # Not cls.__qualname__: a metaclass could run its own code there.
    return str.__str__(type.__dict__["__qualname__"].__get__(cls))[:100]
