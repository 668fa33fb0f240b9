"""The documentation's pictures show what the console shows.

Runs in: tests.
"""

from __future__ import annotations

import pytest

from tests import pictures

PAGE = (pictures.ROOT / "docs" / "howto" / "console.md").read_text()


@pytest.mark.parametrize("scene", pictures.SCENES)
def test_the_picture_is_not_behind_the_console(scene: str) -> None:
    shown = (pictures.PICTURES / f"{scene}.svg").read_text()
    assert shown == pictures.play(scene), f"look at it, then run `python -m tests.pictures {scene}`"


def test_every_picture_is_on_the_page_and_none_is_of_the_past() -> None:
    assert {path.stem for path in pictures.PICTURES.glob("*.svg")} == set(pictures.SCENES)
    for scene in pictures.SCENES:
        assert f"(../console/{scene}.svg)" in PAGE
