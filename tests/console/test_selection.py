"""Selecting, edits of whole lines, brackets, undo. In these texts `|` is the cursor and `!` the mark.

Runs in: tests.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pyshell.console import brackets, selection
from pyshell.console.buffer import MOVES, Buffer, filled, insert
from pyshell.console.highlight import highlight
from pyshell.console.undoing import Steps


def at(marked: str) -> Buffer:
    text = marked.replace("|", "").replace("!", "")
    mark = marked.replace("|", "").index("!") if "!" in marked else None
    return Buffer(text, marked.replace("!", "").index("|"), mark)


def shown(buffer: Buffer) -> str:
    signs = [(buffer.cursor, "|")] + ([(buffer.mark, "!")] if buffer.mark is not None else [])
    text = buffer.text
    for place, sign in sorted(signs, reverse=True):
        text = text[:place] + sign + text[place:]
    return text


@pytest.mark.parametrize(
    ("change", "before", "after"),
    [
        (selection.without, "a!bc|d", "a|d"),
        (selection.without, "a|bc!d", "a|d"),
        (selection.without, "ab|", "ab|"),
        (selection.marked, "a|b", "a!|b"),
        (selection.marked, "a!|b", "a|b"),
        (selection.select_all, "a|b", "!ab|"),
        (selection.indent_lines, "!a\n\nb|", "    !a\n\n    b|"),
        (selection.indent_lines, "!a\n|b", "    !a\n|b"),
        (selection.dedent_lines, "!    a\n  b|\n c", "!a\nb|\n c"),
        (selection.comment, "if x:\n    |y", "if x:\n    # |y"),
        (selection.comment, "!if x:\n\n    y|", "# !if x:\n\n#     y|"),
        (selection.comment, "!# if x:\n#     y|", "!if x:\n    y|"),
        (selection.comment, "|", "|"),
    ],
)
def test_edits_of_what_is_selected(change: Callable[[Buffer], Buffer], before: str, after: str) -> None:
    text, cursor, mark = change(at(before))
    wanted = at(after)
    assert (text, cursor) == (wanted.text, wanted.cursor)
    if change is not selection.without:
        assert (mark is None) == (wanted.mark is None)


def test_moving_with_shift_selects_from_where_it_began() -> None:
    buffer = selection.extended(at("a|bc"), MOVES["right"])
    assert shown(buffer) == "a!b|c"
    buffer = selection.extended(buffer, MOVES["line_start"])
    assert selection.selected(buffer) == "a"
    assert MOVES["right"](buffer).mark is None


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("|f(a)", None), ("f|(a)", 3), ("f(a|)", 1), ("f(a)|", 1), ("f|(')')", 5), ("f('|)')", None),
        ("|(\n[\n{}]\n)", 8), ("(\n[\n{}]\n|)", 0), ("(|[\n{}\n]", 6), ("|(", None), ("# |()", None), ("", None),
        ("x|", None),
    ],
)  # fmt: skip
def test_the_other_bracket(text: str, other: int | None) -> None:
    buffer = at(text) if text else Buffer()
    place = brackets.at_cursor(buffer)
    assert (None if place is None else brackets.partner(highlight(buffer.text), place)) == other


def test_a_word_is_undone_at_once_and_redone() -> None:
    steps, buffer = Steps(), Buffer()
    for letter in "one two":
        after = insert(buffer, letter)
        steps.changed(buffer, after)
        buffer = after
    texts = []
    while (before := steps.undo(buffer)) is not None:
        buffer = before
        texts.append(buffer.text)
    assert texts == ["one", ""]
    while (later := steps.redo(buffer)) is not None:
        buffer = later
    assert buffer.text == "one two"


def test_what_is_typed_after_undo_cannot_be_redone() -> None:
    steps = Steps()
    steps.changed(Buffer(), filled("a b"))
    undone = steps.undo(filled("a b"))
    assert undone is not None
    steps.changed(undone, filled("c"))
    assert steps.redo(filled("c")) is None
    steps.clear()
    assert steps.undo(filled("c")) is None
