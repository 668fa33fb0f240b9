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

from pyshell.console import theme
from pyshell.console.painting import Painter
from pyshell.console.rows import Run, canvas, fit

WIDTH, HEIGHT = 40, 8
STYLES = [None, "menu", "menu.selected", "prompt", "error", "status"]


class Sent(Painter):
    """A screen whose bytes go to an emulator."""

    def __init__(self) -> None:
        super().__init__()
        self._started = True
        self.set_terminal_properties(colors=256)
        self.register_palette(theme.PALETTE)
        self.sent = io.StringIO()

    def write(self, data: str) -> None:
        self.sent.write(data)

    def flush(self) -> None:
        pass

    def taken(self) -> str:
        data, self.sent = self.sent.getvalue(), io.StringIO()
        return data


def drawn(rows: list[list[Run]], cursor: tuple[int, int]) -> urwid.Canvas:
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
        for y in monkey.sample(range(HEIGHT), monkey.randint(0, 3)):
            texts = monkey.choices(["", "word", "a longer text ", "漢字", " " * 12, "e\u0301"], k=monkey.randint(0, 4))
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
    assert len(display.taken()) < 60
    display.draw_screen((WIDTH, HEIGHT), drawn(rows, (31, 3)))
    assert len(display.taken()) < 20
