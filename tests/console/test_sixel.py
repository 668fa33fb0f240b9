"""Pictures in sixel, read back by a terminal's rules; and what terminals say of themselves.

Runs in: tests.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyshell.console import sixel
from pyshell.console.pictures import Color
from pyshell.console.viewing import Told, hear

TOKEN = re.compile(r'"(?P<raster>[\d;]+)|#(?P<color>[\d;]+)|!(?P<count>\d+)(?P<repeated>[?-~])|(?P<one>[?-~])|[$-]')


def decode(sequence: str) -> tuple[list[list[Color | None]], int]:
    """The pixels, and how many colours were defined: as DEC's manual says that a terminal draws."""
    start = re.match(r"\x1bP[\d;]*q", sequence)
    assert start and sequence.endswith("\x1b\\"), sequence[:20]
    body = sequence[start.end() : -2]
    tokens = list(TOKEN.finditer(body))
    assert "".join([token[0] for token in tokens]) == body
    palette: dict[int, Color] = {}
    pixels: list[list[Color | None]] = []
    x = top = color = 0
    for token in tokens:
        if token["raster"]:
            _, _, width, height = map(int, token["raster"].split(";"))
            pixels = [[None] * width for _ in range(height)]
        elif token["color"]:
            color, *defined = map(int, token["color"].split(";"))
            if defined:
                kind, *percents = defined
                assert kind == 2 and max(percents) <= 100
                red, green, blue = (round(one * 255 / 100) for one in percents)
                palette[color] = (red, green, blue)
        elif token[0] in "$-":
            x, top = 0, top + 6 * (token[0] == "-")
        else:
            bits = ord(token["one"] or token["repeated"]) - 63
            begin, x = x, x + int(token["count"] or 1)
            for column, row in product(range(begin, x), range(6)):
                if bits >> row & 1:
                    assert pixels[top + row][column] is None, "drawn twice"
                    pixels[top + row][column] = palette[color]
    return pixels, len(palette)


def written(rows: list[list[Color]], colors: int = sixel.COLORS) -> tuple[list[list[Color | None]], int]:
    return decode("".join(sixel.encode(rows, colors)))


def distance(ours: Color | None, theirs: Color) -> int:
    assert ours is not None, "a pixel is missing"
    return max([abs(a - b) for a, b in zip(ours, theirs, strict=True)])


def shade(x: int, y: int) -> Color:
    return (x * 4, y * 5, (x + y) * 2)


@given(st.data(), st.integers(1, 12), st.integers(1, 20))
def test_what_is_read_back_is_what_was_written(data: st.DataObject, width: int, height: int) -> None:
    channel = st.integers(0, 255)
    color = st.tuples(channel, channel, channel)
    rows = data.draw(st.lists(st.lists(color, min_size=width, max_size=width), min_size=height, max_size=height))
    read, _ = written(rows)
    assert len(read) == height
    for line, original in zip(read, rows, strict=True):
        assert max([distance(a, b) for a, b in zip(line, original, strict=True)]) <= 2  # registers have percents


@pytest.mark.parametrize(("colors", "tolerance"), [(256, 40), (16, 110), (2, 255)])
def test_more_colours_than_registers_become_near_ones(colors: int, tolerance: int) -> None:
    rows = [[shade(x, y) for x in range(64)] for y in range(50)]
    read, count = written(rows, colors)
    assert 1 < count <= colors
    pairs = [(a, b) for line, original in zip(read, rows, strict=True) for a, b in zip(line, original, strict=True)]
    assert max([distance(a, b) for a, b in pairs]) <= tolerance


def test_white_stays_white_beside_many_colours() -> None:
    dice = random.Random(1)
    rows = [[(255, 255, 255)] * 40 for _ in range(30)]
    rows += [[(dice.randrange(256), dice.randrange(256), dice.randrange(256)) for _ in range(40)] for _ in range(30)]
    read, _ = written(rows)
    assert read[0][0] is not None and min(read[0][0]) >= 250


def test_runs_are_counted() -> None:
    white, blue = (255, 255, 255), (0, 0, 255)
    pieces = list(sixel.encode([[white] * 600 + [blue] * 40] * 480))
    assert len("".join(pieces)) < 3000
    assert pieces[0].startswith('\x1bP0;1q"1;1;640;480') and pieces[1] == "#0!600~$#1!600?!40~-"
    assert len(pieces) == 82 and pieces[-1] == sixel.END


def told(*answers: str) -> Told:
    found = Told()
    for answer in answers:
        found = hear(found, answer)
    return found


@pytest.mark.parametrize(
    ("answer", "is_so"),
    [
        ("\x1b[?62;4c", lambda told: told.has_answered and told.has_sixel),
        ("\x1b[?4;6c", lambda told: told.has_answered and not told.has_sixel),  # the first says what kind it is
        ("\x1b[?62;14;44c", lambda told: told.has_answered and not told.has_sixel),
        ("\x1b[?6c", lambda told: told.has_answered and not told.has_sixel),
        ("\x1b[?1;0;16S", lambda told: told.colors == 16),
        ("\x1b[?1;0;65536S", lambda told: told.colors == 256),
        ("\x1b[?1;3;0S", lambda told: told == Told()),
        ("\x1b[?2;0;800;600S", lambda told: told.largest == (800, 600)),
        ("\x1b[?2;0;0;0S", lambda told: told == Told()),
        ("\x1b[6;20;10t", lambda told: told.cell == (10, 20)),
        ("\x1b[4;600;800t", lambda told: told.window == (800, 600)),
        ("\x1b[4;0;0t", lambda told: told == Told()),
        ("\x1b[I", lambda told: told == Told()),
    ],
)
def test_what_terminals_answer(answer: str, is_so: Callable[[Told], bool]) -> None:
    assert is_so(told(answer))
