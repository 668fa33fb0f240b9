"""Input that is no key: pastes, the wheel, bytes for the program.

Runs in: tests.
"""

from __future__ import annotations

from typing import Any

import pytest

from pyshell.console.keyboard import Keyboard, Listeners


@pytest.fixture
def told() -> list[Any]:
    return []


@pytest.fixture
def keyboard(told: list[Any]) -> Keyboard:
    return Keyboard(Listeners(told.append, told.append, told.append))


def test_keys_pass(keyboard: Keyboard, told: list[Any]) -> None:
    assert keyboard.filter(["a", "enter", "up", "up"], []) == ["a", "enter", "up", "up"]
    assert told == []


def test_a_paste_is_collected_over_several_reads(keyboard: Keyboard, told: list[Any]) -> None:
    assert keyboard.filter(["a", "begin paste", "x", "enter"], []) == ["a"]
    assert keyboard.filter(["tab", "ctrl c", "漢"], []) == []
    assert keyboard.filter(["y", "end paste", "b"], []) == ["b"]
    assert told == ["x\n\t漢y"]


def test_many_arrow_keys_in_one_read_are_the_wheel(keyboard: Keyboard, told: list[Any]) -> None:
    assert keyboard.filter(["up"] * 3, []) == []
    assert keyboard.filter(["down"] * 5, []) == []
    assert keyboard.filter(["down", "down", "up"], []) == ["down", "down", "up"]
    assert told == [-3, 5]


def test_reports_of_the_focus_are_no_keys(keyboard: Keyboard, told: list[Any]) -> None:
    assert keyboard.is_focused is None
    assert keyboard.filter(["focus out"], [27, 91, 79]) == []
    assert (keyboard.is_focused, keyboard.pressed) == (False, 0.0)
    keyboard.is_raw = True
    assert keyboard.filter(["focus in"], [27, 91, 73]) == []
    assert (keyboard.is_focused, told) == (True, [])
    assert keyboard.filter([], []) == []


def test_a_report_of_the_focus_comes_together_with_keys(keyboard: Keyboard, told: list[Any]) -> None:
    assert keyboard.filter(["focus in", "a"], [27, 91, 73, 97]) == ["a"]
    assert keyboard.filter(["b", "focus out"], [98, 27, 91, 79]) == ["b"]
    assert (keyboard.is_focused, told) == (False, [])


def test_bytes_go_to_the_program_until_the_key_that_ends_it(keyboard: Keyboard, told: list[Any]) -> None:
    keyboard.is_raw = True
    assert keyboard.filter(["up", "ctrl c"], list(b"\x1b[A\x03")) == []
    assert keyboard.filter(["q", "ctrl ]", "x"], list(b"q\x1dx")) == ["x"]
    assert told == [b"\x1b[A\x03", b"q", b""]
    assert keyboard.filter(["a"], list(b"a")) == ["a"]


def test_ctrl_c_ends_a_paste_that_has_no_end(keyboard: Keyboard, told: list[Any]) -> None:
    assert keyboard.filter(["begin paste", "x"], []) == []
    assert keyboard.filter(["ctrl c"], []) == []
    assert keyboard.filter(["ctrl c"], []) == ["ctrl c"]
    assert told == ["x"]


def test_an_escape_before_the_key_that_ends_it_is_the_programs(keyboard: Keyboard, told: list[Any]) -> None:
    keyboard.is_raw = True
    assert keyboard.filter(["meta ctrl ]", "x"], list(b"\x1b\x1dx")) == ["x"]
    assert told == [b"\x1b", b""]
