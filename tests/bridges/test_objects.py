"""Messages as JSON objects.

Runs in: tests.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from pyshell import errors, protocol
from pyshell.bridges.faults import CODES, Fault, fault_of
from pyshell.bridges.objects import NotJson, from_object, parse, text, to_object
from pyshell.errors import ProtocolError
from pyshell.protocol import Checkout, Event, Execute, Keys, LoadNames, Message, Output, ReadEvents


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"\xff", b"NaN", b"[Infinity]", b'{"a":1,"a":2}', b"[" * 100_000, b"9" * 10_000, b'{"a":' * 9999],
)
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(NotJson):
        parse(data)


def test_what_is_written_is_ascii_and_can_be_read_again() -> None:
    value = {"text": "é\ud800\u2028\0", "list": [1, None, True, 1.5]}
    assert text(value).isascii() and json.loads(text(value)) == value
    assert text({"a": [float("nan"), 1.0, {"b": float("inf")}]}) == b'{"a":[null,1.0,{"b":null}]}'


def test_a_field_of_several_messages_tells_which() -> None:
    event = Event(3, 1, 2, "me", 4.5, Output("out"))
    assert to_object(event) == {
        "seq": 3, "epoch": 1, "cell": 2, "client": "me", "time": 4.5,
        "body": {"kind": "output", "text": "out", "stream": "stdout"},
    }  # fmt: skip
    assert to_object(Keys(b"\xff")) == {"data": "/w=="}


def test_a_request_has_its_defaults_and_numbers_of_one_kind() -> None:
    assert from_object(Execute, {"code": "x"}) == Execute("x")
    assert from_object(ReadEvents, {"after": 3.0, "timeout": 2}) == ReadEvents(3, None, 1000, 2.0)
    assert from_object(LoadNames, {"checkpoint": 1, "names": ["a"]}) == LoadNames(1, ("a",))
    assert from_object(Keys, {"data": "/w=="}) == Keys(b"\xff")


@pytest.mark.parametrize(
    ("cls", "given", "said"),
    [
        (Execute, {}, "'code' is missing"),
        (Execute, {"code": 1}, "must be str"),
        (Execute, {"code": "x", "cod": 1}, "no field 'cod'"),
        (Execute, {"code": "x", "line": True}, "must be int"),
        (Execute, {"code": "x", "line": 1.5}, "must be int"),
        (Execute, {"code": "x", "line": None}, "must be int"),
        (Checkout, {"way": "sideways"}, "must be one of"),
        (LoadNames, {"checkpoint": 1, "names": "ab"}, "must be a tuple"),
        (LoadNames, {"checkpoint": 1, "names": [["a"]]}, "must be str"),
        (LoadNames, {"checkpoint": {}, "names": []}, "must be int"),
        (Keys, {"data": "?"}, "base64"),
    ],
)
def test_a_request_that_cannot_be_meant_says_why(cls: type[Message], given: dict[str, Any], said: str) -> None:
    with pytest.raises(ProtocolError, match=said):
        from_object(cls, given)


def test_every_error_has_a_code_of_its_own() -> None:
    assert set(CODES) == set(errors._subclasses(errors.PyshellError).values())
    assert len(set(CODES.values())) == len(CODES)
    assert all(-32099 <= code <= -32000 for code in CODES.values())


def test_an_error_that_is_not_ours_is_told_without_its_traceback() -> None:
    assert fault_of(errors.StoreFull("full")).to_object() == {
        "code": CODES[errors.StoreFull], "message": "full", "data": {"kind": "StoreFull"},
    }  # fmt: skip
    assert fault_of(OSError("gone")).to_object()["code"] == CODES[errors.RemoteError]
    assert fault_of(Fault(-1, "said")).to_object() == {"code": -1, "message": "said"}


def test_every_request_can_be_made_of_an_object() -> None:
    for operation in protocol.HOST_OPERATIONS.values():
        from_fields = {name: getattr(operation.request, name, None) for name in operation.request._field_names}
        given = {name: value for name, value in from_fields.items() if value is not None}
        try:
            from_object(operation.request, given)
        except ProtocolError as exc:
            assert "is missing" in str(exc)
