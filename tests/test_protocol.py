"""The wire: every message comes back as it went, and nothing forged comes in.

Runs in: tests.
"""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from typing import Any, Literal, NamedTuple, Union

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyshell import protocol
from pyshell.errors import ProtocolError
from pyshell.protocol import Message, from_wire, messages, to_wire

CLASSES = sorted(messages().values(), key=lambda cls: cls.TAG)

SCALARS: dict[type, st.SearchStrategy[Any]] = {
    bool: st.booleans(),
    int: st.integers(),
    float: st.floats(allow_nan=False),
    str: st.text(),
    bytes: st.binary(),
}
FORGED: dict[type, list[object]] = {}
"""Values that pass for a field's type in a careless check, by that type; filled below."""


class Text(str):
    """A str that could run its own code whenever it is compared."""


class Number(int):
    """An int that is none."""


class Real(float):
    """A float that is none."""


class Blob(bytes):
    """Bytes that are none."""


class Pair(tuple):  # type: ignore[type-arg]
    """A tuple that is none."""


class Named(NamedTuple):
    """A tuple with names is not what the wire carries."""

    tag: str


class Colour(str, enum.Enum):
    """An enumeration member is a str for isinstance."""

    OK = "ok"


FORGED.update(
    {
        bool: [1, 0, None, "True", Number(1)],
        int: [True, False, 1.0, "1", None, Number(1)],
        float: [1, True, "1.0", None, Real(1.0)],
        str: [b"x", 1, None, Text("x"), Colour.OK, bytearray(b"x")],
        bytes: ["x", None, Blob(b"x"), bytearray(b"x"), memoryview(b"x")],
    }
)


def fields_of(cls: type[Message]) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}  # type: ignore[arg-type]


def values_for(hint: Any) -> st.SearchStrategy[Any]:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        return st.lists(values_for(args[0]), max_size=3).map(tuple)
    if origin is Literal:
        return st.sampled_from(args)
    if origin in (Union, types.UnionType):
        return st.one_of([values_for(arg) for arg in args])
    if hint is type(None):
        return st.none()
    return SCALARS[hint] if hint in SCALARS else instances(hint)


def instances(cls: type[Message]) -> st.SearchStrategy[Message]:
    # Deferred: an event holds a body, a report holds a report's body.
    return st.deferred(lambda: st.builds(cls, **{name: values_for(hint) for name, hint in fields_of(cls).items()}))


def is_plain(value: object) -> bool:
    if type(value) is tuple:
        return all(is_plain(item) for item in value)
    return value is None or type(value) in (bool, int, float, str, bytes)


