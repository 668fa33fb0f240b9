"""The terminal's input: what is pasted comes as text, however it is cut, and everything else as keys.

Runs in: tests.
"""

from __future__ import annotations

from typing import Any

import pytest

from pyshell.console.display import Display
from pyshell.console.keyboard import Pasted

BEGIN, END = b"\x1b[200~", b"\x1b[201~"


def keys_of(*pieces: bytes) -> list[Any]:
    display = Display()
    found: list[Any] = []
    raw: list[int] = []

    def told(keys: list[Any], codes: list[int]) -> None:
        found.extend(keys)
        raw.extend(codes)

    for piece in pieces:
        display.parse_input(None, told, [*display._partial_codes, *piece])
    assert bytes(raw) == b"".join(pieces)
    return joined(found)


def joined(keys: list[Any]) -> list[Any]:
    """With the pieces of a paste as one."""
    whole: list[Any] = []
    for key in keys:
        if isinstance(key, Pasted) and whole and isinstance(whole[-1], Pasted):
            whole[-1] = Pasted(whole[-1] + key)
        elif key != "":
            whole.append(key)
    return whole


WHOLE = b"a" + BEGIN + "x = '漢' \x1b[A\t#\r\x1b[20up".encode() + END + b"b\x1b[A" + BEGIN + b"2" + END
KEYS = ["a", "begin paste", "x = '漢' [A\t#\n[20up", "end paste", "b", "up", "begin paste", "2", "end paste"]


@pytest.mark.parametrize("at", range(len(WHOLE) + 1))
def test_a_paste_is_text_wherever_it_is_cut(at: int) -> None:
    assert keys_of(WHOLE[:at], WHOLE[at:]) == KEYS


def test_it_may_come_byte_by_byte() -> None:
    assert keys_of(*[bytes([code]) for code in WHOLE]) == KEYS


def test_ctrl_c_alone_ends_a_paste_that_has_no_end() -> None:
    assert keys_of(BEGIN + b"x\x03y", b"z", b"\x03", b"\x1b[B") == ["begin paste", "xyz", "ctrl c", "down"]
