"""What the transcript says of a display: its text, and what kind of picture there is. Pure.

Runs in: console.
"""

from __future__ import annotations

from pyshell.console.pictures import measures
from pyshell.protocol import Display, MimeData


def lines_of(display: Display) -> list[str]:
    """Its text, then a line for each picture; nothing for HTML and the like, which the text stands for."""
    return text_of(display) + [label(one) for one in display.data if is_picture(one)]


def text_of(display: Display) -> list[str]:
    """The lines of its text."""
    return display.text.split("\n") if display.text else []


def is_picture(data: MimeData) -> bool:
    return data.mime.startswith("image/")


def label(data: MimeData) -> str:
    """What stands for a picture that is not drawn."""
    width, height = measures(data)
    size = f" {width}x{height}" if width else ""
    return f"[{data.mime}{size}, {_size(len(data.data) * 3 // 4)}]"


def _size(count: int) -> str:
    return f"{count / 1000:.0f} kB" if count >= 1000 else f"{count} bytes"
