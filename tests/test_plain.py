"""What may pass between two processes, and what may not.

Runs in: tests.
"""

from __future__ import annotations

from typing import Any

import pytest
from rpyc.core import brine

from pyshell.errors import ProtocolError
from pyshell.plain import MAX_FRAME, Strange, decode, plain


class FakeText(str):
    pass


class Liar:
    """Claims to be a str, as a netref does."""

    @property  # type: ignore[misc]
    def __class__(self) -> type:  # type: ignore[override]
        return str


def nested(depth: int) -> Any:
    value: Any = ()
    for _ in range(depth):
        value = (value,)
    return value


REFUSED = {
    "list": [],
    "dict": {},
    "set": frozenset(),
    "subclass": FakeText("x"),
    "complex": 1j,
    "bytearray": bytearray(b"x"),
    "ellipsis": ...,
    "slice": slice(1),
    "liar": Liar(),
    "in a tuple": (1, (2, [3])),
    "deep": nested(40),
    "very deep": nested(100_000),
    "int": 1 << 5000,
    "negative int": -(1 << 5000),
    "text": "x" * (9 << 20),
    "wide text": "\u20ac" * (3 << 20),
    "bytes": b"x" * (9 << 20),
    "many": (0,) * 600_000,
    "many ints": ((1 << 4000),) * 10_000,
    "sum": ("x" * (5 << 20),) * 2,
}


@pytest.mark.parametrize("name", REFUSED)
def test_only_plain_values_of_a_bounded_size_are_taken(name: str) -> None:
    with pytest.raises(ProtocolError):
        plain(REFUSED[name])


def test_plain_values_come_back_equal_and_of_the_same_types() -> None:
    value = (
        None,
        True,
        0,
        -1,
        1 << 4000,
        1.5,
        float("inf"),
        "text \u20ac \U0001f600",
        b"\0\xff",
        (),
        ((1,),),
        nested(30),
    )
    copied: Any = plain(value)
    assert copied == value
    assert [type(item) for item in copied] == [type(item) for item in value]


def test_what_may_be_sent_fits_into_a_frame() -> None:
    largest = [("x" * (MAX_FRAME - 64),), ((1 << 4095),) * 6000, (1 << 61,) * 200_000, ("",) * 500_000]
    for value in largest:
        assert len(brine.dump(plain(value))) <= MAX_FRAME


def test_lone_surrogates_are_escaped() -> None:
    assert plain(("a\ud800b", "\udc80")) == ("a\\ud800b", "\\udc80")


VALUES: list[Any] = [
    None, True, False, 0, 1, -48, 159, -49, 160, 10**200, -(10**200), 1.5, float("inf"), "", "a", "x" * 5, "é" * 200,
    "x" * 300, b"", b"a", b"ab", b"abc", b"abcd", b"abcde", b"x" * 300, (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4),
    tuple(range(5)), tuple(range(300)), nested(30), (7, (1, ("name", ("tag", "text", None, (("a", 1.5),))))),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_what_rpyc_encodes_is_decoded(value: Any) -> None:
    found = decode(brine.dump(value))
    assert found == value and type(found) is type(value)


STRANGE: dict[str, bytes] = {
    **{name: brine.dump(REFUSED[name]) for name in ("set", "complex", "ellipsis", "slice", "deep", "int", "many")},
    "nothing": b"", "more": brine.dump(1) + b"P", "no tag": b"\xff", "not utf-8": b"\x08\x0b\xff\xfe",
    "a text that is no text": b"\x08\x50", "an int of letters": b"\x16\x02xx",
}  # fmt: skip


@pytest.mark.parametrize("name", STRANGE)
def test_all_else_is_left_to_rpyc(name: str) -> None:
    with pytest.raises(Strange):
        decode(STRANGE[name])


def test_half_of_a_value_is_none() -> None:
    for value in VALUES:
        data = brine.dump(value)
        for size in range(len(data)):
            with pytest.raises(Strange):
                decode(data[:size])
