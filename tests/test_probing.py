"""What terminals answer is understood, and what they do not is not taken for an answer.

Runs in: tests.
"""

from __future__ import annotations

from pyshell.subcommands.probing import MODES, WIDTHS, answers, questions

KITTY = (
    "\x1bP>|kitty(0.35.2)\x1b\\\x1b_Gi=31;OK\x1b\\\x1bP1$r0;48:2:1:2:3m\x1b\\\x1bP1+r4d73=5C\x1b\\"
    "\x1b[?2004;2$y\x1b[?1004;2$y\x1b[?1006;2$y\x1b[?2026;2$y\x1b[1;3R\x1b[1;3R\x1b[1;3R\x1b[1;2R\x1b[?62;c"
)
XTERM = (
    "\x1bP>|XTerm(390)\x1b\\\x1bP1$r48;2;1;2;3m\x1b\\\x1b[?2004;1$y\x1b[?2026;0$y"
    "\x1b[24;3R\x1b[24;3R\x1b[24;5R\x1b[24;2R\x1b[?64;1;2;4;52;22c"
)


def test_a_terminal_that_can_do_much() -> None:
    told = answers(KITTY)
    assert told.has_answered and told.name == "kitty(0.35.2)" and told.modes == frozenset(MODES)
    assert told.has_kitty_graphics and not told.has_sixel and told.has_clipboard and told.has_true_colour
    assert told.widths == {name: width for name, (_, width) in WIDTHS.items()}


def test_sixel_and_a_wide_emoji() -> None:
    told = answers(XTERM)
    assert told.has_sixel and told.has_clipboard and not told.has_kitty_graphics
    assert told.modes == {2004} and told.widths["a joined emoji"] == 4


def test_a_terminal_that_says_only_that_it_is_one() -> None:
    told = answers("\x1b[?6c")
    assert told.has_answered
    assert not (told.name or told.modes or told.widths or told.has_sixel or told.has_kitty_graphics)
    assert told.has_clipboard is None and told.has_true_colour is None
    assert not answers("typed meanwhile").has_answered


def test_the_last_question_is_the_one_that_everybody_answers() -> None:
    assert questions().endswith("\x1b[c") and questions().count("\x1b[6n") == len(WIDTHS)
