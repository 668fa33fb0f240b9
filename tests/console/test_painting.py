"""What is sent to the terminal makes the same screen, whichever way it was decided, and is little.

Runs in: tests.
"""

from __future__ import annotations

import io
import random
from typing import Any

import pyte
import pytest
import urwid

from pyshell.console import painting, theme
from pyshell.console.painting import Painter
from pyshell.console.rows import Run, canvas, fit
from pyshell.console.scrolling import scroll_between

WIDTH, HEIGHT = 40, 14
STYLES = [None, "menu", "menu.selected", "menu.head", "prompt", "error", "status", "fold", "code.definition"]
TEXTS = ["", "word", "a longer text ", "漢字", " " * 12, "e\u0301", "… é ─ ", "x", "  "]


class Sent(Painter):
    """A screen whose bytes go to an emulator."""

    def __init__(self) -> None:
        super().__init__()
        self._started = True
        self.set_terminal_properties(colors=256)
        self.register_palette(theme.PALETTE)
        self.sent = self._term_output_file = io.StringIO()

    def taken(self) -> str:
        data = self.sent.getvalue()
        self.sent = self._term_output_file = io.StringIO()
        return data


def drawn(rows: list[list[Run]], cursor: tuple[int, int] | None) -> urwid.Canvas:
    return urwid.CompositeCanvas(canvas([fit(runs, WIDTH) for runs in rows], WIDTH, cursor))


def looks(screen: pyte.Screen) -> list[list[Any]]:
    return [[screen.buffer[y][x] for x in range(WIDTH)] for y in range(HEIGHT)]


@pytest.mark.parametrize("seed", range(10))
def test_what_is_sent_makes_the_same_screen(seed: int) -> None:
    monkey = random.Random(seed)
    display = Sent()
    shown = pyte.Screen(WIDTH, HEIGHT)
    stream = pyte.Stream(shown)
    rows: list[list[Run]] = [[] for _ in range(HEIGHT)]
    for _ in range(150):
        if monkey.random() < 0.2:
            lines, fixed = monkey.randint(1, 4), monkey.randint(0, 3)
            rows = [*rows[lines : HEIGHT - fixed], *[[] for _ in range(lines)], *rows[HEIGHT - fixed :]]
        for y in monkey.sample(range(HEIGHT), monkey.randint(0, 3)):
            texts = monkey.choices(TEXTS, k=monkey.randint(0, 4))
            rows[y] = [(monkey.choice(STYLES), text) for text in texts]
        frame = drawn(rows, (monkey.randrange(WIDTH), monkey.randrange(HEIGHT)))
        display.draw_screen((WIDTH, HEIGHT), frame)
        stream.feed(display.taken())
        fresh, whole = Sent(), pyte.Screen(WIDTH, HEIGHT)
        fresh.draw_screen((WIDTH, HEIGHT), frame)
        pyte.Stream(whole).feed(fresh.taken())
        assert shown.display == whole.display
        assert looks(shown) == looks(whole)
        assert (shown.cursor.x, shown.cursor.y) == (whole.cursor.x, whole.cursor.y)


def test_a_letter_costs_a_few_bytes_and_nothing_costs_nothing() -> None:
    display = Sent()
    rows: list[list[Run]] = [[(None, "some text " * 3)] for _ in range(HEIGHT)]
    display.draw_screen((WIDTH, HEIGHT), drawn(rows, (0, 0)))
    display.taken()
    rows[3] = [(None, "some text " * 3 + "x")]
    display.draw_screen((WIDTH, HEIGHT), drawn(rows, (31, 3)))
    assert len(display.taken()) < 30
    display.draw_screen((WIDTH, HEIGHT), drawn(rows, (31, 3)))
    assert display.taken() == ""
    display.write("something else")
    display.draw_screen((WIDTH, HEIGHT), drawn(rows, (31, 3)))
    assert display.taken().endswith("\x1b[4;32H\x1b[?25h")


def test_rows_that_move_up_are_moved_and_not_sent_again() -> None:
    display = Sent()
    shown = pyte.Screen(WIDTH, HEIGHT)
    stream = pyte.Stream(shown)
    rows: list[list[Run]] = [[("prompt", f"{n:03} 漢字 some long text")] for n in range(HEIGHT - 2)]
    below: list[list[Run]] = [[("prompt", "In [9]: ")], [("status", "idle")]]
    display.draw_screen((WIDTH, HEIGHT), drawn([*rows, *below], (8, HEIGHT - 2)))
    stream.feed(display.taken())
    rows = [*rows[2:], [("prompt", "In [9]: x")], [(None, "1")]]
    display.draw_screen((WIDTH, HEIGHT), drawn([*rows, *below], (8, HEIGHT - 2)))
    sent = display.taken()
    stream.feed(sent)
    assert len(sent) < 150, sent
    assert [line.rstrip() for line in shown.display[-4:]] == ["In [9]: x", "1", "In [9]:", "idle"]
    assert shown.display[0].startswith("002")
    assert (shown.cursor.x, shown.cursor.y, shown.cursor.hidden) == (8, HEIGHT - 2, False)


def test_a_scroll_is_only_where_it_saves_something() -> None:
    before = list(range(20))
    assert scroll_between(before, [*before[3:18], "new", "new", "new", *before[18:]]) == (3, 15)
    assert scroll_between(before, before[::-1]) is None
    assert scroll_between(before, [*before[16:], *range(50, 66)]) is None
    assert scroll_between([], []) is None


@pytest.mark.parametrize(
    ("before", "after", "sent"),
    [
        ("\x1b[0;30;47m", "\x1b[0;34;47m", "\x1b[34m"),
        ("\x1b[0;39;49m", "\x1b[0;30;1;47m", "\x1b[30;47;1m"),
        ("\x1b[0;30;1;47m", "\x1b[0;30;47m", "\x1b[0;30;47m"),
        ("\x1b[0;97;1;44m", "\x1b[0;39;49m", "\x1b[m"),
        ("\x1b[0;38;5;130;49m", "\x1b[0;38;5;131;4;49m", "\x1b[38;5;131;4m"),
        ("\x1b[0;38;2;9;4;7;48;2;3;4;5m", "\x1b[0;38;2;9;4;7;49m", "\x1b[49m"),
        (None, "\x1b[0;39;49m", "\x1b[m"),
        (None, "\x1b[0;39;7;49m", "\x1b[0;7m"),
        ("\x1b[0;39;49m", "\x1b[0;39;49m\x1b[1;7}", "\x1b[0;39;49m\x1b[1;7}"),
        ("\x1b[0;39;49m\x1b[1;7}", "\x1b[0;31;49m", "\x1b[0;31m"),
    ],
)
def test_of_a_look_only_what_differs_is_sent(before: str | None, after: str, sent: str) -> None:
    assert painting._change(before, after) == sent


def test_a_cursor_that_goes_is_hidden_and_comes_back() -> None:
    display = Sent()
    rows: list[list[Run]] = [[] for _ in range(HEIGHT)]
    for cursor, end in (
        ((0, 0), "\x1b[?25h"),
        ((3, 3), "\x1b[4;4H\x1b[?25h"),
        (None, "\x1b[?25l"),
        ((3, 3), "\x1b[?25h"),
    ):
        display.draw_screen((WIDTH, HEIGHT), drawn(rows, cursor))
        assert display.taken().endswith(end)
