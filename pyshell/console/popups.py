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
    return _with_menu(base, editor, assistant.menu, room, above)


def _with_menu(base: Canvas, editor: Editor, menu: Menu, room: Room, above: int) -> Canvas:
    """The list next to the text, on the side where it has room, and beside it what is known of the chosen match."""
    column, row = room.cursor
    names = menu_lines(menu)
    below = room.height - row - 1
    is_below = len(names) <= below or below >= above
    space = below if is_below else above
    names = names[:space]
    wide = width_of("".join([text for _, text in names[0]])) if names else 0
    about, match = editor.assistant.about, editor.assistant.about_match
    beside = detail_lines(menu, about, room.width - wide, match)[:space]
    all_wide = wide + max([width_of(text) for runs in beside for _, text in runs], default=0)
    typed = editor.code.text[menu.start : editor.code.cursor]
    left = max(0, min(column - width_of(visible(typed)) - 3, room.width - all_wide))
    for lines, at in ((names, left), (beside, left + wide)):
        base = _lay(base, lines, room, (at, row + 1 if is_below else above - len(lines)))
    return base


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


def menu_lines(menu: Menu) -> list[list[Run]]:
    """The list, each row as wide as the others."""
    first, matches = menu.window
    wide = max(width_of(_name(match)) for match in menu.matches)
    lines: list[list[Run]] = []
    for at, match in enumerate(matches, first):
        style = "menu.selected" if at == menu.selected else "menu"
        name = _name(match)
        lines.append([
            ("menu.kind", f" {LETTERS.get(match.kind, ' ')} "), (style, name + " " * (wide - width_of(name) + 1)),
        ])  # fmt: skip
    if len(matches) < len(menu.matches):
        lines.append([("menu.kind", f" {len(menu.matches)} in all".ljust(wide + 4))])
    return lines


def detail_lines(menu: Menu, about: Inspection | None, width: int, match: Match | None = None) -> list[list[Run]]:
    """What is known of the match that is chosen, or would be first, once the person is in the list.

    `about` may be of another `match`, which was chosen before: it stays until the answer comes.
    """
    if not menu.takes_keys or width < MIN_DETAIL:
        return []
    told = (match or menu.chosen, about) if about is not None else None
    described = _described(menu.chosen, told, min(width, MAX_DETAIL) - 2)
    return [[(style, f" {text} ")] for style, text in described]


def _described(match: Match, told: tuple[Match, Inspection] | None, width: int) -> list[tuple[str, str]]:
    """Type and signature, then how the documentation begins of the match that was told of last."""
    what = match.signature or (told[1].signature if told and told[0] == match else "")
    head = f"{match.type or match.kind} {what}" if match.kind != "command" else match.signature
    doc = [
        part
        for line in (_told(*told).splitlines() if told else [])
        for part in (textwrap.wrap(visible(line), width) or [""])
    ]
    lines = [("menu.head", line) for line in textwrap.wrap(visible(head), width)[: MAX_DETAIL_ROWS // 2]]
    lines += [("menu.detail", line) for line in doc[: MAX_DETAIL_ROWS - len(lines)]]
    return lines


def _told(match: Match, about: Inspection) -> str:
    """What it is, where its type would only tell of the type; of a parameter the call above says enough."""
    if match.kind in ("instance", "key") and about.preview:
        return about.preview
    return about.doc.strip() if match.kind != "param" else ""


def _name(match: Match) -> str:
    return _cut(visible(match.text), MAX_NAME)


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
