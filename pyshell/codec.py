"""Messages to and from plain tuples, and to and from JSON for files. Pure.

Runs in: every process (Python 3.10 and newer).

A message is a frozen dataclass. On the wire it is `(tag, field, field, …)`: the tag is the class
name in snake case, the fields come in the order in which the class declares them, and each is one
of `None bool int float str bytes`, a tuple, or another message. `from_wire` accepts nothing that
`to_wire` would not have written: a missing field, an unknown tag, a subclass of `str` or an `int`
where a `float` is due is a ProtocolError.
"""

from __future__ import annotations

import json
import re
import types
import typing
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union

from pyshell.errors import ProtocolError
from pyshell.frozen import dataclass

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_: object) -> Callable[[Any], Any]:
        """For type checkers only; the standard library has it from 3.11 on."""
        return lambda function: function


M = TypeVar("M", bound="Message")
_registry: dict[str, type[Message]] = {}


class Message:
    """The base of every message; subclasses are frozen dataclasses and register themselves by tag."""

    TAG: typing.ClassVar[str]
    _field_names: typing.ClassVar[tuple[str, ...]]

    def __init_subclass__(cls) -> None:
        cls.TAG = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower()
        if cls.TAG in _registry:
            raise TypeError(f"two messages share the tag {cls.TAG!r}")
        _registry[cls.TAG] = cls


@dataclass_transform(frozen_default=True)
def message(cls: type[M]) -> type[M]:
    """Make a frozen dataclass of a message class."""
    return dataclass(frozen=True)(cls)


def messages() -> dict[str, type[Message]]:
    """Every message class by its tag, for the generated documentation and for tests."""
    return dict(_registry)


def to_wire(message: Message) -> tuple[Any, ...]:
    """Turn a message into a plain tuple."""
    return (message.TAG, *[_plain(value) for value in message.__dict__.values()])


def from_wire(wire: object, expected: type[M]) -> M:
    """Rebuild a message of class `expected`; raise ProtocolError for anything else."""
    message = _message(wire)
    if type(message) is not expected:
        raise ProtocolError(f"expected {expected.TAG!r}, got {message.TAG!r}")
    return message


def to_json(message: Message) -> str:
    """The wire form as one line of JSON, for files; bytes have no place in those."""
    return json.dumps(to_wire(message))


def from_json(text: str, *expected: type[M]) -> M:
    """Rebuild a message of one of the classes `expected` that `to_json` wrote; ProtocolError for anything else.

    A file may be older than a message's last fields: these have their defaults then.
    """
    try:
        message = _message(_completed(_tuples(json.loads(text))))
    except ValueError as exc:
        raise ProtocolError(f"not a message: {exc}") from None
    if not isinstance(message, expected):
        raise ProtocolError(f"{message.TAG!r} is not what was expected")
    return message


def _tuples(value: Any) -> Any:
    return tuple([_tuples(item) for item in value]) if isinstance(value, list) else value


def _completed(wire: Any) -> Any:
    """The same with the fields at the end that are missing and have a default."""
    cls = _registry.get(wire[0]) if type(wire) is tuple and wire and type(wire[0]) is str else None
    missing = cls._field_names[len(wire) - 1 :] if cls is not None else ()
    if not missing or any(name not in vars(cls) for name in missing):
        return wire
    return (*wire, *[vars(cls)[name] for name in missing])


def _plain(value: object) -> object:
    kind = type(value)
    if kind is str or kind is int or kind is bool or value is None:
        return value  # most of them
    if kind is tuple:
        return tuple([_plain(item) for item in value])  # type: ignore[attr-defined]
    return to_wire(value) if isinstance(value, Message) else value


def _message(wire: object) -> Message:
    if type(wire) is not tuple or not wire or type(wire[0]) is not str:
        raise ProtocolError("a message is a tuple that starts with its tag")
    cls = _registry.get(wire[0])
    if cls is None:
        raise ProtocolError(f"unknown message {wire[0][:100]!r}")
    kinds, checks = _cached_checks.get(cls) or _checks(cls)
    names = cls._field_names
    values: Any = wire[1:]
    if len(values) != len(names):
        raise ProtocolError(f"{cls.TAG!r} has {len(names)} fields, not {len(values)}")
    made = object.__new__(cls)  # past __init__, which would look for what is missing
    if list(map(type, values)) != kinds:
        values = [v if type(v) is kind else check(v) for v, kind, check in zip(values, kinds, checks)]
    made.__dict__.update(zip(names, values))
    return made


_Check = Callable[[object], Any]
_Checks = tuple[list[Union[type, None]], list[_Check]]
_cached_checks: dict[type[Message], _Checks] = {}
_ATOMS = (str, int, bool, float, bytes)


def _checks(cls: type[Message]) -> _Checks:
    """For each field the class whose values need no check, which is most of what comes, and the check."""
    hints = typing.get_type_hints(cls)
    of_fields = [(name, hints[name]) for name in cls._field_names]
    found = [_atom_of(hint) for _, hint in of_fields], [_check_for(f"{cls.TAG}.{n}", hint) for n, hint in of_fields]
    _cached_checks[cls] = found
    return found


def _atom_of(hint: Any) -> type | None:
    members = typing.get_args(hint) if typing.get_origin(hint) in (Union, types.UnionType) else (hint,)
    return next((member for member in members if member in _ATOMS), None)


def _check_for(where: str, hint: Any) -> _Check:
    origin = typing.get_origin(hint)
    if origin is tuple:
        return _tuple_check(where, _check_for(where, typing.get_args(hint)[0]))
    if origin is Literal:
        return _literal_check(where, typing.get_args(hint))
    if origin in (Union, types.UnionType):
        return _union_check(where, typing.get_args(hint))
    if issubclass(hint, Message):
        return _message_check(where, (hint,))
    return _exact_check(where, hint)


def _exact_check(where: str, wanted: type) -> _Check:
    def check(value: object) -> object:
        # type(), not isinstance(): a subclass could run its own code here.
        if type(value) is not wanted:
            raise ProtocolError(f"{where} must be {wanted.__name__}")
        return value

    return check


def _literal_check(where: str, allowed: tuple[str, ...]) -> _Check:
    def check(value: object) -> object:
        if type(value) is not str or value not in allowed:
            raise ProtocolError(f"{where} must be one of {', '.join(allowed)}")
        return value

    return check


def _tuple_check(where: str, check_item: _Check) -> _Check:
    def check(value: object) -> object:
        if type(value) is not tuple:
            raise ProtocolError(f"{where} must be a tuple")
        return tuple([check_item(item) for item in value])

    return check


def _message_check(where: str, classes: tuple[type[Message], ...]) -> _Check:
    def check(value: object) -> object:
        message = _message(value)
        if type(message) not in classes:
            raise ProtocolError(f"{where} cannot be {message.TAG!r}")
        return message

    return check


def _union_check(where: str, members: tuple[Any, ...]) -> _Check:
    classes = tuple([m for m in members if isinstance(m, type) and issubclass(m, Message)])
    others = [m for m in members if m not in classes and m is not type(None)]
    if len(others) + bool(classes) > 1:
        raise TypeError(f"{where}: a union may hold None and messages, or None and one other type")
    inner = _message_check(where, classes) if classes else _check_for(where, others[0])
    if type(None) not in members:
        return inner

    def check(value: object) -> object:
        return None if value is None else inner(value)

    return check
