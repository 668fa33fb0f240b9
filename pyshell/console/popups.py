"""What lies over the screen beside the cursor: the list of completions with what is known of the chosen one, the call.

Runs in: console.

A popup never moves what is under it: rows that went up and down with it would all be sent to the terminal again.
"""

from __future__ import annotations

import textwrap
import time
from typing import NamedTuple

from urwid.canvas import Canvas, CanvasOverlay

from pyshell.console.completion import Menu
from pyshell.console.editor import Editor
from pyshell.console.prompt import visible
from pyshell.console.rows import Run, canvas, fit, width_of
from pyshell.console.searching import MAX_FOUND, Search
from pyshell.protocol import Call, Inspection, Match

MAX_NAME = 40
MAX_DETAIL = 60
MIN_DETAIL = 20
MAX_DETAIL_ROWS = 10

LETTERS = {
    "module": "m", "class": "c", "function": "f", "property": "p", "instance": "v", "keyword": "k", "param": "=",
    "key": "[", "path": "/", "command": "%",
}  # fmt: skip


class Room(NamedTuple):
    """Where there is room: the screen without its status line, the cursor in it, the first row of the text."""

    width: int
    height: int
    cursor: tuple[int, int]
    text_top: int


def overlaid(base: Canvas, editor: Editor, room: Room) -> Canvas:
    """The screen with what there is to show on it."""
    column, row = room.cursor
    assistant, above = editor.assistant, row
    if editor.search is not None or assistant.call is not None:
        top = room.text_top - 1 if room.text_top else row + 1
        line = _line_above(editor, room.width)
        if top < room.height:
            base = _lay(base, [[*line, ("menu", " " * room.width)]], room, (0, top))
        above = top if top == row - 1 else row
    if assistant.menu is None or editor.search is not None:
        return base
    lines = menu_lines(assistant.menu, assistant.about, room.width)
    below = room.height - row - 1
    if len(lines) <= below or below >= above:
        lines, top = lines[:below], row + 1
    else:
        lines, top = lines[:above], above - min(len(lines), above)
    typed = assistant.menu.base.cursor - assistant.menu.start
    return _lay(base, lines, room, (column - typed - 3, top))


def _line_above(editor: Editor, width: int) -> list[Run]:
    if editor.search is not None:
        return search_runs(editor.search)
    assert editor.assistant.call is not None
    return call_runs(editor.assistant.call, width)


def _lay(base: Canvas, lines: list[list[Run]], room: Room, place: tuple[int, int]) -> Canvas:
    if not lines:
        return base
    width = min(room.width, max(sum(width_of(text) for _, text in runs) for runs in lines))
    left = max(0, min(place[0], room.width - width))
    box = canvas([fit(runs, width, "menu") for runs in lines], width)
    cursor = base.cursor
    shown = CanvasOverlay(box, base, left, place[1])
    shown.cursor = cursor
    return shown


# --- the list ---------------------------------------------------------------------------------------


def menu_lines(menu: Menu, about: Inspection | None, width: int) -> list[list[Run]]:
    """The list; beside it, once the person is in it, what is known of the match that is chosen, or would be first."""
    first, matches = menu.window
    names = [_cut(visible(match.text), MAX_NAME) for match in matches]
    wide = max(width_of(name) for name in names)
    lines: list[list[Run]] = []
    for at, (match, name) in enumerate(zip(matches, names, strict=True), first):
        style = "menu.selected" if at == menu.selected else "menu"
        letter = LETTERS.get(match.kind, " ")
        lines.append([("menu.kind", f" {letter} "), (style, name + " " * (wide - width_of(name) + 1))])
    if len(matches) < len(menu.matches):
        lines.append([("menu.kind", f" {len(menu.matches)} in all".ljust(wide + 4))])
    room = width - wide - 4
    if not menu.takes_keys or room < MIN_DETAIL:
        return lines
    described = _described(menu.matches[menu.selected or 0], about, min(room, MAX_DETAIL) - 2)
    blank: list[Run] = [("menu", " " * (wide + 4))]
    lines += [blank] * (len(described) - len(lines))
    return [
        [*runs, (style, f" {text}")]
        for runs, (style, text) in zip(lines, described + [("menu.detail", "")] * len(lines), strict=False)
    ]


def _described(match: Match, about: Inspection | None, width: int) -> list[tuple[str, str]]:
    """Type and signature, then how the documentation begins."""
    what = match.signature or (about.signature if about else "")
    head = f"{match.type or match.kind} {what}" if match.kind != "command" else match.signature
    doc = [
        part
        for line in (about.doc.strip().splitlines() if about else [])
        for part in (textwrap.wrap(visible(line), width) or [""])
    ]
    lines = [("menu.head", line) for line in textwrap.wrap(visible(head), width)[: MAX_DETAIL_ROWS // 2]]
    lines += [("menu.detail", line) for line in doc[: MAX_DETAIL_ROWS - len(lines)]]
    return lines


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


# --- the search ---------------------------------------------------------------------------------------


def search_runs(search: Search) -> list[Run]:
    """What is searched for, and whose cell it is that stands at the prompt."""
    entry = search.entry
    if entry is None:
        return [*_pattern(search), ("menu.detail", " nothing found " if search.pattern else " ")]
    where = f"{search.at + 1} of {len(search.found)}{'+' if len(search.found) == MAX_FOUND else ''}"
    if entry.session:
        where += f', in session "{entry.session}"'
    if entry.time:
        where += time.strftime(", %Y-%m-%d %H:%M", time.localtime(entry.time))
    return [*_pattern(search), ("menu.detail", f" {where} ")]


def _pattern(search: Search) -> list[Run]:
    return [("menu.head", f" search: {visible(search.pattern)}▏")]


# --- the call ---------------------------------------------------------------------------------------


def call_runs(call: Call, width: int) -> list[Run]:
    """The signature in one row, with the argument under the cursor marked; what has no room is left out around it."""
    if not call.parameters:
        return [("menu.detail", _cut(f" {call.name}{visible(call.signature)} ", width))]
    name = _cut(call.name, MAX_NAME)
    texts = [visible(parameter) for parameter in call.parameters]
    current = call.current if call.current is not None and call.current < len(texts) else None
    first, last = _window([len(text) + 2 for text in texts], current or 0, width - len(name) - 8)
    runs: list[Run] = [("menu.detail", f" {name}(" + ("…, " if first else ""))]
    room = max(1, width - len(name) - 8)
    for at in range(first, last):
        runs.append(("menu.selected" if at == current else "menu.detail", _cut(texts[at], room)))
        runs.append(("menu.detail", ", " if at < len(texts) - 1 else ""))
    return [*runs, ("menu.detail", ("…" if last < len(texts) else "") + ") ")]


def _window(widths: list[int], current: int, room: int) -> tuple[int, int]:
    """Which of the widths fit around the current one, as many as there can be before it."""
    first, last, left = current, current + 1, room - widths[current]
    while first > 0 and widths[first - 1] <= left:
        first -= 1
        left -= widths[first]
    while last < len(widths) and widths[last] <= left:
        left -= widths[last]
        last += 1
    return first, last
