"""Messages to and from JSON objects, and text to and from JSON that means one thing only. Pure.

Runs in: clients (Python 3.11 and newer).

A message is an object with its fields' names. Where a field may hold several messages, as an event's body does, the
object's `kind` tells which: the message's tag. Bytes are text in base64. A field of a request that has a default may
be missing.
"""

from __future__ import annotations

import base64
import binascii
import json
import types
import typing
from typing import Any, NoReturn, TypeVar, Union

from pyshell import protocol
from pyshell.errors import ProtocolError
from pyshell.protocol import Message

M = TypeVar("M", bound=Message)


class NotJson(Exception):
    """Text that is no JSON, or means several things, or nothing that can be held."""


def parse(data: bytes) -> Any:
    """A JSON text. NotJson also for a name that stands twice in an object, for NaN and for what is nested too deep."""
    try:
        return json.loads(data.decode(), parse_constant=_refuse, object_pairs_hook=_object)
    except RecursionError:
        raise NotJson("it is nested too deep") from None
    except ValueError as exc:  # also of bytes that are no UTF-8, and of an integer of thousands of digits
        raise NotJson(str(exc)) from None


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice in an object")
    return found


def text(value: Any) -> bytes:
    """One line of ASCII: lone surrogates are escaped as all else is, and numbers that JSON does not have are null."""
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()
    except ValueError:
        return json.dumps(_finite(value), separators=(",", ":")).encode()


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and value - value != 0 else value


def to_object(message: Message) -> dict[str, Any]:
    """The message's fields by name."""
    tagged = _tagged(type(message))
    return {name: _plain(value, name in tagged) for name, value in message.__dict__.items()}


def _plain(value: Any, is_tagged: bool) -> Any:
    if isinstance(value, Message):
        return {"kind": value.TAG, **to_object(value)} if is_tagged else to_object(value)
    if isinstance(value, tuple):
        return [_plain(item, is_tagged) for item in value]
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


_tags: dict[type[Message], frozenset[str]] = {}


def _tagged(cls: type[Message]) -> frozenset[str]:
    """The fields that may hold several messages."""
    if cls not in _tags:
        hints = typing.get_type_hints(cls)
        _tags[cls] = frozenset(name for name in cls._field_names if len(messages_of(hints[name])) > 1)
    return _tags[cls]


def messages_of(hint: Any) -> list[type[Message]]:
    """The messages that a field of this type may hold."""
    if typing.get_origin(hint) in (Union, types.UnionType, tuple):
        return [found for inner in typing.get_args(hint) for found in messages_of(inner)]
    return [hint] if isinstance(hint, type) and issubclass(hint, Message) else []


def from_object(cls: type[M], given: dict[str, Any]) -> M:
    """A request of that class; ProtocolError names the field that is missing, unknown or of another type."""
    unknown = set(given) - set(cls._field_names)
    if unknown:
        allowed = ", ".join(cls._field_names) or "no fields"
        raise ProtocolError(f"no field {str(min(unknown))[:100]!r}: there are {allowed}")
    hints = typing.get_type_hints(cls)
    wire: list[Any] = [cls.TAG]
    for name in cls._field_names:
        if name in given:
            wire.append(_wire(f"{cls.TAG}.{name}", hints[name], given[name]))
        elif name in vars(cls):
            wire.append(vars(cls)[name])
        else:
            raise ProtocolError(f"{name!r} is missing")
    return protocol.from_wire(tuple(wire), cls)


def _wire(where: str, hint: Any, value: Any) -> Any:
    """A value as the wire has it, which then is checked as everything is that comes from there."""
    wanted = typing.get_args(hint) if typing.get_origin(hint) in (Union, types.UnionType) else (hint,)
    if float in wanted and type(value) is int and abs(value) < 1 << 53:
        return float(value)
    if int in wanted and type(value) is float and value.is_integer() and abs(value) < 1 << 53:
        return int(value)  # there is one kind of number in JSON, and some languages write all of them alike
    if bytes in wanted and type(value) is str:
        try:
            return base64.b64decode(value, validate=True)
        except (ValueError, binascii.Error):
            raise ProtocolError(f"{where} must be base64") from None
    return tuple(value) if isinstance(value, list) else value
