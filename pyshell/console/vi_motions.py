"""Where vi's motions go, and what its text objects are. Pure.

Runs in: console.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal, NamedTuple

from pyshell.console import buffer as edit
from pyshell.console.buffer import Buffer

Kind = Literal["exclusive", "inclusive", "lines"]


class Target(NamedTuple):
    """Where a motion goes, and how much of the text is meant on the way."""

    place: int
    kind: Kind = "exclusive"


class Region(NamedTuple):
    """A part of the text, the end not included; whole lines if `is_lines`."""

    start: int
    end: int
    is_lines: bool = False


_WORDS = {False: re.compile(r"\w+|[^\w\s]+|(?<=\n)(?=\n)"), True: re.compile(r"\S+|(?<=\n)(?=\n)")}
_BRACKETS = {sign: pair for pair in ("()", "[]", "{}", "<>") for sign in pair} | {"b": "()", "B": "{}"}


def line_bounds(text: str, place: int) -> tuple[int, int]:
    """The start and the end of the line, without its line feed."""
    end = text.find("\n", place)
    return text.rfind("\n", 0, place) + 1, len(text) if end < 0 else end


def first_filled(text: str, place: int) -> int:
    """The first character of the line that is no blank."""
    start, end = line_bounds(text, place)
    return start + len(text[start:end]) - len(text[start:end].lstrip())


# --- motions: text, place, count (None if none was given) -----------------------------------------------


def _word_right(text: str, place: int, count: int | None, *, big: bool) -> Target | None:
    starts = [found.start() for found in _WORDS[big].finditer(text, place) if found.start() > place]
    wanted = (count or 1) - 1
    return Target(starts[wanted] if wanted < len(starts) else len(text))


def _word_left(text: str, place: int, count: int | None, *, big: bool) -> Target | None:
    starts = [found.start() for found in _WORDS[big].finditer(text) if found.start() < place]
    return Target(starts[max(len(starts) - (count or 1), 0)] if starts else 0)


def _word_end(text: str, place: int, count: int | None, *, big: bool) -> Target | None:
    ends = [found.end() - 1 for found in _WORDS[big].finditer(text) if found.end() - 1 > place]
    return Target(ends[min(count or 1, len(ends)) - 1] if ends else max(len(text) - 1, 0), "inclusive")


def _left(text: str, place: int, count: int | None) -> Target | None:
    return Target(max(line_bounds(text, place)[0], place - (count or 1)))


def _right(text: str, place: int, count: int | None) -> Target | None:
    return Target(min(line_bounds(text, place)[1], place + (count or 1)))


def _vertical(text: str, place: int, count: int | None, *, down: bool) -> Target | None:
    buffer = Buffer(text, place)
    for _ in range(count or 1):
        buffer = (edit.down if down else edit.up)(buffer)
    same = line_bounds(text, buffer.cursor) == line_bounds(text, place)
    return None if same else Target(buffer.cursor, "lines")


def _line_end(text: str, place: int, count: int | None) -> Target | None:
    for _ in range((count or 1) - 1):
        place = min(line_bounds(text, place)[1] + 1, len(text))
    return Target(line_bounds(text, place)[1])


def _to_line(text: str, place: int, count: int | None, *, last: bool) -> Target | None:
    lines = text.split("\n")
    number = min(count, len(lines)) - 1 if count else len(lines) - 1 if last else 0
    return Target(first_filled(text, sum(len(line) + 1 for line in lines[:number])), "lines")


def _paragraph(text: str, place: int, count: int | None, *, down: bool) -> Target | None:
    for _ in range(count or 1):
        found = re.compile(r"\n[ \t]*(?=\n|\Z)").finditer(text)
        places = [match.end() for match in found if (match.end() > place if down else match.end() < place)]
        place = (places[0] if down else places[-1]) if places else (len(text) if down else 0)
    return Target(place)


def _other_bracket(text: str, place: int, _: int | None) -> Target | None:
    end = line_bounds(text, place)[1]
    at = next((at for at in range(place, end) if text[at] in "()[]{}"), None)
    other = None if at is None else _partner(text, at)
    return None if other is None else Target(other, "inclusive")


def _partner(text: str, at: int) -> int | None:
    opening, closing = list(_BRACKETS[text[at]])
    step, depth = (1 if text[at] == opening else -1), 0
    while 0 <= at < len(text):
        depth += {opening: step, closing: -step}.get(text[at], 0)
        if not depth:
            return at
        at += step
    return None


MOTIONS: dict[str, Callable[[str, int, int | None], Target | None]] = {
    "h": _left, "l": _right, " ": _right, "backspace": _left, "left": _left, "right": _right,
    "j": lambda t, p, n: _vertical(t, p, n, down=True), "k": lambda t, p, n: _vertical(t, p, n, down=False),
    "w": lambda t, p, n: _word_right(t, p, n, big=False), "W": lambda t, p, n: _word_right(t, p, n, big=True),
    "b": lambda t, p, n: _word_left(t, p, n, big=False), "B": lambda t, p, n: _word_left(t, p, n, big=True),
    "e": lambda t, p, n: _word_end(t, p, n, big=False), "E": lambda t, p, n: _word_end(t, p, n, big=True),
    "0": lambda t, p, _: Target(line_bounds(t, p)[0]), "home": lambda t, p, _: Target(line_bounds(t, p)[0]),
    "^": lambda t, p, _: Target(first_filled(t, p)), "$": _line_end, "end": _line_end,
    "|": lambda t, p, n: Target(min(line_bounds(t, p)[0] + (n or 1) - 1, line_bounds(t, p)[1])),
    "gg": lambda t, p, n: _to_line(t, p, n, last=False), "G": lambda t, p, n: _to_line(t, p, n, last=True),
    "{": lambda t, p, n: _paragraph(t, p, n, down=False), "}": lambda t, p, n: _paragraph(t, p, n, down=True),
    "%": _other_bracket,
}  # fmt: skip


def find_in_line(text: str, place: int, count: int, how: str, wanted: str) -> Target | None:
    """`f F t T`: to a character of the line, or to the one before it."""
    start, end = line_bounds(text, place)
    if how in "ft":
        places = [at for at in range(place + 1, end) if text[at] == wanted]
    else:
        places = [at for at in range(place - 1, start - 1, -1) if text[at] == wanted]
    if len(places) < count:
        return None
    at = places[count - 1] + {"t": -1, "T": 1}.get(how, 0)
    return Target(at, "inclusive" if how in "ft" else "exclusive")


def find_pattern(text: str, place: int, pattern: str, *, forward: bool) -> Target | None:
    """The next or the last occurrence, around the ends. Capitals count if the pattern has any."""
    folded = text if pattern != pattern.lower() else text.lower()
    if not pattern or pattern not in folded:
        return None
    at = folded.find(pattern, place + 1) if forward else folded.rfind(pattern, 0, place + len(pattern) - 1)
    if not forward and at >= place:
        at = folded.rfind(pattern, 0, place)
    return Target(at if at >= 0 else folded.find(pattern) if forward else folded.rfind(pattern))


# --- text objects -----------------------------------------------------------------------------------------


def text_object(text: str, place: int, how: str, what: str) -> Region | None:
    """`iw a" i( ap` and their like at that place; None if there is none."""
    inner = how == "i"
    if what in "wW":
        return _word_object(text, place, inner=inner, big=what == "W")
    if what in "\"'`":
        return _quoted(text, place, what, inner=inner)
    if what in _BRACKETS:
        return _bracketed(text, place, _BRACKETS[what], inner=inner)
    return _paragraph_object(text, place, inner=inner) if what == "p" else None


def _word_object(text: str, place: int, *, inner: bool, big: bool) -> Region | None:
    start, end = line_bounds(text, place)
    pattern = re.compile(r"\S+|[^\S\n]+" if big else r"\w+|[^\w\s]+|[^\S\n]+")
    parts = [(found.start(), found.end()) for found in pattern.finditer(text, start, end)]
    number = next((at for at, (_, last) in enumerate(parts) if place < last), len(parts) - 1)
    if number < 0:
        return None
    first, last = parts[number]
    if not inner:
        if number + 1 < len(parts) and text[parts[number + 1][0]].isspace():
            last = parts[number + 1][1]
        elif number and text[parts[number - 1][0]].isspace():
            first = parts[number - 1][0]
    return Region(first, last)


def _quoted(text: str, place: int, quote: str, *, inner: bool) -> Region | None:
    start, end = line_bounds(text, place)
    marks = [at for at in range(start, end) if text[at] == quote and text[at - 1 : at] != "\\"]
    for first, last in zip(marks[::2], marks[1::2], strict=False):
        if place <= last:
            return Region(first + 1, last) if inner else Region(first, last + 1)
    return None


def _bracketed(text: str, place: int, pair: str, *, inner: bool) -> Region | None:
    depth, at = 0, place
    while at >= 0:
        sign = text[at : at + 1]
        if sign == pair[0] and not depth:
            break
        depth += (sign == pair[1] and at != place) - (sign == pair[0])
        at -= 1
    last = _partner(text, at) if at >= 0 else None
    if last is None:
        return None
    return Region(at + 1, last) if inner else Region(at, last + 1)


def _paragraph_object(text: str, place: int, *, inner: bool) -> Region | None:
    lines = text.split("\n")
    number = first = last = text.count("\n", 0, place)
    is_empty = not lines[number].strip()
    while first > 0 and (not lines[first - 1].strip()) == is_empty:
        first -= 1
    while last + 1 < len(lines) and (not lines[last + 1].strip()) == is_empty:
        last += 1
    while not inner and last + 1 < len(lines) and (not lines[last + 1].strip()) != is_empty:
        last += 1
    start = sum(len(line) + 1 for line in lines[:first])
    return Region(start, start + len("\n".join(lines[first : last + 1])), True)
