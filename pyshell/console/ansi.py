"""Colours in text: the SGR escape sequences of ECMA-48, and everything else that must not be shown.

Runs in: console.

A *pen* is what is in force at a place: SGR parameters in a fixed order, `"1;31"`, or `""` for none; behind a space the
target of a hyperlink (OSC 8), `"1;31 https://…"`.
A *line* is text that may carry SGR sequences and hyperlinks, and starts with no pen.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

SGR = re.compile(r"\x1b\[([0-9;:]*)m")

# CSI, OSC, DCS and its kin (they end with ST, OSC with BEL as well), then two-character escapes.
ESCAPE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[PX^_][^\x1b]*\x1b\\|\x1b[ -/]*[0-~]"
)

# Only what can do no harm in a sequence: printable ASCII, and no more than terminals take.
_LINK = re.compile(r"\x1b\]8;[^;\x07\x1b]*;([!-~]{0,2083})(?:\x07|\x1b\\)")
_PEN = re.compile(f"{SGR.pattern}|{_LINK.pattern}")

_OFF = {21: (), 22: ("1", "2"), 23: ("3",), 24: ("4",), 25: ("5",), 27: ("7",), 28: ("8",), 29: ("9",)}
TAB = 8


@lru_cache(maxsize=4096)
def combine(pen: str, parameters: str) -> str:
    """The pen after an SGR sequence with these parameters."""
    slots: dict[str, str] = {}
    looks, space, link = pen.partition(" ")
    _apply_sgr(slots, looks or "0")
    _apply_sgr(slots, parameters or "0")
    return ";".join(slots[key] for key in sorted(slots)) + space + link


def linked(pen: str, sequence: str) -> str:
    """The pen after a sequence that begins or ends a hyperlink; after any other as before."""
    match = _LINK.fullmatch(sequence)
    looks = pen.partition(" ")[0]
    return pen if match is None else f"{looks} {match[1]}" if match[1] else looks


def _apply_sgr(slots: dict[str, str], parameters: str) -> None:
    codes = [int(code) if code else 0 for code in re.split("[;:]", parameters)]
    at = 0
    while at < len(codes):
        code = codes[at]
        if code in (38, 48):
            width = {5: 3, 2: 5}.get(codes[at + 1] if at + 1 < len(codes) else -1)
            if width is None or at + width > len(codes):
                return  # not a colour: what the numbers after it mean cannot be known
            slots["fg" if code == 38 else "bg"] = ";".join(map(str, codes[at : at + width]))
            at += width
            continue
        _apply_code(slots, code)
        at += 1


def _apply_code(slots: dict[str, str], code: int) -> None:
    if code == 0:
        slots.clear()
    elif 1 <= code <= 9:
        slots[str(code)] = str(code)
    elif code == 21:
        slots["4"] = "4"
    elif code in _OFF:
        for key in _OFF[code]:
            slots.pop(key, None)
    elif 30 <= code <= 37 or 90 <= code <= 97:
        slots["fg"] = str(code)
    elif 40 <= code <= 47 or 100 <= code <= 107:
        slots["bg"] = str(code)
    elif code in (39, 49):
        slots.pop("fg" if code == 39 else "bg", None)


def pen_after(pen: str, text: str) -> str:
    """The pen that is in force after `text`."""
    for match in _PEN.finditer(text):
        pen = linked(pen, match[0]) if match[1] is None else combine(pen, match[1])
    return pen


def start(pen: str) -> str:
    """The sequence that takes up `pen` where none is in force."""
    looks, _, link = pen.partition(" ")
    return (f"\x1b[{looks}m" if looks else "") + (_link(link) if link else "")


def _link(target: str) -> str:
    return f"\x1b]8;;{target}\x1b\\"


def change(before: str, after: str) -> str:
    """The sequence that leads from one pen to another."""
    if before == after:
        return ""
    (old, _, left), (new, _, target) = before.partition(" "), after.partition(" ")
    looks = "" if old == new else f"\x1b[0;{new}m" if old and new else start(new) or "\x1b[0m"
    return looks + ("" if left == target else _link(target))


def runs(line: str) -> list[tuple[str, str]]:
    """Cut a line into `(pen, text)` pieces that are safe to show: no control character is left.

    Tabs become spaces up to the next eighth column, counted in characters.
    """
    if "\x1b" not in line:
        text = visible(line)
        return [("", text)] if text else []
    pieces: list[tuple[str, str]] = []
    pen, at, column = "", 0, 0
    for match in ESCAPE.finditer(line):
        column = _add(pieces, pen, line[at : match.start()], column)
        at = match.end()
        sgr = SGR.fullmatch(match[0])
        pen = combine(pen, sgr[1]) if sgr else linked(pen, match[0])
    _add(pieces, pen, line[at:], column)
    return pieces


def _add(pieces: list[tuple[str, str]], pen: str, text: str, column: int) -> int:
    shown = visible(text, column)
    if shown:
        pieces.append((pen, shown))
    return column + len(shown)


@cache
def _invisible() -> re.Pattern[str]:
    """Controls; line separators; a joiner that joins nothing, which would swallow the cell after it."""
    # Compiled when first needed: wide ranges take 10 ms, which the first prompt need not wait for.
    joined = "[\u0900-\u1fff\u2190-\U0010ffff]"
    return re.compile(f"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]|(?<!{joined})\u200d|\u200d(?!{joined})")


def visible(text: str, column: int = 0) -> str:
    """`text`, which starts at `column`, without control characters and with its tabs expanded."""
    if text.isprintable():
        return text
    text = _invisible().sub("", text)
    if "\t" in text:
        text = (" " * column + text).expandtabs(TAB)[column:]
    return text


def plain(line: str) -> str:
    """The line without any colour."""
    return "".join(text for _, text in runs(line))
