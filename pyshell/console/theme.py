"""How things look: the palettes, and terminal colours from a pen (see ansi.py).

Runs in: console.

By itself only the terminal's own 16 colours are named, so that a light theme stays light and a dark one dark. The other
themes name exact colours for what they change, where the terminal has 256 or more; `contrast` needs no more than 16.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from urwid.display.common import AttrSpec

Colors = Literal[1, 16, 88, 256, 16777216]
Attribute = str | AttrSpec | None

PALETTE = [
    # name, foreground, background, monochrome
    ("prompt", "dark green", "default", "bold"),
    ("prompt.more", "dark green", "default", "default"),
    ("prompt.result", "dark red", "default", "default"),
    ("prompt.input", "dark cyan", "default", "bold"),
    ("queued", "dark gray", "default", "default"),
    ("held", "brown", "default", "bold"),
    ("traceback", "default", "default", "default"),
    ("traceback.file", "dark cyan", "default", "default"),
    ("traceback.line", "brown", "default", "default"),
    ("traceback.name", "dark blue,bold", "default", "bold"),
    ("fold", "dark gray,italics", "default", "default"),
    ("error", "dark red,bold", "default", "bold"),
    ("failure", "dark red", "default", "bold"),
    ("stack", "dark gray", "default", "default"),
    ("notice", "dark cyan", "default", "default"),
    ("rule", "dark magenta,bold", "default", "bold"),
    ("status", "default,standout", "default", "standout"),
    ("marked", "default,standout", "default", "standout"),
    ("menu", "black", "light gray", "standout"),
    ("menu.selected", "white,bold", "dark blue", "bold,underline"),
    ("menu.kind", "dark blue", "light gray", "standout"),
    ("menu.head", "black,bold", "light gray", "standout,bold"),
    ("menu.detail", "black", "light gray", "standout"),
    ("suggestion", "dark gray", "default", "default"),
    ("selected", "black", "light gray", "standout"),
    ("bracket", "default,bold,underline", "default", "bold,underline"),
    ("code.keyword", "dark magenta", "default", "bold"),
    ("code.string", "dark green", "default", "default"),
    ("code.number", "dark cyan", "default", "default"),
    ("code.comment", "dark gray", "default", "default"),
    ("code.definition", "dark blue,bold", "default", "bold"),
    ("code.builtin", "dark cyan", "default", "default"),
    ("code.decorator", "brown", "default", "default"),
    ("code.error", "dark red", "default", "underline"),
]

THEMES: dict[str, dict[str, tuple[str, str]]] = {
    "terminal": {},
    "dark": {
        "prompt": ("#8d8", ""), "prompt.more": ("#686", ""), "prompt.result": ("#f86", ""), "queued": ("#888", ""),
        "stack": ("#888", ""), "suggestion": ("#777", ""), "fold": ("#888,italics", ""), "notice": ("#6bd", ""),
        "error": ("#f66,bold", ""), "failure": ("#f66", ""), "traceback.file": ("#6bd", ""),
        "traceback.line": ("#da6", ""), "traceback.name": ("#8af,bold", ""), "status": ("#ddd", "g23"),
        "menu": ("#ddd", "g19"), "menu.selected": ("#fff,bold", "#06a"), "menu.kind": ("#8af", "g19"),
        "menu.head": ("#fff,bold", "g19"), "menu.detail": ("#aaa", "g19"), "selected": ("#fff", "#048"),
        "code.keyword": ("#c8f", ""), "code.string": ("#8d8", ""), "code.number": ("#6dd", ""),
        "code.comment": ("#888,italics", ""), "code.definition": ("#8af,bold", ""), "code.builtin": ("#6bd", ""),
        "code.decorator": ("#da6", ""), "code.error": ("#f66", ""),
    },
    "light": {
        "prompt": ("#060", ""), "prompt.more": ("#686", ""), "prompt.result": ("#a00", ""), "queued": ("#666", ""),
        "stack": ("#666", ""), "suggestion": ("#888", ""), "fold": ("#666,italics", ""), "notice": ("#068", ""),
        "error": ("#a00,bold", ""), "failure": ("#a00", ""), "traceback.file": ("#068", ""),
        "traceback.line": ("#860", ""), "traceback.name": ("#00a,bold", ""), "status": ("#000", "g85"),
        "menu": ("#000", "g89"), "menu.selected": ("#fff,bold", "#06a"), "menu.kind": ("#00a", "g89"),
        "menu.head": ("#000,bold", "g89"), "menu.detail": ("#444", "g89"), "selected": ("#000", "#adf"),
        "code.keyword": ("#80a", ""), "code.string": ("#060", ""), "code.number": ("#068", ""),
        "code.comment": ("#666,italics", ""), "code.definition": ("#00a,bold", ""), "code.builtin": ("#068", ""),
        "code.decorator": ("#860", ""), "code.error": ("#a00", ""),
    },
    "contrast": {
        "prompt": ("default,bold", ""), "prompt.more": ("default", ""), "prompt.result": ("default,bold", ""),
        "queued": ("default,italics", ""), "stack": ("default", ""), "suggestion": ("default,italics", ""),
        "fold": ("default,italics,underline", ""), "notice": ("default,bold", ""),
        "error": ("default,bold,underline", ""), "failure": ("default,bold", ""), "traceback.file": ("default", ""),
        "traceback.line": ("default,bold", ""), "traceback.name": ("default,bold", ""), "rule": ("default,bold", ""),
        "held": ("default,bold", ""), "menu": ("white", "black"), "menu.selected": ("black,bold", "white"),
        "menu.kind": ("white", "black"), "menu.head": ("white,bold", "black"), "menu.detail": ("white", "black"),
        "selected": ("default,standout", ""), "code.keyword": ("default,bold", ""), "code.string": ("default", ""),
        "code.number": ("default", ""), "code.comment": ("default,italics", ""),
        "code.definition": ("default,bold,underline", ""), "code.builtin": ("default", ""),
        "code.decorator": ("default", ""), "code.error": ("default,underline", ""),
        "prompt.input": ("default,bold", ""),
    },
}  # fmt: skip
"""By the name of a theme: what looks otherwise in it, as foreground and background."""


def palette(theme: str) -> list[tuple[str, str, str, str, str, str]]:
    """The entries for urwid: name, foreground, background, monochrome, and the same two with 256 colours."""
    entries = []
    for name, foreground, background, mono in PALETTE:
        own, behind = THEMES[theme].get(name, (foreground, background))
        looks = (own, behind or "default")
        basic = looks if theme == "contrast" else (foreground, background)
        entries.append((name, basic[0], basic[1], mono, looks[0], looks[1]))
    return entries


def at_most(count: int) -> Colors:
    """As many colours as urwid knows how to use of so many."""
    known: Colors
    for known in (16777216, 256, 88, 16):
        if count >= known:
            return known
    return 1


_BASIC = (
    "black", "dark red", "dark green", "brown", "dark blue", "dark magenta", "dark cyan", "light gray",
    "dark gray", "light red", "light green", "yellow", "light blue", "light magenta", "light cyan", "white",
)  # fmt: skip

_SETTINGS = {
    "1": "bold", "2": "faint", "3": "italics", "4": "underline", "5": "blink", "6": "blink",
    "7": "standout", "9": "strikethrough",
}  # fmt: skip


@lru_cache(maxsize=4096)
def from_pen(pen: str, colors: Colors) -> Attribute:
    """The urwid attribute for a pen, with no more colours than the terminal has."""
    if not pen:
        return None
    looks, _, link = pen.partition(" ")
    codes = looks.split(";") if looks else []
    settings, foreground, background = [], "default", "default"
    while codes:
        code = codes.pop(0)
        if code in ("38", "48"):
            taken = 2 if codes[:1] == ["5"] else 4
            color = _extended(codes[:taken], colors)
            del codes[:taken]
        elif code in _SETTINGS:
            settings.append(_SETTINGS[code])
            continue
        else:
            color = _basic(int(code), colors)
        if code == "48" or int(code) in range(40, 48) or int(code) >= 100:
            background = color
        else:
            foreground = color
    hyperlink = link if link and colors > 1 else None
    return AttrSpec(",".join([foreground, *settings]), background, colors, hyperlink=hyperlink)


def _basic(code: int, colors: Colors) -> str:
    if colors == 1:
        return "default"
    return _BASIC[code % 10 + 8] if code >= 90 else _BASIC[code % 10]


def _extended(parameters: list[str], colors: Colors) -> str:
    if parameters[:1] == ["5"]:
        number = int(parameters[1]) & 255
        if colors >= 16 and number < 16:
            return _BASIC[number]
        return f"h{number}" if colors >= 256 else "default"
    if len(parameters) < 4 or colors < 256:
        return "default"
    red, green, blue = (min(int(part), 255) for part in parameters[1:4])
    return f"#{red:02x}{green:02x}{blue:02x}"