def simplest(hint: Any) -> Any:
    """A valid value of that type, the same one each time."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        return ()
    if origin is Literal:
        return args[0]
    if origin in (Union, types.UnionType):
        return simplest(args[0])
    return {bool: False, int: 0, float: 0.0, str: "", bytes: b""}[hint] if hint in SCALARS else simplest_message(hint)


def simplest_message(cls: type[Message]) -> Message:
    return cls(**{name: simplest(hint) for name, hint in fields_of(cls).items()})


def scalar_fields() -> list[tuple[type[Message], int, type]]:
    found = []
    for cls in CLASSES:
        for place, hint in enumerate(fields_of(cls).values(), 1):
            if hint in SCALARS:
                found.append((cls, place, hint))
    return found


def tuple_fields() -> list[tuple[type[Message], int]]:
    return [
        (cls, place)
        for cls in CLASSES
        for place, hint in enumerate(fields_of(cls).values(), 1)
        if typing.get_origin(hint) is tuple
    ]


def replaced(cls: type[Message], place: int, value: object) -> tuple[Any, ...]:
    wire = list(to_wire(simplest_message(cls)))
    wire[place] = value
    return tuple(wire)


def test_there_are_messages_to_test() -> None:
    assert len(CLASSES) > 50
    assert len(scalar_fields()) > 100
    assert len(tuple_fields()) > 10


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.TAG)
def test_every_message_comes_back_as_it_went(cls: type[Message]) -> None:
    @settings(max_examples=25, deadline=None)
    @given(instances(cls))
    def round_trip(message: Message) -> None:
        wire = to_wire(message)
        assert is_plain(wire)
        assert wire[0] == cls.TAG
        assert from_wire(wire, cls) == message

    round_trip()


@pytest.mark.parametrize(
    ("cls", "place", "hint"), scalar_fields(), ids=lambda value: getattr(value, "TAG", None)
)
def test_a_value_that_only_looks_like_the_type_is_refused(cls: type[Message], place: int, hint: type) -> None:
    for forged in FORGED[hint]:
        with pytest.raises(ProtocolError):
            from_wire(replaced(cls, place, forged), cls)


@pytest.mark.parametrize(("cls", "place"), tuple_fields(), ids=lambda value: getattr(value, "TAG", value))
def test_a_field_of_many_takes_a_tuple_only(cls: type[Message], place: int) -> None:
    for forged in ([], {}, set(), None, "", b"", Pair(), ((),), (None,), (object(),)):
        with pytest.raises(ProtocolError):
            from_wire(replaced(cls, place, forged), cls)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.TAG)
def test_a_field_too_few_or_too_many_is_refused(cls: type[Message]) -> None:
    wire = to_wire(simplest_message(cls))
    with pytest.raises(ProtocolError):
        from_wire((*wire, None), cls)
    if len(wire) > 1:
        with pytest.raises(ProtocolError):
            from_wire(wire[:-1], cls)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.TAG)
def test_another_message_than_the_expected_one_is_refused(cls: type[Message]) -> None:
    other = protocol.Submitted if cls is not protocol.Submitted else protocol.Nothing
    with pytest.raises(ProtocolError):
        from_wire(to_wire(simplest_message(other)), cls)


@pytest.mark.parametrize(
    "wire",
    [
        None, 1, "nothing", b"nothing", [], ["nothing"], {"nothing": 1}, (), ((),), (None,), (b"nothing",),
        (Text("nothing"),), Pair(("nothing",)), Named("nothing"), ("no_such_message",), ("Nothing",), ("x" * 10**6,),
        ("__init__",), ("message",), (("nothing",),),
    ],
)  # fmt: skip
def test_what_is_no_message_is_refused(wire: object) -> None:
    with pytest.raises(ProtocolError) as caught:
        from_wire(wire, protocol.Nothing)
    assert len(str(caught.value)) < 1000


def test_a_nested_message_of_the_wrong_class_is_refused() -> None:
    event = protocol.Event(1, 1, None, "", 0.0, protocol.Started())
    for intruder in (protocol.Nothing(), event, protocol.Ready(1, "", ""), protocol.Submitted(1)):
        wire = (*to_wire(event)[:-1], to_wire(intruder))
        with pytest.raises(ProtocolError):
            from_wire(wire, protocol.Event)
    for not_a_message in (None, 1, "started", (), ("started", 1)):
        with pytest.raises(ProtocolError):
            from_wire((*to_wire(event)[:-1], not_a_message), protocol.Event)


def test_a_forged_value_deep_inside_is_refused() -> None:
    error = protocol.Error(protocol.ErrorInfo("ValueError", "m", "t"), False)
    wire = to_wire(protocol.Events((protocol.Event(1, 1, 1, "", 0.0, error),), 1, False))
    forged = _replace_deep(wire, "ValueError", Text("ValueError"))
    assert from_wire(wire, protocol.Events).events[0].body == error
    with pytest.raises(ProtocolError):
        from_wire(forged, protocol.Events)


def test_deep_tuples_are_refused_and_do_not_exhaust_the_stack() -> None:
    deep: Any = ()
    for _ in range(100_000):
        deep = (deep,)
    for wire in (deep, ("events", deep, 1), ("held", deep), ("error", deep, False)):
        for cls in (protocol.Events, protocol.Held, protocol.Error):
            with pytest.raises(ProtocolError):
                from_wire(wire, cls)
    while deep:  # freed a level at a time: freeing it at once recurses in C
        (deep,) = deep


def test_literals_are_refused_unless_named() -> None:
    for status in ("OK", "", "running", b"ok", None, Colour.OK):
        with pytest.raises(ProtocolError):
            from_wire(("finished", status, 0.0, None, (), True), protocol.Finished)
    assert from_wire(("finished", "died", 0.0, None, (), True), protocol.Finished).status == "died"


def test_a_file_may_be_older_than_the_last_fields_of_a_message() -> None:
    assert protocol.body_from_json('["finished", "ok", 0.5]') == protocol.Finished("ok", 0.5, None)
    changes = protocol.Changes(("x",), (), (), 0, 1, 2)
    finished = protocol.Finished("ok", 0.5, changes)
    assert protocol.body_from_json(protocol.to_json(finished)) == finished
    for damaged in ('["finished", "ok"]', '["finished", "ok", 0.5, null, 1]', '["queued"]', "[]", "5"):
        with pytest.raises(ProtocolError):
            protocol.body_from_json(damaged)


def test_two_messages_cannot_share_a_tag() -> None:
    with pytest.raises(TypeError):
        type("Started", (Message,), {})
    assert messages()["started"] is protocol.Started


@pytest.mark.parametrize(
    "operation",
    [*protocol.HOST_OPERATIONS.values(), *protocol.WORKER_OPERATIONS.values(), *protocol.REPORT_OPERATIONS.values()],
)
def test_operations_speak_in_messages(operation: protocol.Operation) -> None:
    assert operation.request in CLASSES and operation.reply in CLASSES
    assert operation.summary.endswith(".")


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.TAG)
def test_messages_are_frozen_and_documented(cls: type[Message]) -> None:
    assert cls.__doc__ and not cls.__doc__.startswith(f"{cls.__name__}(")
    message = simplest_message(cls)
    for field in dataclasses.fields(message):  # type: ignore[arg-type]
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(message, field.name, None)


def _replace_deep(wire: Any, old: object, new: object) -> Any:
    if type(wire) is tuple:
        return tuple(_replace_deep(item, old, new) for item in wire)
    return new if wire == old else wire
