"""Draw a timeline of checkpoints as lines of text, newest first. Pure.

Runs in: clients (Python 3.11 and newer).

    @    9  In[8]  12:07  4 names  310 B  [x]  x = 3            @ is where the session is now
    | *  8  In[7]  12:06  4 names  310 B  [x]  x = 2            a branch that was left
    |-'
    *    5  In[5]  12:01  3 names  21 MB  [data]  data = load()
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence

from pyshell.protocol import Checkpoint, Unsaved

HERE, THERE = "@", "*"
_PLACE = re.compile(r"# %% (?:.*/)?([^/]+) \[[\w.-]+\]\Z")
MAX_CHANGED = 5
"""Names that a line lists."""


def draw(checkpoints: Sequence[Checkpoint], code: Mapping[int, str], now: float) -> list[str]:
    """One line for each checkpoint, and one where branches part. `code` is the source of cells by number."""
    rows = graph(checkpoints)
    width = max((len(drawn) for drawn, _ in rows), default=0)
    texts = [_describe(checkpoint, code, now) if checkpoint is not None else "" for _, checkpoint in rows]
    return [f"{drawn:{width}}  {text}".rstrip() for (drawn, _), text in zip(rows, texts, strict=True)]


def graph(checkpoints: Sequence[Checkpoint]) -> list[tuple[str, Checkpoint | None]]:
    """The lanes beside each checkpoint; beside none where branches part."""
    lanes: list[int] = []
    rows: list[tuple[str, Checkpoint | None]] = []
    for checkpoint in sorted(checkpoints, key=lambda found: found.checkpoint, reverse=True):
        number = checkpoint.checkpoint
        if number not in lanes:
            lanes.append(number)
        first = lanes.index(number)
        if lanes.count(number) > 1:
            rows.append((_joint(lanes, number), None))
            lanes = [lane for at, lane in enumerate(lanes) if lane != number or at == first]
        marks = ["|"] * len(lanes)
        marks[first] = HERE if checkpoint.head else THERE
        rows.append((" ".join(marks), checkpoint))
        lanes[first : first + 1] = [checkpoint.parent] if checkpoint.parent is not None else []
    return rows


def _joint(lanes: Sequence[int], number: int) -> str:
    """Where lanes that wait for the same checkpoint run into the first of them."""
    at = [index for index, lane in enumerate(lanes) if lane == number]
    first, last = at[0], at[-1]
    line = ""
    for index in range(len(lanes)):
        mark = "'" if index in at[1:] else "|"
        inside = first <= index < last
        line += mark + ("-" if inside else " ")
    return line.rstrip()


def _describe(checkpoint: Checkpoint, code: Mapping[int, str], now: float) -> str:
    cell = f"In[{checkpoint.cell}]" if checkpoint.cell is not None else "-"
    if checkpoint.line is not None:
        cell = f"inside {cell}, line {checkpoint.line}"
    parts = [f"{checkpoint.checkpoint:>4}", f"{cell:7}", when(checkpoint.time, now), count(checkpoint.names, "name")]
    if checkpoint.unsaved:
        parts.append(f"{checkpoint.unsaved} unsaved")
    parts.append(size(checkpoint.written))
    if checkpoint.changed:
        more = ", …" if len(checkpoint.changed) > MAX_CHANGED else ""
        parts.append(f"[{', '.join(checkpoint.changed[:MAX_CHANGED])}{more}]")
    if checkpoint.label is not None:
        parts.append(f'"{checkpoint.label}"')
    return "  ".join([*parts, first_line(code.get(checkpoint.cell or 0, ""))])


def when(moment: float, now: float) -> str:
    """The time of day; for another day its date."""
    then, today = time.localtime(moment), time.localtime(now)
    return time.strftime("%H:%M" if then[:3] == today[:3] else "%Y-%m-%d %H:%M", then)


def elapsed(seconds: float) -> str:
    """A duration for a person: `3 s`, `2:05`, `1:02:05`."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def size(count: int) -> str:
    """A number of bytes for a person."""
    amount, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while amount >= 1000 and len(units) > 1:
        amount /= 1000
        del units[0]
    return f"{amount:.0f} {units[0]}" if amount >= 10 or units[0] == "B" else f"{amount:.1f} {units[0]}"


def count(number: int, what: str) -> str:
    """`1 name`, `2 names`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def first_line(code: str) -> str:
    """Of a cell, with a sign that there are more. What says where the cell comes from is cut to the file's name."""
    head, _, rest = code.partition("\n")
    place = _PLACE.match(head)
    if place is not None and rest.strip():
        return f"{place[1]}  {first_line(rest)}"
    lines = [line for line in code.split("\n") if line.strip()]
    shown = "".join(character if character.isprintable() else " " for character in lines[0]) if lines else ""
    return shown + (" …" if len(lines) > 1 else "")


def own(names: Sequence[str]) -> Sequence[str]:
    """Without `_` and `_7`, what cells have shown, and what Python notes there of warnings, if there are others."""
    return [name for name in names if name.strip("_0123456789") not in ("", "warningregistry")] or names


def not_restored(lost: Unsaved, cell: str = "In[{}]") -> str:
    """What did not come back, why, and which cell had made it, as one sentence; `cell` is how cells are called."""
    made = f" {cell.format(lost.cell)} made it." if lost.cell is not None else ""
    return f"Not restored: {missing(lost)}.{made}"


def missing(lost: Unsaved) -> str:
    """`s (socket): its other end is outside of this session`: for a sentence that says what that means."""
    reason = lost.reason.removeprefix(f"{lost.type}: ")  # where it names the part that cannot be saved, and that is all
    return f"{lost.name}{f' ({lost.type})' if lost.type else ''}: {reason}"


def cut(lines: Iterable[str], columns: int) -> list[str]:
    """No line longer than the terminal is wide."""
    return [line if len(line) <= columns else line[: columns - 1] + "…" for line in lines]
