"""Edits of the text at the prompt. A `|` in these texts is the cursor.

Runs in: tests.
"""

from __future__ import annotations

import pytest

from pyshell.console import buffer as edit
from pyshell.console.buffer import EDITS, KILLS, MOVES, Buffer


def at(marked: str) -> Buffer:
    return Buffer(marked.replace("|", "", 1), marked.index("|"))


def marked(buffer: Buffer) -> str:
    return f"{buffer.before}|{buffer.after}"


CASES = [
    ("left", "ab|c", "a|bc"),
    ("left", "|abc", "|abc"),
    ("left", "e\u0301|x", "|e\u0301x"),
    ("left", "👍🏽|", "|👍🏽"),
    ("right", "|e\u0301x", "e\u0301|x"),
    ("right", "abc|", "abc|"),
    ("right", "👨\u200d👩|x", "👨\u200d👩x|"),
    ("word_left", "foo.bar|", "foo.|bar"),
    ("word_left", "foo(|", "|foo("),
    ("word_right", "|foo.bar", "foo|.bar"),
    ("word_right", "foo|  ", "foo  |"),
    ("line_start", "a\nbcd|", "a\n|bcd"),
    ("line_end", "|a\nb", "a|\nb"),
    ("text_start", "a\nb|", "|a\nb"),
    ("text_end", "|a\nb", "a\nb|"),
    ("delete", "a|bc", "a|c"),
    ("delete", "abc|", "abc|"),
    ("backspace", "ab|c", "a|c"),
    ("backspace", "|ab", "|ab"),
    ("backspace", "if x:\n        |", "if x:\n    |"),
    ("backspace", "      |x", "    |x"),
    ("backspace", "x    |", "x   |"),
    ("backspace", "a\n|b", "a|b"),
    ("dedent", "a\n      x|y", "a\n  x|y"),
    ("dedent", "x|", "x|"),
    ("kill_to_line_end", "a|bc\nd", "a|\nd"),
    ("kill_to_line_end", "abc|\nd", "abc|d"),
    ("kill_to_line_start", "a\nbc|d", "a\n|d"),
    ("kill_word_left", "print(x) + foo.bar|", "print(x) + |"),
    ("kill_word_left", "a  |b", "|b"),
    ("kill_name_left", "foo.bar|", "foo.|"),
    ("kill_name_right", "|foo.bar", "|.bar"),
]


@pytest.mark.parametrize(("name", "before", "after"), CASES)
def test_edits(name: str, before: str, after: str) -> None:
    assert marked({**MOVES, **EDITS, **KILLS}[name](at(before))) == after


def test_every_edit_has_a_case() -> None:
    assert {name for name, _, _ in CASES} == {*MOVES, *EDITS, *KILLS} - {"line_up", "line_down"}


@pytest.mark.parametrize(
    ("function", "before", "after"),
    [
        (edit.up, "abc\nd|e", "a|bc\nde"),
        (edit.up, "a\nbcd|", "a|\nbcd"),
        (edit.up, "a|", "a|"),
        (edit.down, "ab|c\nd", "abc\nd|"),
        (edit.down, "a\nb|", "a\nb|"),
        (edit.indent, "a|", "a   |"),
        (edit.indent, "    |", "        |"),
        (edit.newline, "if x:|", "if x:\n    |"),
        (edit.newline, "    return 1|", "    return 1\n|"),
        (edit.newline, "    x = 1|", "    x = 1\n    |"),
        (edit.newline, "if x:|  y", "if x:\n    |y"),
    ],
)
def test_moves_and_lines(function: object, before: str, after: str) -> None:
    assert marked(function(at(before))) == after  # type: ignore[operator]


@pytest.mark.parametrize("text", ["", "\n", "  \n\n x", "漢字 é", "a" * 50])
def test_no_edit_leaves_the_text(text: str) -> None:
    for function in (*EDITS.values(), *KILLS.values(), edit.up, edit.down, edit.indent, edit.newline):
        for cursor in range(len(text) + 1):
            after = function(Buffer(text, cursor))
            assert 0 <= after.cursor <= len(after.text)
