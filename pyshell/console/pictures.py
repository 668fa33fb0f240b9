"""Draw PNG pictures with half blocks, two pixels in a cell. Pure.

Runs in: console, decoding in a thread of remote.py.

Without a library: a figure of 640x480 takes some tenths of a second, beside the keyboard, and once.
"""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from pyshell.protocol import MimeData

PNG = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
MAX_PIXELS = 4_000_000
MAX_SIZE = 16_000_000
"""Characters of base64."""
BLOCK = "▀"

Color = tuple[int, int, int]
Half = tuple[Color, Color]
"""The upper and the lower pixel of a cell."""


class Picture(NamedTuple):
    """A picture of the transcript, and how many cells it takes there."""

    data: MimeData
    columns: int
    rows: int
    cell: int | None


def measures(data: MimeData) -> tuple[int, int]:
    """Width and height from the header of a PNG, which comes first and has a fixed length; zeros if it is none."""
    try:
        head = base64.b64decode(data.data[:32], validate=True)
    except binascii.Error:
        return 0, 0
    if data.mime != "image/png" or not head.startswith(PNG) or len(head) < 24:
        return 0, 0
    width, height = struct.unpack(">II", head[16:24])
    return width, height


def fit(data: MimeData, columns: int, rows: int, cell: int | None) -> Picture | None:
    """The picture in at most so many cells; None if it cannot be drawn. It is never made larger than it is."""
    width, height = measures(data)
    if not width or not height or width * height > MAX_PIXELS or len(data.data) > MAX_SIZE:
        return None
    scale = min(1.0, columns / width, 2 * rows / height)
    return Picture(data, max(1, round(width * scale)), max(1, round(height * scale / 2)), cell)


def draw(picture: Picture) -> list[list[Half]] | None:
    """The colours of all cells by row; None if this kind of PNG is not known here, or it is broken."""
    try:
        rows = list(pixels(picture.data, picture.columns, picture.rows * 2))
    except ValueError:
        return None
    return [list(zip(upper, lower, strict=True)) for upper, lower in zip(rows[::2], rows[1::2], strict=True)]


def pixels(data: MimeData, columns: int, rows: int) -> Iterator[list[Color]]:
    """The picture scaled to that size, row by row; ValueError if this kind of PNG is not known, or it is broken."""
    count = 0
    try:
        for row in _pixels(base64.b64decode(data.data), columns, rows):
            count += 1
            yield row
    except (binascii.Error, zlib.error, struct.error, IndexError) as error:
        raise ValueError(str(error)) from error
    if count != rows:
        raise ValueError("it ends too early")


def _pixels(png: bytes, columns: int, rows: int) -> Iterator[list[Color]]:
    """Each pixel is the mean of those that it stands for."""
    width, height, depth, kind, _, _, interlaced = struct.unpack(">IIBBBBB", png[16:29])
    if depth != 8 or kind not in CHANNELS or interlaced:
        raise ValueError("a kind of PNG that is seldom")
    palette, transparent, packed = _chunks(png)
    channels = CHANNELS[kind]
    stride = width * channels
    lines = _unfiltered(zlib.decompressobj().decompress(packed, (stride + 1) * height), stride, channels)
    x_edges = [width * x // columns for x in range(columns + 1)]
    taken: list[list[Color]] = []
    y = 0
    for at, line in enumerate(lines, 1):
        taken.append(_scaled(_rgb(line, kind, palette, transparent), x_edges))
        if at >= height * (y + 1) // rows:
            merged = taken[0] if len(taken) == 1 else [_mean(column) for column in zip(*taken, strict=True)]
            while y < rows and at >= height * (y + 1) // rows:
                yield merged
                y += 1
            taken = []


def _chunks(png: bytes) -> tuple[bytes, bytes, bytes]:
    at, palette, transparent, packed = len(PNG), b"", b"", []
    while at + 8 <= len(png):
        (length,), name = struct.unpack(">I", png[at : at + 4]), png[at + 4 : at + 8]
        body = png[at + 8 : at + 8 + length]
        palette, transparent = (body if name == b"PLTE" else palette), (body if name == b"tRNS" else transparent)
        if name == b"IDAT":
            packed.append(body)
        at += 12 + length
    return palette, transparent, b"".join(packed)


def _unfiltered(raw: bytes, stride: int, step: int) -> Iterator[bytes]:
    """The lines without their filters: https://www.w3.org/TR/png-3/#9Filters."""
    before = bytes(stride)
    for start in range(0, len(raw) - stride, stride + 1):
        kind, line = raw[start], raw[start + 1 : start + 1 + stride]
        if kind == 1:
            found = bytearray(stride)
            for channel in range(step):
                found[channel::step] = bytes([x & 255 for x in accumulate(line[channel::step])])
            line = bytes(found)
        elif kind == 2:
            line = bytes([(a + b) & 255 for a, b in zip(line, before, strict=True)])
        elif kind in (3, 4):
            line = _by_neighbours(line, before, step, kind == 4)
        before = line
        yield line


def _by_neighbours(line: bytes, above: bytes, step: int, is_paeth: bool) -> bytes:
    found = bytearray(len(line))
    for at, value in enumerate(line):
        left = found[at - step] if at >= step else 0
        up = above[at]
        if is_paeth:
            corner = above[at - step] if at >= step else 0
            by_left, by_up, by_corner = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
            if by_left <= by_up and by_left <= by_corner:
                guess = left
            else:
                guess = up if by_up <= by_corner else corner
        else:
            guess = (left + up) >> 1
        found[at] = (value + guess) & 255
    return bytes(found)


def _rgb(line: bytes, kind: int, palette: bytes, transparent: bytes) -> tuple[bytes, bytes, bytes]:
    """Red, green and blue of a line, on white where it is transparent."""
    if kind == 3:
        colors = [palette[at::3].ljust(256, b"\0") for at in range(3)]
        red, green, blue = (line.translate(table) for table in colors)
        alpha = line.translate(transparent.ljust(256, b"\xff")) if transparent else b""
    elif kind in (0, 4):
        red = green = blue = line[:: CHANNELS[kind]]
        alpha = line[1::2] if kind == 4 else b""
    else:
        step = CHANNELS[kind]
        red, green, blue = line[0::step], line[1::step], line[2::step]
        alpha = line[3::4] if kind == 6 else b""
    if not alpha or alpha.count(255) == len(alpha):
        return red, green, blue
    return _on_white(red, alpha), _on_white(green, alpha), _on_white(blue, alpha)


def _on_white(values: bytes, alpha: bytes) -> bytes:
    return bytes([(value * a + 255 * (255 - a)) // 255 for value, a in zip(values, alpha, strict=True)])


def _scaled(line: tuple[bytes, bytes, bytes], edges: Sequence[int]) -> list[Color]:
    red, green, blue = line
    if len(edges) == len(red) + 1:
        return list(zip(red, green, blue, strict=True))
    return [
        (sum(red[a:b]) // (b - a), sum(green[a:b]) // (b - a), sum(blue[a:b]) // (b - a))
        for a, b in zip(edges, edges[1:], strict=False)
    ]


def _mean(colors: Sequence[Color]) -> Color:
    count = len(colors)
    red, green, blue = zip(*colors, strict=True)
    return sum(red) // count, sum(green) // count, sum(blue) // count
