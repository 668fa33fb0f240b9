"""Pictures in half blocks.

Runs in: tests.
"""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest

from pyshell.console import pictures
from pyshell.protocol import MimeData

image = pytest.importorskip("PIL.Image")
MODES = ("RGB", "RGBA", "L", "LA", "P")


def png(picture: Any, **options: Any) -> MimeData:
    file = io.BytesIO()
    picture.save(file, "png", **options)
    return MimeData("image/png", base64.b64encode(file.getvalue()).decode())


def gradient(mode: str, size: tuple[int, int] = (90, 60)) -> Any:
    picture = image.new("RGB", size)
    places = [(x, y) for y in range(size[1]) for x in range(size[0])]
    picture.putdata([(x * 255 // size[0], y * 255 // size[1], (x * y) % 256) for x, y in places])
    return picture.convert(mode)


@pytest.mark.parametrize("mode", MODES)
def test_every_kind_is_what_another_library_reads(mode: str) -> None:
    original = gradient(mode)
    found = pictures.fit(png(original), 30, 10, 1)
    assert found is not None and (found.columns, found.rows) == (30, 10)
    drawn = pictures.draw(found)
    assert drawn is not None and len(drawn) == 10 and {len(row) for row in drawn} == {30}
    wanted = original.convert("RGB").resize((30, 20), image.Resampling.BOX)
    for y, row in enumerate(drawn):
        for x, halves in enumerate(row):
            for half, color in enumerate(halves):
                assert max(abs(a - b) for a, b in zip(color, wanted.getpixel((x, 2 * y + half)), strict=True)) <= 3


def test_what_is_transparent_lies_on_white() -> None:
    found = pictures.fit(png(image.new("RGBA", (4, 4), (0, 0, 0, 0))), 4, 2, None)
    assert found is not None
    assert pictures.draw(found) == [[((255, 255, 255), (255, 255, 255))] * 4] * 2


def test_small_pictures_stay_small_and_odd_ones_are_whole() -> None:
    found = pictures.fit(png(gradient("RGB", (7, 5))), 100, 100, None)
    assert found is not None and (found.columns, found.rows) == (7, 2)
    drawn = pictures.draw(found)
    assert drawn is not None and len(drawn) == 2
    one = pictures.fit(png(gradient("RGB", (1, 1))), 100, 100, None)
    assert one is not None and pictures.draw(one) is not None


def test_what_cannot_be_drawn_is_nothing() -> None:
    whole = png(gradient("RGB"))
    assert pictures.fit(MimeData("image/jpeg", whole.data), 30, 10, 1) is None
    assert pictures.fit(MimeData("image/png", "no base64"), 30, 10, 1) is None
    for broken in (whole.data[: len(whole.data) // 8 * 4], whole.data[:64]):
        found = pictures.fit(MimeData("image/png", broken), 30, 10, 1)
        assert found is not None and pictures.draw(found) is None
    found = pictures.fit(png(gradient("RGB").convert("1")), 30, 10, 1)
    assert found is not None and pictures.draw(found) is None
