"""Colours in text, and what must never reach the screen.

Runs in: tests.
"""

from __future__ import annotations

import pytest

from pyshell.console import ansi


@pytest.mark.parametrize(
    ("pen", "parameters", "after"),
    [
        ("", "31", "31"),
        ("", "1;31", "1;31"),
        ("31", "1", "1;31"),
        ("1;31", "", ""),
        ("1;31", "0", ""),
        ("1;31", "22", "31"),
        ("1;31;44", "39;49", "1"),
        ("", "38;5;208", "38;5;208"),
        ("", "38;2;1;2;3;4", "4;38;2;1;2;3"),
        ("", "38:5:208", "38;5;208"),
        ("", "38;5", ""),
        ("", "48;9;1", ""),
        ("31", "0;1", "1"),
        ("", "95", "95"),
        ("95", "35", "35"),
        ("", "999", ""),
    ],
)
def test_a_pen_follows_the_sequences(pen: str, parameters: str, after: str) -> None:
    assert ansi.combine(pen, parameters) == after


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("plain", [("", "plain")]),
        ("", []),
        ("\x1b[31mred\x1b[0m off", [("31", "red"), ("", " off")]),
        ("\x1b[31m\x1b[1mboth", [("1;31", "both")]),
        ("bell\x07 and \x00nul", [("", "bell and nul")]),
        ("a\tb", [("", "a       b")]),
        ("\x1b[1mab\tc", [("1", "ab      c")]),
        ("\x1b]0;title\x07text", [("", "text")]),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\ off", [(" http://x", "link"), ("", " off")]),
        ("\x1b[1m\x1b]8;id=7;file:///a\x07b\x1b[31mc", [("1 file:///a", "b"), ("1;31 file:///a", "c")]),
        ("\x1b[1m\x1b]8;;http://a\x07b\x1b[0mc", [("1 http://a", "b"), (" http://a", "c")]),
        ("\x1b]8;;http://a b\x07no \x1b]8;;h://é\x07link\x1b]8;;" + "x" * 2999 + "\x07", [("", "no "), ("", "link")]),
        ("\x1b[2J\x1b[10;10Htext\x1b[?25l", [("", "text")]),
        ("\x1bPdevice\x1b\\text", [("", "text")]),
        ("lone \x1b", [("", "lone ")]),
        ("c1 \x9b31m", [("", "c1 31m")]),
        ("漢字 \x1b[32mé", [("", "漢字 "), ("32", "é")]),
    ],
)
def test_a_line_becomes_runs_that_are_safe_to_show(line: str, expected: list[tuple[str, str]]) -> None:
    assert ansi.runs(line) == expected
    assert ansi.plain(line) == "".join(text for _, text in expected)


def test_changing_from_pen_to_pen_gives_the_pen() -> None:
    pens = ["", "1", "31", "1;31", "38;5;9", "4;48;2;1;2;3"]
    for before in pens:
        for after in pens:
            text = ansi.start(before) + ansi.change(before, after)
            assert ansi.pen_after("", text) == after


@pytest.mark.parametrize("pen", ["", "1;31", " http://x", "1;31 http://x"])
@pytest.mark.parametrize("other", ["", "32", " http://x", "1 http://y"])
def test_a_change_of_pen_is_what_a_pen_follows(pen: str, other: str) -> None:
    assert ansi.pen_after("", ansi.start(pen)) == pen
    assert ansi.pen_after(pen, ansi.change(pen, other)) == other
