"""Write a picture in sixel: bands of six pixels, in each one colour after the other. Pure.

Runs in: console.

As DEC has it in chapter 14 of the VT330/VT340 Programmer Reference Manual. What is counted here is counted by Python's
bytes and whole numbers and not pixel by pixel: a figure of 640x480 takes a tenth of a second.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from heapq import heappop, heappush

from pyshell.console.pictures import Color

COLORS = 256
"""So many registers every terminal has that does not say otherwise, but for the VT340 itself."""
BAND = 6
END = "\x1b\\"
_COARSE = 3
"""So many bits of a channel are left away where there are more colours than registers."""
_CHARACTERS = bytes(range(63, 63 + (1 << BAND))).ljust(256, b"?")
_RUN = re.compile(r"(.)\1{3,}")

Box = list[tuple[Color, int]]
"""Colours that become one, each with how many pixels it has."""


def encode(rows: Sequence[Sequence[Color]], colors: int = COLORS) -> Iterator[str]:
    """The sequence, in pieces: the palette, then each band, then its end."""
    palette, number = quantized(rows, colors)
    percents = [tuple([round(channel * 100 / 255) for channel in color]) for color in palette]
    registers = "".join([f"#{n};2;{red};{green};{blue}" for n, (red, green, blue) in enumerate(percents)])
    yield f'\x1bP0;1q"1;1;{len(rows[0])};{len(rows)}{registers}'
    for top in range(0, len(rows), BAND):
        yield _band([bytes([number[color] for color in row]) for row in rows[top : top + BAND]])
    yield END


def _band(rows: list[bytes]) -> str:
    """Six rows, or what is left: for each colour that is in them where it is."""
    parts = []
    for number in sorted(set(b"".join(rows))):
        # A byte for each column; its lowest bit is the uppermost pixel.
        bits = sum([int.from_bytes(row.translate(_only(number)), "big") << n for n, row in enumerate(rows)])
        text = bits.to_bytes(len(rows[0]), "big").translate(_CHARACTERS).decode("ascii").rstrip("?")
        parts.append(f"#{number}" + _RUN.sub(lambda run: f"!{len(run[0])}{run[1]}", text))
    return "$".join(parts) + "-"


@lru_cache(COLORS)
def _only(number: int) -> bytes:
    """A table that makes 1 of one byte and 0 of the others."""
    return bytes(number) + b"\1" + bytes(255 - number)


# --- colours ----------------------------------------------------------------------------------------


def quantized(rows: Sequence[Sequence[Color]], count: int) -> tuple[list[Color], dict[Color, int]]:
    """At most so many colours, and which of them stands for each that there is. A figure mostly keeps its own."""
    found: Counter[Color] = Counter()
    for row in rows:
        found.update(row)
    if len(found) <= count:
        return list(found), {color: number for number, color in enumerate(found)}
    coarse: Counter[Color] = Counter()
    for color, pixels in found.items():
        coarse[_coarse(color)] += pixels
    boxes = _boxes(list(coarse.items()), count)
    number = {color: at for at, box in enumerate(boxes) for color, _ in box}
    return [_mean(box) for box in boxes], {color: number[_coarse(color)] for color in found}


def _coarse(color: Color) -> Color:
    red, green, blue = color
    return red >> _COARSE, green >> _COARSE, blue >> _COARSE


def _boxes(colors: Box, count: int) -> list[Box]:
    """Median cut: the box that is widest for its pixels is halved, until there are enough (Heckbert, 1982)."""
    boxes = [(-_weight(colors), 0, colors)]
    for number in range(1, 2 * count - 1, 2):
        if not boxes[0][0]:  # each has one colour
            break
        for at, half in enumerate(_halves(heappop(boxes)[2])):
            heappush(boxes, (-_weight(half), number + at, half))
    return [box for _, _, box in boxes]


def _spread(box: Box) -> tuple[int, int]:
    """How far the colours lie apart in the channel in which that is most, and which one it is."""
    channels = list(zip(*[color for color, _ in box], strict=True))
    return max([(max(values) - min(values), channel) for channel, values in enumerate(channels)])


def _weight(box: Box) -> int:
    return _spread(box)[0] * sum([pixels for _, pixels in box])


def _halves(box: Box) -> tuple[Box, Box]:
    channel = _spread(box)[1]
    ordered = sorted(box, key=lambda entry: entry[0][channel])
    half, passed, at = sum([pixels for _, pixels in box]) / 2, 0, 0
    while at < len(ordered) - 1 and passed + ordered[at][1] <= half:
        passed += ordered[at][1]
        at += 1
    at = max(1, at)
    return ordered[:at], ordered[at:]


def _mean(box: Box) -> Color:
    pixels = sum([count for _, count in box])
    red, green, blue = [sum([color[n] * count for color, count in box]) / pixels for n in range(3)]
    return _full(red), _full(green), _full(blue)


def _full(channel: float) -> int:
    """Back from the coarse channel, so that white is white."""
    return round(channel * 255 / (255 >> _COARSE))
