"""The lines that stand for a display in the transcript.

Runs in: tests.
"""

from __future__ import annotations

import base64
import struct

from pyshell.console.displays import lines_of
from pyshell.console.pictures import PNG
from pyshell.protocol import Display, MimeData


def shown(text: str, **data: str) -> Display:
    named = tuple(MimeData(mime.replace("_", "/"), text) for mime, text in data.items())
    return Display(text, named, "{}", "", False, False)


def png(width: int, height: int, size: int = 3000) -> str:
    head = PNG + struct.pack(">I4sII", 13, b"IHDR", width, height)
    return base64.b64encode(head + bytes(size - len(head))).decode()


def test_the_text_stands_for_what_a_terminal_cannot_show() -> None:
    assert lines_of(shown("a\nb", text_html="<b>")) == ["a", "b"]
    assert lines_of(shown("", text_html="<b>")) == []


def test_a_picture_is_named_with_its_measures() -> None:
    assert lines_of(shown("fig", image_png=png(640, 480))) == ["fig", "[image/png 640x480, 3 kB]"]


def test_a_picture_that_is_none_is_named_too() -> None:
    short = base64.b64encode(PNG).decode()
    assert lines_of(shown("", image_png=short)) == ["[image/png, 9 bytes]"]
    assert lines_of(shown("", image_png="not base64!")) == ["[image/png, 8 bytes]"]
    assert lines_of(shown("", image_jpeg=png(1, 1, 200))) == ["[image/jpeg, 201 bytes]"]
